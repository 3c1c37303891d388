"""What a model's card says of its data: what they really were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_runs import autoencoder_recipe, diffusion_recipe

from Xray2MRILib.training.data_origin import SIMULATED, describe_pairs, describe_training_data, write_origin

torch = pytest.importorskip("torch")

REAL = "120 pairs of knee radiograph and MR scan of 118 people (a cohort)"


@pytest.fixture
def real_pairs(tmp_path: Path) -> Path:
    """A folder with the manifest of real pairs."""
    folder = tmp_path / "prepared"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"source": REAL}), encoding="utf-8")
    return folder


def model_of(folder: Path, text: str | None) -> Path:
    folder.mkdir()
    (folder / "model_card.json").write_text(json.dumps({"training_data": text}), encoding="utf-8")
    return folder


def test_simulated_pairs_are_told_by_their_records(pairs: Path, tmp_path: Path) -> None:
    assert describe_pairs(pairs).text == SIMULATED
    assert describe_pairs(pairs).licence == "Apache-2.0"
    (tmp_path / "knee-000000.npz").write_bytes(b"foreign")
    found = describe_pairs(tmp_path)
    assert (found.text, found.simulated) == ("pairs of unknown origin", False)


def test_real_pairs_are_never_called_simulated(real_pairs: Path, tmp_path: Path) -> None:
    origin = describe_pairs(real_pairs)
    assert origin.text == REAL
    own = model_of(tmp_path / "own", SIMULATED)
    found = describe_training_data(origin, own / "autoencoder", str(own))
    assert found.text == f"{REAL}; autoencoder: {SIMULATED}; initial weights: {SIMULATED}"
    assert "Apache" not in found.licence


def test_weights_of_others_are_named(pairs: Path, tmp_path: Path) -> None:
    origin = describe_pairs(pairs)
    vae = tmp_path / "vae"
    vae.mkdir()
    write_origin(vae, type(origin)("pictures of others", simulated=False))
    found = describe_training_data(origin, vae / "autoencoder", None)
    assert found.text == f"{SIMULATED}; autoencoder: pictures of others"
    assert not found.simulated
    silent = describe_training_data(origin, tmp_path / "nowhere" / "autoencoder", str(model_of(tmp_path / "m", None)))
    assert silent.text.count("data that its folder does not name") == 2
    assert describe_training_data(origin, model_of(tmp_path / "s", SIMULATED) / "a", "compact").text == SIMULATED


@pytest.mark.slow
def test_the_model_of_a_run_carries_it_to_the_volume(pairs: Path, tmp_path: Path) -> None:
    """From the autoencoder's note to the provenance of a volume, for simulated and for other pairs."""
    import shutil

    import numpy as np

    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.training import autoencoder, diffusion

    autoencoder.train(autoencoder_recipe(pairs, steps=1, save_every=1), tmp_path / "vae")
    other = shutil.copytree(pairs, tmp_path / "other")
    (other / "manifest.json").write_text(json.dumps({"source": REAL}), encoding="utf-8")
    for data, text, licence in (
        (pairs, SIMULATED, "Apache-2.0"),
        (other, f"{REAL}; autoencoder: {SIMULATED}", "not stated"),
    ):
        run = tmp_path / f"run-{data.name}"
        recipe = diffusion_recipe(data, tmp_path / "vae" / "autoencoder", steps=1, save_every=1, variants=1)
        diffusion.train(recipe, run)
        pipeline = Xray2MRIPipeline.from_pretrained(run / "model", device="cpu")
        assert pipeline.model_card["training_data"] == text
        assert pipeline.model_card["licence"].startswith(licence)
        volume = pipeline(np.zeros((1, 256, 256), np.float32), 2, 1)
        assert volume.provenance["model"]["training_data"] == text
