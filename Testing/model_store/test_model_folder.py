"""Model folders: their layout, a round trip, and what is refused before anything of it is used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_pipeline import FAST, NETWORKS

from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
from Xray2MRILib.model_store.model_folder import locate_model


def test_saved_folder_has_the_layout_of_diffusers_and_no_pickle(saved):
    names = {path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file()}
    assert names == {
        "model_index.json", "model_card.json", "checksums.json", "scheduler/scheduler_config.json",
        *(f"{name}/{file}" for name in NETWORKS for file in ("config.json", "diffusion_pytorch_model.safetensors")),
    }  # fmt: skip
    index = json.loads((saved / "model_index.json").read_text(encoding="utf-8"))
    assert index["_class_name"] == "Xray2MRIPipeline"
    assert index["autoencoder"] == ["diffusers", "AutoencoderKL"]
    assert index["unet"][1] == "Xray2MRIUNet"
    assert not list(saved.parent.glob(".*"))


def test_round_trip_gives_the_same_volume(saved, picture, reference):
    loaded = Xray2MRIPipeline.from_pretrained(saved, device="cpu")
    volume = loaded(picture, **FAST)
    assert np.array_equal(volume.array, reference.array)
    assert loaded.model_card["preset"] == "tiny"
    assert volume.provenance["model"]["name"] == "tiny"
    assert volume.provenance["model"]["weights_sha256"] == loaded.weights_sha256
    assert set(loaded.weights_sha256) == set(NETWORKS)


def test_a_model_does_not_tell_where_it_was_loaded_from(saved, tmp_path):
    Xray2MRIPipeline.from_pretrained(saved).save_pretrained(tmp_path / "again")
    for path in (tmp_path / "again").rglob("*.json"):
        assert "_name_or_path" not in path.read_text(encoding="utf-8")
        assert str(saved.parent) not in path.read_text(encoding="utf-8")
    Xray2MRIPipeline.from_pretrained(tmp_path / "again")  # the checksums are those of what was written


def test_half_precision_is_half_the_size_and_leaves_the_networks_alone(pipeline, tmp_path, saved, picture, reference):
    pipeline.save_pretrained(tmp_path, half_precision=True)
    assert pipeline.unet.dtype == torch.float32
    name = "unet/diffusion_pytorch_model.safetensors"
    assert {tensor.dtype for tensor in load_file(tmp_path / name).values()} == {torch.float16}
    loaded = Xray2MRIPipeline.from_pretrained(tmp_path, device="cpu")
    assert loaded.unet.dtype == torch.float32
    assert np.abs(loaded(picture, **FAST).array - reference.array).max() < 0.02


def test_saving_over_a_model_replaces_it(saved, copied, picture, reference):
    (copied / "README.md").write_text("kept", encoding="utf-8")
    (copied / "unet" / "diffusion_pytorch_model-00001-of-00002.safetensors").write_bytes(b"stale")
    Xray2MRIPipeline.from_pretrained(saved, device="cpu").save_pretrained(copied)
    assert (copied / "README.md").read_text(encoding="utf-8") == "kept"
    again = Xray2MRIPipeline.from_pretrained(copied, device="cpu")
    assert np.array_equal(again(picture, **FAST).array, reference.array)


def refusal(folder: Path) -> Exception:
    with pytest.raises((InputError, ProcessingError)) as caught:
        Xray2MRIPipeline.from_pretrained(folder, device="cpu")
    assert caught.value.message.count(".") <= 4
    assert "\n" not in caught.value.sentence()
    return caught.value


@pytest.mark.parametrize("name", NETWORKS)
def test_altered_truncated_or_missing_weights_are_refused(copied, name):
    weights = copied / name / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert refusal(copied).code == "tampered-weights"
    weights.write_bytes(content[: len(content) // 2])
    assert refusal(copied).code == "tampered-weights"
    weights.unlink()
    assert refusal(copied).code == "missing-weights"


@pytest.mark.parametrize("name", ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json"])
def test_altered_configuration_is_refused(copied, name):
    (copied / name).write_text((copied / name).read_text(encoding="utf-8").replace("0", "1", 1) + " ", encoding="utf-8")
    assert refusal(copied).code == "tampered-weights"
    (copied / name).unlink()
    assert refusal(copied).code == "missing-weights"


def test_checksums_must_list_all_weights_and_stay_inside_the_folder(copied):
    table = json.loads((copied / "checksums.json").read_text(encoding="utf-8"))
    (copied / "checksums.json").write_text(json.dumps({**table, "../outside": "0"}), encoding="utf-8")
    assert refusal(copied).code == "tampered-weights"
    del table["unet/diffusion_pytorch_model.safetensors"]
    (copied / "checksums.json").write_text(json.dumps(table), encoding="utf-8")
    assert refusal(copied).code == "tampered-weights"
    (copied / "checksums.json").write_text("[", encoding="utf-8")
    assert refusal(copied).code == "tampered-weights"


def test_damage_is_noticed_without_checksums(copied):
    (copied / "checksums.json").unlink()
    Xray2MRIPipeline.from_pretrained(copied, device="cpu")
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors["conv_in.bias"]
    save_file(tensors, weights)
    assert refusal(copied).code == "damaged-model"
    weights.write_bytes(weights.read_bytes()[:5000])
    assert refusal(copied).code == "damaged-model"


def test_a_foreign_noise_schedule_is_refused(copied):
    (copied / "checksums.json").unlink()
    path = copied / "scheduler" / "scheduler_config.json"
    path.write_text(
        path.read_text(encoding="utf-8").replace("0.00085", "0.02").replace("0.012", "0.085"), encoding="utf-8"
    )
    assert refusal(copied).code == "damaged-model"


def test_pickled_weights_are_refused_unread(copied, tmp_path):
    (copied / "checksums.json").unlink()
    weights = copied / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    assert refusal(copied).code == "pickled-weights"
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x04.")
    assert refusal(tmp_path / "model.ckpt").code == "pickled-weights"


def test_other_networks_in_the_index_are_refused(copied):
    (copied / "checksums.json").unlink()
    index = json.loads((copied / "model_index.json").read_text(encoding="utf-8"))
    (copied / "model_index.json").write_text(json.dumps(index | {"unet": ["os", "system"]}), encoding="utf-8")
    assert refusal(copied).code == "other-model"


@pytest.mark.parametrize("name", ["nothing_here", "a/b/c", "../x", "owner/..", "", "x" * 300, "x/" * 3000])
def test_unknown_models_are_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        locate_model(name)
    assert caught.value.code == "no-such-model"


def test_a_hub_model_that_cannot_be_fetched_is_one_sentence(monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ProcessingError) as caught:
        locate_model("no-such-owner-0/no-such-model")
    assert caught.value.code == "model-not-fetched"
