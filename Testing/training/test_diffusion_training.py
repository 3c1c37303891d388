"""Autoencoder and diffusion training on a handful of drawn pairs: resuming, determinism, something is learnt."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from Xray2MRILib.errors import InputError
from Xray2MRILib.simulation.knee_pair import KneePair
from Xray2MRILib.simulation.knee_parameters import draw
from Xray2MRILib.simulation.pair_store import list_pairs, read_pair, write_pair

torch = pytest.importorskip("torch")


def drawn_pair(seed: int) -> KneePair:
    """A pair whose film shows a bright bar where the volume has a dark one: quick to make, possible to learn."""
    rng = np.random.default_rng(seed)
    row, width = int(rng.integers(110, 150)), int(rng.integers(40, 90))
    volume = np.full((50, 256, 256), 0.5, np.float32)
    volume[:, row : row + 12, 128 - width : 128 + width] = 0.05
    volume *= np.linspace(1.0, 0.6, 50, dtype=np.float32)[:, None, None]
    bone = np.zeros((288, 288), np.float32)
    bone[row : row + 20, 144 - width : 144 + width] = 2.0
    bone += rng.random(bone.shape, np.float32) * 0.05
    soft = np.ones((288, 288), np.float32) + np.linspace(0, 1, 288, dtype=np.float32)
    return KneePair(draw(seed, seed % 5, ("t",), {"t": 72.0}), volume, bone, soft, {"medial": 4.0, "lateral": 5.0})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for k in range(3):
        write_pair(folder, k, drawn_pair(k))
    return folder


def autoencoder_recipe(pairs: Path, **changes: object) -> dict:
    recipe = json.loads((Path(__file__).parents[2] / "Resources/recipes/autoencoder.json").read_text())
    small = {"data": str(pairs), "held_out": str(pairs), "preset": "tiny", "knees": 2, "held_out_knees": 1, "steps": 6,
             "batch_size": 4, "patch": 64, "warm_up_steps": 1, "precision": "float32", "device": "cpu", "threads": 1,
             "log_every": 2, "save_every": 3}  # fmt: skip
    return recipe | small | changes


def diffusion_recipe(pairs: Path, autoencoder: Path, **changes: object) -> dict:
    recipe = json.loads((Path(__file__).parents[2] / "Resources/recipes/diffusion.json").read_text())
    small = {"data": str(pairs), "held_out": str(pairs), "autoencoder": str(autoencoder), "preset": "tiny",
             "knees_per_batch": 2, "depths_per_knee": 2, "exposures": 2, "steps": 6, "warm_up_steps": 1,
             "precision": "float32", "device": "cpu", "threads": 1, "log_every": 2, "save_every": 3}  # fmt: skip
    return recipe | small | changes


@pytest.fixture(scope="module")
def autoencoder(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from Xray2MRILib.training.autoencoder import train

    output = tmp_path_factory.mktemp("autoencoder")
    metrics = train(autoencoder_recipe(pairs, steps=60, learning_rate=0.01), output)
    assert metrics["psnr_db"] > 14  # a mid-grey guess reaches about 11 dB here
    return output / "autoencoder"


def test_pair_survives_the_store(pairs: Path) -> None:
    stored, made = read_pair(list_pairs(pairs)[1]), drawn_pair(1)
    assert np.abs(stored.volume - made.volume).mean() < 0.01
    assert np.abs(stored.bone - made.bone).max() < 1e-4 * made.bone.max() + 1e-4
    assert stored.parameters == made.parameters
    assert list_pairs(pairs)[1].stat().st_size < 1_000_000


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "knee-000000.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match="knee-000000"):
        read_pair(tmp_path / "knee-000000.npz")
    with pytest.raises(InputError, match="no simulated pairs"):
        list_pairs(tmp_path / "nowhere")


def test_resumed_autoencoder_equals_the_uninterrupted_one(pairs: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from Xray2MRILib.training.autoencoder import train

    train(autoencoder_recipe(pairs), tmp_path / "whole")
    first = autoencoder_recipe(pairs)
    train(first | {"steps": 6, "save_every": 3}, tmp_path / "parts")
    # Take the run back to the checkpoint of step 3, as a kill would have left it, and go on.
    (tmp_path / "parts" / "checkpoint.safetensors").unlink()
    _stop_at(pairs, tmp_path / "parts", 3)
    train(first, tmp_path / "parts", resume=True)
    one, two = (
        load_file(tmp_path / run / "autoencoder" / "diffusion_pytorch_model.safetensors") for run in ("whole", "parts")
    )
    for name in one:
        assert torch.allclose(one[name], two[name], atol=1e-5), name


def _stop_at(pairs: Path, output: Path, step: int) -> None:
    """Run until the checkpoint of ``step`` is written, then break off."""
    from Xray2MRILib.training import autoencoder

    class Stop(Exception):  # noqa: N818
        pass

    original = autoencoder.save_checkpoint

    def save_and_stop(*arguments: object) -> None:
        original(*arguments)
        raise Stop

    autoencoder.save_checkpoint = save_and_stop
    try:
        with pytest.raises(Stop):
            autoencoder.train(autoencoder_recipe(pairs, save_every=step), output)
    finally:
        autoencoder.save_checkpoint = original


def test_diffusion_learns_and_writes_a_loadable_network(pairs: Path, autoencoder: Path, tmp_path: Path) -> None:
    from Xray2MRILib.models.conditional_unet import Xray2MRIUNet
    from Xray2MRILib.training.diffusion import train

    early = train(diffusion_recipe(pairs, autoencoder, steps=2, save_every=2), tmp_path / "early")
    late = train(
        diffusion_recipe(pairs, autoencoder, steps=150, save_every=150, learning_rate=0.005), tmp_path / "late"
    )
    assert late["held_out_loss"] < 0.9 * early["held_out_loss"]
    assert Xray2MRIUNet.from_pretrained(tmp_path / "late" / "unet").config.condition_names == ["p", "i"]
    assert (tmp_path / "late" / "scheduler" / "scheduler_config.json").exists()
    sheet = Image.open(tmp_path / "late" / "samples" / "held-out-000150.png")
    assert sheet.size == (7 * 256, 3 * 256)  # a film, then three true and three generated slices, for three knees


def test_bent_variants_of_a_knee_differ_and_keep_their_grade(pairs: Path, autoencoder: Path) -> None:
    from diffusers import AutoencoderKL

    from Xray2MRILib.models.presets import build_components
    from Xray2MRILib.training.pair_data import KneeLatents, encode_pairs

    vae = AutoencoderKL.from_pretrained(autoencoder).eval()
    encoder = build_components("tiny")["radiograph_encoder"]
    first, again, second = (encode_pairs(pairs, vae, encoder, 2, seed, bend_mm=4.0) for seed in (1, 1, 2))
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.crops, again.crops)
    assert (first.mean.float() - second.mean.float()).abs().mean() > 0.01
    both = KneeLatents.joined([first, second])
    assert len(both) == 6
    assert both.grades.tolist() == [0, 1, 2, 0, 1, 2]


def test_soft_grades_are_probabilities_that_mostly_keep_the_grade() -> None:
    from Xray2MRILib.training.pair_data import soft_grades

    grades = torch.arange(5).repeat(200)
    p = soft_grades(grades, torch.Generator().manual_seed(0))
    assert torch.allclose(p.sum(dim=1), torch.ones(1000))
    agreement = float((p.argmax(dim=1) == grades).float().mean())
    assert 0.6 < agreement < 0.98
