"""Distillation: the formulas against the sampler, and a student of few steps of a small teacher."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_runs import diffusion_recipe, distillation_recipe

from Xray2MRILib.diffusion.sampling_settings import SamplingSettings, is_printed
from Xray2MRILib.diffusion.schedule import ddim_schedule, sampler_for
from Xray2MRILib.errors import InputError
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
from Xray2MRILib.training.distillation_target import StepGrid, guided_share, state_at, turned, two_step_target


@pytest.fixture(scope="module")
def scheduler():
    return ddim_schedule("v_prediction", zero_terminal_snr=True)


@pytest.fixture(scope="module")
def teacher(pairs: Path, untrained_autoencoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that was trained for a moment, with guidance in its card."""
    from Xray2MRILib.training.diffusion import train

    sampling = {"guidance_scale": 2.0, "guidance_share": 0.5, "noise_scale": 0.5}
    folder = tmp_path_factory.mktemp("teacher")
    train(diffusion_recipe(pairs, untrained_autoencoder, steps=30, save_every=30, sampling=sampling), folder)
    return folder / "model"


def test_angles_are_those_of_the_schedule(scheduler):
    grid = StepGrid.of(scheduler, 4)
    assert grid.timesteps.tolist() == [999, 749, 499, 249]
    # arccos of the square root of alpha-bar, worked out from the betas
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    root = np.sqrt(np.cumprod(1 - betas))
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])  # Lin et al., algorithm 1
    expected = np.degrees(np.arccos(root[[999, 749, 499, 249, 0]]))
    np.testing.assert_allclose(np.degrees(grid.angles.numpy()), expected, atol=0.02)


def test_a_turn_is_a_step_of_the_sampler(scheduler):
    process, grid = sampler_for(scheduler, "ddim", 5), StepGrid.of(scheduler, 5)
    torch.manual_seed(0)
    z = torch.randn(2, 3, 4, 4)
    for place, t in enumerate(process.timesteps):
        velocity = torch.randn(z.shape)
        stepped = process.step(velocity, t, z).prev_sample
        z = turned(z, velocity, (grid.angles[place] - grid.angles[place + 1]).expand(2))
        torch.testing.assert_close(z, stepped, atol=2e-5, rtol=2e-5)


def test_one_step_with_the_target_reaches_what_two_steps_reach(scheduler):
    torch.manual_seed(0)
    weight = torch.randn(3, 3)

    def velocity(z, t):
        return torch.einsum("ij,bjhw->bihw", weight, z).tanh() * (1 + t.float()[:, None, None, None] / 1000)

    grid, fine = StepGrid.of(scheduler, 4), StepGrid.of(scheduler, 8)
    z, place = torch.randn(4, 3, 2, 2), torch.arange(4)  # the first at 90 degrees
    target = two_step_target(velocity, grid, fine, z, place)
    reached = turned(z, target, grid.angles[place] - grid.angles[place + 1])
    twice = z
    for half in (0, 1):
        at = 2 * place + half
        twice = turned(twice, velocity(twice, fine.timesteps[at]), fine.angles[at] - fine.angles[at + 1])
    torch.testing.assert_close(reached, twice, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="not twice"):
        two_step_target(velocity, grid, grid, z, place)


def test_states_have_the_spread_of_reduced_noise():
    torch.manual_seed(0)
    clean, noise = torch.randn(2, 100_000)
    z = state_at(*(v.reshape(1, 1, 1, -1) for v in (clean, noise)), torch.tensor([np.pi / 3]), torch.tensor([0.5]))
    assert float(z.std()) == pytest.approx(np.sqrt(0.25 + 0.25 * 0.75), rel=0.01)


def test_the_guided_share_is_that_of_the_sampler():
    assert guided_share(torch.arange(4), 4, 0.5).tolist() == [True, True, False, False]
    assert guided_share(torch.arange(3), 3, 0.5).tolist() == [True, True, False]
    assert not guided_share(torch.arange(4), 4, 0.0).any()


@pytest.mark.slow
def test_the_student_comes_closer_to_its_teacher(pairs, teacher, tmp_path):
    from Xray2MRILib.training.distillation import train

    short = distillation_recipe(pairs, teacher, rounds=[4, 2], updates=[1, 1], learning_rate=1e-6)
    before = train(short, tmp_path / "before")["rounds"]["2"]
    long = distillation_recipe(pairs, teacher, rounds=[4, 2], updates=[150, 150], learning_rate=0.002)
    after = train(long, tmp_path / "after")["rounds"]["2"]
    assert after["teacher"] == before["teacher"]
    assert after["student"] < 0.8 * before["student"]


