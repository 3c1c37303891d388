"""Schedules and samplers against the published constants, the stock scheduler and equation 16 by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from Xray2MRILib.diffusion.schedule import check_schedule, ddim_schedule, sampler_for, training_target


def alpha_bar() -> np.ndarray:
    """Cumulative alphas from the definition, in float64."""
    betas = np.linspace(math.sqrt(0.00085), math.sqrt(0.0120), 1000) ** 2
    return np.cumprod(1 - betas)


def test_alpha_bar_is_that_of_the_base():
    cumulative = ddim_schedule().alphas_cumprod.numpy()
    assert np.allclose(cumulative, alpha_bar(), rtol=1e-4)
    assert cumulative[999] == pytest.approx(0.00466, abs=5e-6)
    assert cumulative[500] == pytest.approx(0.276, abs=5e-4)


def test_the_known_wrong_conversion_is_refused():
    wrong = DDIMScheduler(beta_start=0.02, beta_end=0.085, beta_schedule="scaled_linear")
    with pytest.raises(ValueError, match="alpha-bar at step 500"):
        check_schedule(wrong)
    with pytest.raises(ValueError, match="nan"):
        check_schedule(DDIMScheduler(num_train_timesteps=100))


@pytest.mark.parametrize("steps", [1, 2, 10, 20, 50, 100, 250])
def test_steps_equal_the_stock_scheduler_where_they_divide_a_thousand(steps):
    stock, own = ddim_schedule(), sampler_for(ddim_schedule(), "ddim", steps)
    stock.set_timesteps(steps)
    assert own.timesteps.tolist() == stock.timesteps.tolist()
    generator = torch.Generator().manual_seed(0)
    sample, prediction = torch.randn(2, 1, 4, 3, 3, generator=generator)
    for t in [*stock.timesteps[:: max(1, steps // 4)].tolist(), int(stock.timesteps[-1])]:
        expected = stock.step(prediction, t, sample).prev_sample
        assert torch.allclose(own.step(prediction, t, sample).prev_sample, expected, atol=1e-5)


@pytest.mark.parametrize("steps", [3, 7, 30, 75, 501, 600, 999, 1000])
def test_other_counts_are_kept_and_spread_over_the_whole_range(steps):
    own = sampler_for(ddim_schedule(), "ddim", steps)
    retained = own.timesteps.tolist()
    assert len(set(retained)) == steps
    assert retained == sorted(retained, reverse=True)
    assert 0 <= retained[-1] <= 1
    assert 999 - retained[0] <= math.ceil(1000 / steps)


@pytest.mark.parametrize(("steps", "prediction_type"), [(20, "epsilon"), (75, "epsilon"), (75, "v_prediction")])
def test_a_step_is_equation_16(steps, prediction_type):
    own = sampler_for(ddim_schedule(prediction_type), "ddim", steps)
    retained = own.timesteps.tolist()
    bars = alpha_bar()
    generator = np.random.default_rng(2)
    for position in (0, 1, steps // 2, steps - 1):
        t = retained[position]
        a, a_next = bars[t], bars[retained[position + 1] if position + 1 < steps else 0]
        z, prediction = generator.normal(size=(2, 1, 4, 2, 2))
        eps = prediction
        if prediction_type == "v_prediction":  # v = sqrt(A) eps - sqrt(1 - A) z_0, solved for eps
            eps = math.sqrt(a) * prediction + math.sqrt(1 - a) * z
        expected = math.sqrt(a_next) * (z - math.sqrt(1 - a) * eps) / math.sqrt(a) + math.sqrt(1 - a_next) * eps
        found = own.step(
            torch.tensor(prediction, dtype=torch.float32), torch.tensor(t), torch.tensor(z, dtype=torch.float32)
        )
        assert np.allclose(found.prev_sample.numpy(), expected, atol=2e-4)


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
@pytest.mark.parametrize("steps", [0, 1001, -1])
def test_step_counts_out_of_range_are_refused(sampler, steps):
    with pytest.raises(ValueError, match="1 to 1000"):
        sampler_for(ddim_schedule(), sampler, steps)


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 2, 4, 20, 999, 1000])
def test_with_a_perfect_network_every_sampler_arrives_at_the_clean_latent(sampler, prediction_type, steps):
    schedule = ddim_schedule(prediction_type)
    process = sampler_for(schedule, sampler, steps)
    generator = torch.Generator().manual_seed(1)
    clean, noise = torch.randn(2, 1, 4, 3, 3, generator=generator, dtype=torch.float64)
    first = process.timesteps[:1]
    z = schedule.add_noise(clean, noise, first)
    for t in process.timesteps:
        a = alpha_bar()[int(t)]
        eps = (z - math.sqrt(a) * clean) / math.sqrt(1 - a)
        prediction = eps if prediction_type == "epsilon" else math.sqrt(a) * eps - math.sqrt(1 - a) * clean
        z = process.step(prediction, t, z).prev_sample
    # DDIM ends at alpha-bar of step 0, where 3 % of noise remain by design
    assert (z - clean).abs().max() < (0.12 if sampler == "ddim" else 0.01)


def test_targets_of_training_are_noise_or_velocity():
    z, noise = torch.randn(2, 3, 4, 2, 2)
    timesteps = torch.tensor([0, 400, 999])
    assert training_target(ddim_schedule(), z, noise, timesteps) is noise
    bars = torch.tensor(alpha_bar(), dtype=torch.float32)[timesteps][:, None, None, None]
    velocity = training_target(ddim_schedule("v_prediction"), z, noise, timesteps)
    assert torch.allclose(velocity, bars.sqrt() * noise - (1 - bars).sqrt() * z, atol=1e-5)


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="ddim, dpm"):
        sampler_for(ddim_schedule(), "euler", 20)
    with pytest.raises(ValueError, match="epsilon, v_prediction"):
        ddim_schedule("sample")
