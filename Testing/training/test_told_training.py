"""A network that is told sex and BMI: the condition reaches it, moves what it makes, and the card names it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_pairs import drawn_pair
from small_runs import autoencoder_recipe, diffusion_recipe

from Xray2MRILib.errors import InputError
from Xray2MRILib.simulation.pairs.pair_store import write_pair

PEOPLE = ({"sex": "woman", "body_mass": "obese"}, {"sex": "man", "body_mass": "normal"}, None)


def write_people(folder: Path, people: tuple = PEOPLE) -> Path:
    folder.mkdir(parents=True)
    for k, person in enumerate(people):
        write_pair(folder, k, drawn_pair(k), None if person is None else {"person": {**person, "height": "middle"}})
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people") / "pairs")


@pytest.fixture(scope="module")
def autoencoder(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from Xray2MRILib.training import autoencoder

    folder = tmp_path_factory.mktemp("a")
    autoencoder.train(autoencoder_recipe(pairs, steps=1), folder)
    return folder / "autoencoder"


def test_pairs_tell_what_their_records_hold(pairs: Path) -> None:
    from Xray2MRILib.training.data.training_knee import list_training_pairs, open_knee

    told = [dict(open_knee(path).person) for path in list_training_pairs(pairs)]
    assert told == [{"sex": "woman", "bmi": 34.0}, {"sex": "man", "bmi": 22.0}, {}]


def test_a_batch_tells_some_knees_and_not_others(pairs: Path, autoencoder: Path) -> None:
    from diffusers import AutoencoderKL

    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.data.pair_data import encode_pairs
    from Xray2MRILib.training.slice_batch import UNTOLD_SHARE, draw_batch

    vae = AutoencoderKL.from_pretrained(autoencoder).eval()
    knees = encode_pairs(pairs, vae, build_components("tiny")["radiograph_encoder"], 1, seed=1)
    assert knees.sex.tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    drawn = {"knees_per_batch": 400, "depths_per_knee": 1, "noise_emphasis": 1.0, "timesteps": 1000}
    batch = draw_batch(knees, **drawn, generator=torch.Generator().manual_seed(0))
    silent = (batch.conditions["sex"] == 0.5).all(dim=1).float().mean()
    assert float(silent) == pytest.approx(1 / 3 + 2 / 3 * UNTOLD_SHARE, abs=0.06)
    assert torch.equal((batch.conditions["sex"] == 0.5).all(dim=1), (batch.conditions["bmi"] == 1 / 7).all(dim=1))
    # without dropout everybody is told, and all other draws are those of pairs that tell nothing
    told = draw_batch(knees, **drawn, generator=torch.Generator().manual_seed(0), dropout=False)
    assert float((told.conditions["sex"] == 0.5).all(dim=1).float().mean()) == pytest.approx(1 / 3, abs=0.06)
    knees.sex = knees.bmi = None
    plain = draw_batch(knees, **drawn, generator=torch.Generator().manual_seed(0))
    for name in ("crops", "clean", "noise", "t", "u", "dropout"):
        assert torch.equal(getattr(plain, name), getattr(batch, name))
    assert set(plain.conditions) == {"p", "i"}


def test_the_condition_reaches_the_network(pairs: Path, autoencoder: Path, tmp_path: Path) -> None:
    """After a few steps its projection has moved, and what is told changes the prediction."""
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.training import diffusion

    recipe = diffusion_recipe(pairs, autoencoder, told=["sex", "bmi"], learning_rate=0.02, steps=8)
    diffusion.train(recipe, tmp_path / "told")
    card = json.loads((tmp_path / "told" / "model" / "model_card.json").read_text(encoding="utf-8"))
    assert [one["name"] for one in card["conditions"]] == ["p", "i", "sex", "bmi"]
    pipeline = Xray2MRIPipeline.from_pretrained(tmp_path / "told" / "model", device="cpu")
    crop = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256)).astype(np.float32)
    volumes = [pipeline(crop, 2, 2, told=told).array for told in ({"sex": "man"}, {"sex": "woman"}, {"bmi": 34}, None)]
    for other in volumes[1:]:
        assert np.abs(volumes[0] - other).max() > 1e-5

    unet = pipeline.unet.train()
    vector = torch.tensor([[1.0, 0.0]], requires_grad=True)
    conditions = {"p": torch.full((1, 5), 0.2), "i": torch.full((1, 64), 1 / 64), "sex": vector,
                  "bmi": torch.full((1, 7), 1 / 7)}  # fmt: skip
    sample = torch.randn(1, unet.config.in_channels, 32, 32, generator=torch.Generator().manual_seed(0))
    unet(sample, 500, torch.zeros(1), conditions).square().mean().backward()
    assert vector.grad.abs().max() > 0


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"told": ["weight"]}, "give a list, each element one of age, sex, bmi, r"),
        ({"told": ["p"]}, "give a list, each element one of"),
        ({"told": ["age"]}, "No pair in pairs tells the condition age"),
        ({"told": ["sex"], "method": "without-p-and-i"}, "takes no conditions"),
    ],
)
def test_what_cannot_be_told_is_refused(
    pairs: Path, autoencoder: Path, tmp_path: Path, changes: dict, fault: str
) -> None:
    from Xray2MRILib.training import diffusion

    with pytest.raises(InputError, match=fault):
        diffusion.train(diffusion_recipe(pairs, autoencoder, **changes), tmp_path / "t")
