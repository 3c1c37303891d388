"""Weights in eight bits: against rounding by hand, and with a whole model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities  # noqa: E402
from Xray2MRILib.errors import ProcessingError  # noqa: E402
from Xray2MRILib.files.checksums import write_checksums  # noqa: E402
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline  # noqa: E402
from Xray2MRILib.model_store.assembly import build_components  # noqa: E402
from Xray2MRILib.model_store.model_folder import NETWORKS  # noqa: E402
from Xray2MRILib.models.eight_bit_weights import FILE, SCALE, from_eight_bits, to_eight_bits  # noqa: E402


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "conv.weight": torch.randn(6, 4, 3, 3, generator=generator) * torch.logspace(-3, 1, 6)[:, None, None, None],
        "conv.bias": torch.randn(6, generator=generator),
        "linear.weight": torch.randn(5, 7, generator=generator),
        "zero.weight": torch.zeros(3, 4),
        "count": torch.tensor([1, 2, 3]),
    }


def test_no_weight_moves_by_more_than_half_a_level_of_its_channel(state) -> None:
    stored = to_eight_bits(state)
    assert {stored[n].dtype for n in ("conv.weight", "linear.weight", "zero.weight")} == {torch.int8}
    assert stored["conv.bias"].dtype == torch.float16
    back = from_eight_bits(stored)
    assert set(back) == set(state)
    for name in ("conv.weight", "linear.weight", "zero.weight"):
        half_a_level = state[name].flatten(1).abs().amax(1) / 254
        moved = (back[name] - state[name]).flatten(1).abs().amax(1)
        assert (moved <= half_a_level * 1.0001).all()
    assert torch.equal(back["count"], state["count"])
    assert (back["conv.bias"] - state["conv.bias"]).abs().max() < 2e-3


def test_by_hand() -> None:
    """The largest of a row is 127 levels: 2.54 / 127 = 0.02 a level, so 1.012 is 50.6 levels and 0.031 is 1.55."""
    stored = to_eight_bits({"w": torch.tensor([[2.54, -1.012, 0.031], [0.0, -127.0, 63.0]])})
    assert stored["w"].tolist() == [[127, -51, 2], [0, -127, 63]]
    assert stored["w" + SCALE].tolist() == pytest.approx([0.02, 1.0])
    assert from_eight_bits(stored)["w"].tolist() == [pytest.approx([2.54, -1.02, 0.04]), [0.0, -127.0, 63.0]]


@pytest.fixture
def model(tmp_path: Path) -> tuple[Xray2MRIPipeline, Path]:
    torch.manual_seed(0)
    pipeline = Xray2MRIPipeline(**build_components("tiny")).on_device("cpu")
    pipeline.save_pretrained(tmp_path / "model", half_precision=True, eight_bit=True)
    return pipeline, tmp_path / "model"


def test_a_model_in_eight_bits_is_smaller_and_makes_nearly_the_same_volume(model, tmp_path: Path) -> None:
    pipeline, folder = model
    pipeline.save_pretrained(tmp_path / "half", half_precision=True)
    of_half = load_file(tmp_path / "half" / "unet" / "diffusion_pytorch_model.safetensors")
    of_eight = load_file(folder / "unet" / FILE)
    assert sum(t.nbytes for t in of_eight.values()) < 0.65 * sum(t.nbytes for t in of_half.values())
    assert all((folder / name / FILE).exists() for name in NETWORKS)
    loaded = Xray2MRIPipeline.from_pretrained(folder, device="cpu")
    assert loaded.unet.dtype == torch.float32
    assert not loaded.unet.training
    assert set(loaded.weights_sha256) == set(NETWORKS)
    picture = np.linspace(-1, 1, 256 * 256, dtype=np.float32).reshape(1, 256, 256)
    choices = {"num_slices": 2, "num_inference_steps": 2, "koa": KoaProbabilities.reader(2)}
    exact, rounded = (p(picture, **choices).array for p in (pipeline, loaded))
    difference = np.abs(exact - rounded)  # of a network of chance, whose grey levels spread over the whole range
    assert 0 < difference.mean() < 0.003
    assert difference.max() < 0.1


def test_training_begins_from_a_model_in_eight_bits(model) -> None:
    from Xray2MRILib.training.warm_start import load_matching_weights, model_part

    pipeline, folder = model
    fresh = build_components("tiny")["unet"]
    assert load_matching_weights(fresh, model_part(folder, "unet")) == len(fresh.state_dict())
    for name, weight in pipeline.unet.state_dict().items():
        assert (fresh.state_dict()[name] - weight).abs().max() <= max(float(weight.abs().max()) / 200, 1e-3)


def test_one_channel_alone_is_not_given_one_scale() -> None:
    weight = torch.linspace(-1, 1, 12).view(1, 12, 1, 1)
    assert to_eight_bits({"w": weight})["w"].dtype == torch.float16


def test_a_network_that_is_there_twice_is_refused(model, tmp_path: Path) -> None:
    pipeline, folder = model
    (folder / "checksums.json").unlink()
    pipeline.unet.save_pretrained(folder / "unet")
    with pytest.raises(ProcessingError, match="unet of the model folder model cannot be loaded"):
        Xray2MRIPipeline.from_pretrained(folder, device="cpu")


def test_weights_whose_scales_are_missing_are_refused_in_one_sentence(model) -> None:
    _, folder = model
    file = folder / "unet" / FILE
    save_file({n: t for n, t in load_file(file).items() if not n.endswith(SCALE)}, file)
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "checksums.json"]
    write_checksums(folder, [path.relative_to(folder).as_posix() for path in files])
    with pytest.raises(ProcessingError, match="unet of the model folder model cannot be loaded"):
        Xray2MRIPipeline.from_pretrained(folder, device="cpu")