@pytest.mark.slow
def test_the_student_is_a_model_that_asks_for_its_own_steps(pairs, teacher, tmp_path):
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.training.distillation import train

    train(distillation_recipe(pairs, teacher), tmp_path / "run")
    card = json.loads((tmp_path / "run" / "model-2" / "model_card.json").read_text(encoding="utf-8"))
    assert card["sampling"]["num_inference_steps"] == 2
    assert card["sampling"]["guidance_scale"] == 1.0
    assert card["distilled"]["teacher_sampling"]["guidance_scale"] == 2.0
    assert set(card["distilled"]["teacher_sha256"]) == {"autoencoder", "unet", "radiograph_encoder"}
    pipeline = Xray2MRIPipeline.from_pretrained(tmp_path / "run" / "model-2", device="cpu")
    heard = []
    forward = pipeline.unet.forward
    pipeline.unet.forward = lambda *args, as_printed=None, **more: (heard.append(as_printed), forward(*args, **more))[1]
    radiograph = np.zeros((1, 256, 256), np.float32)
    volume = pipeline(radiograph, num_slices=2)
    assert volume.provenance["sampling"]["steps"] == 2
    assert heard == [False, False]
    pipeline(radiograph, num_slices=2, noise_scale=1.0)
    assert heard[2:] == [True, True]


@pytest.mark.slow
def test_a_run_in_pieces_ends_with_the_weights_of_a_whole_one(pairs, teacher, tmp_path):
    from Xray2MRILib.training.distillation import train

    train(distillation_recipe(pairs, teacher), tmp_path / "whole")
    pieces = 0
    while "rounds" not in train(distillation_recipe(pairs, teacher, minutes=1e-6), tmp_path / "pieces", resume=True):
        pieces += 1
    assert pieces >= 10
    whole, resumed = (
        load_file(tmp_path / run / "model-2" / "unet" / "diffusion_pytorch_model.safetensors")
        for run in ("whole", "pieces")
    )
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_student_or_an_ambiguous_teacher_is_refused(pairs, teacher, tmp_path):
    """A student has no unguided predictions to learn from; a teacher as noisy as printed leaves the modes alike."""
    from Xray2MRILib.training.distillation import train

    train(distillation_recipe(pairs, teacher), tmp_path / "run")
    with pytest.raises(InputError, match="model-2 is a student itself"):
        train(distillation_recipe(pairs, tmp_path / "run/model-2"), tmp_path / "again")
    for number, sampling in enumerate(
        ({"guidance_scale": 2.0, "noise_scale": 1.0}, {"guidance_scale": 2.0, "renewed_noise": 0.9})
    ):
        pipeline = Xray2MRIPipeline.from_pretrained(teacher, device="cpu")
        folder = tmp_path / f"teacher-{number}"
        pipeline.save_pretrained(folder, card={**pipeline.model_card, "sampling": sampling})
        if number == 0:
            with pytest.raises(InputError, match="renews none"):
                train(distillation_recipe(pairs, folder), tmp_path / "noisy")
        else:
            train(distillation_recipe(pairs, folder), tmp_path / "renewed")
            card = json.loads((tmp_path / "renewed/model-2/model_card.json").read_text(encoding="utf-8"))
            assert card["sampling"]["renewed_noise"] == card["distilled"]["teacher_sampling"]["renewed_noise"] == 0.9
            asked = SamplingSettings().for_model(card)
            assert not is_printed(asked)
            assert is_printed(SamplingSettings(guidance_scale=1.0, noise_scale=1.0).for_model(card))
            assert is_printed(asked.as_printed())


def test_rounds_that_do_not_halve_are_refused(pairs, teacher, tmp_path):
    from Xray2MRILib.training.distillation import train

    with pytest.raises(InputError, match="halve"):
        train(distillation_recipe(pairs, teacher, rounds=[4, 3]), tmp_path / "run")
    with pytest.raises(InputError, match="halve"):
        train(distillation_recipe(pairs, teacher, updates=[4]), tmp_path / "run")
