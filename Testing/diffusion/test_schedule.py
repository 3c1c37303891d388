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


def rescaled_alpha_bar() -> np.ndarray:
    """Algorithm 1 of Lin et al.: the square roots shifted to end at 0 and stretched to begin where they began."""
    root = np.sqrt(alpha_bar())
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


def test_with_zero_terminal_snr_nothing_of_the_slice_is_left():
    schedule = ddim_schedule("v_prediction", zero_terminal_snr=True)
    assert np.allclose(schedule.alphas_cumprod.numpy(), rescaled_alpha_bar(), rtol=1e-3, atol=1e-7)
    latents, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    last = torch.tensor([999])
    assert torch.equal(schedule.add_noise(latents, noise, last), noise)
    assert torch.allclose(training_target(schedule, latents, noise, last), -latents)
    with pytest.raises(ValueError, match="needs the prediction_type v_prediction"):
        ddim_schedule("epsilon", zero_terminal_snr=True)


@pytest.mark.parametrize("steps", [1, 4, 7, 20, 50, 999, 1000])
def test_steps_of_zero_terminal_snr_begin_at_the_last_as_in_the_stock_scheduler(steps):
    schedule = ddim_schedule("v_prediction", zero_terminal_snr=True)
    own = sampler_for(schedule, "ddim", steps).timesteps.tolist()
    assert own[0] == 999
    assert len(set(own)) == steps
    schedule.set_timesteps(steps)
    if 1000 % steps == 0:
        assert own == schedule.timesteps.tolist()


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
@pytest.mark.parametrize("steps", [1, 4, 20, 999])
def test_from_pure_noise_a_perfect_network_arrives_at_the_clean_latent(sampler, steps):
    schedule = ddim_schedule("v_prediction", zero_terminal_snr=True)
    process, bars = sampler_for(schedule, sampler, steps), rescaled_alpha_bar()
    clean, z = torch.randn(2, 1, 4, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for t in process.timesteps:
        a = bars[int(t)]
        eps = (z - math.sqrt(a) * clean) / math.sqrt(1 - a)
        z = process.step(math.sqrt(a) * eps - math.sqrt(1 - a) * clean, t, z).prev_sample
    assert (z - clean).abs().max() < (0.12 if sampler == "ddim" else 0.01)


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
