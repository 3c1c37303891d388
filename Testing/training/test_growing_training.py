"""Networks that take in pairs while they learn."""

from __future__ import annotations

import dataclasses
import shutil
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from drawn_pairs import drawn_pair
from small_runs import autoencoder_recipe, diffusion_recipe

torch = pytest.importorskip("torch")

from Xray2MRILib.errors import InputError  # noqa: E402
from Xray2MRILib.simulation.pairs.pair_store import read_pair, write_pair  # noqa: E402
from Xray2MRILib.training.data.pair_data import KneeLatents, encode_pairs  # noqa: E402
from Xray2MRILib.training.data.picture_set import PictureSet  # noqa: E402
from Xray2MRILib.training.growing_latents import GrowingLatents  # noqa: E402
from Xray2MRILib.training.recipes.autoencoder import AutoencoderRecipe  # noqa: E402
from Xray2MRILib.training.recipes.diffusion import DiffusionRecipe  # noqa: E402

CPU = torch.device("cpu")
PATIENCE_S = 120.0


@pytest.fixture
def folder(pairs: Path, tmp_path: Path) -> Path:
    """Two of the pairs."""
    found = tmp_path / "pairs"
    found.mkdir()
    for k in range(2):
        shutil.copy(pairs / f"knee-{k:06d}.npz", found)
    return found


def grown(knees: GrowingLatents, count: int) -> KneeLatents:
    until = time.monotonic() + PATIENCE_S
    while len(knees.current()) < count and time.monotonic() < until:
        time.sleep(0.05)
    return knees.current()


def parts() -> dict:
    from Xray2MRILib.model_store.assembly import build_components

    torch.manual_seed(0)
    built = build_components("tiny")
    vae = built["autoencoder"].to(memory_format=torch.channels_last).eval()
    return {"vae": vae, "encoder": built["radiograph_encoder"], "cast": nullcontext, "device": CPU}


def test_encoded_knees_are_those_of_a_training_that_has_all_pairs(folder: Path, tmp_path: Path) -> None:
    """One pair comes later; all three are kept, and read again without being encoded."""
    recipe = DiffusionRecipe.from_json(
        diffusion_recipe(folder, tmp_path, growing=True, variants=1, knees=3, unreadable_share=0.5)
    )
    encoding = parts()
    with GrowingLatents(recipe, tmp_path, **encoding) as knees:
        assert len(knees.current()) == 2
        write_pair(folder, 7, drawn_pair(7))
        grown(knees, 3)
        write_pair(folder, 8, drawn_pair(8))  # more than the recipe allows
        time.sleep(0.7)
        found = knees.current()
    knees.save()
    expected = encode_pairs(
        folder, encoding["vae"], encoding["encoder"], 2, recipe.seed, bend_mm=recipe.bend_mm, unreadable_share=0.5,
        count=3,
    )  # fmt: skip
    assert set(found.tensors()) == set(expected.tensors())
    for name, tensor in expected.tensors().items():
        assert torch.equal(getattr(found, name), tensor), name

    encoding["vae"].encode = None
    again = GrowingLatents(recipe, tmp_path, **encoding).current()
    assert torch.equal(again.mean, expected.mean)


def test_a_knee_that_comes_at_another_grade_is_the_partner(folder: Path, tmp_path: Path) -> None:
    recipe = DiffusionRecipe.from_json(diffusion_recipe(folder, tmp_path, growing=True, variants=2, knees=5))
    encoding = parts()
    with GrowingLatents(recipe, tmp_path, **encoding) as knees:
        assert knees.current().partners is None
        first = read_pair(folder / "knee-000001.npz")
        other = dataclasses.replace(first.parameters, kl_grade=4)
        write_pair(folder, 500_001, dataclasses.replace(first, parameters=other))
        found = grown(knees, 6)
    knees.save()
    # rows: knee 0, knee 1 and the newcomer, two bent versions each
    assert found.partners is not None
    assert found.partners.tolist() == [-1, -1, 4, 5, 2, 3]
    again = GrowingLatents(recipe, tmp_path, **encoding).current()
    assert again.partners is not None
    assert torch.equal(again.partners, found.partners)
    encoded = encode_pairs(folder, encoding["vae"], encoding["encoder"], 2, recipe.seed, bend_mm=recipe.bend_mm)
    assert encoded.partners is not None
    assert encoded.partners.tolist() == [-1, 2, 1]


def test_knees_of_another_autoencoder_or_of_changed_pairs_are_refused(folder: Path, tmp_path: Path) -> None:
    recipe = DiffusionRecipe.from_json(diffusion_recipe(folder, tmp_path, growing=True, variants=1, knees=3))
    encoding = parts()
    GrowingLatents(recipe, tmp_path, **encoding).save()
    write_pair(folder, 1, drawn_pair(12))
    with pytest.raises(InputError, match="pairs differs"):
        GrowingLatents(recipe, tmp_path, **encoding)
    with torch.no_grad():
        encoding["vae"].encoder.conv_in.weight.add_(1)
    with pytest.raises(InputError, match="autoencoder differs"):
        GrowingLatents(recipe, tmp_path, **encoding)


def test_pictures_come_in_between_steps(folder: Path, tmp_path: Path) -> None:
    recipe = AutoencoderRecipe.from_json(autoencoder_recipe(folder, growing=True, knees=5))
    with PictureSet(recipe, parts()["encoder"], CPU) as pictures:
        slices, radiographs = pictures.current()
        assert slices.shape == (2, 50, 256, 256)
        assert radiographs.shape == (2, 1, 256, 256)
        write_pair(folder, 7, drawn_pair(7))
        until = time.monotonic() + PATIENCE_S
        while len(pictures.current()[0]) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        slices, radiographs = pictures.current()
    fixed = PictureSet(AutoencoderRecipe.from_json(autoencoder_recipe(folder, knees=5)), parts()["encoder"], CPU)
    for found, wanted in zip((slices, radiographs), fixed.current(), strict=True):
        assert torch.equal(found, wanted)
