"""The slice loop: independence of the batch, the loop as printed, noise, guidance, memory and cancellation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from Xray2MRILib.diffusion.batch_size import bytes_per_slice, choose_batch_size, is_out_of_memory
from Xray2MRILib.diffusion.initial_noise import NOISES, fresh_noise, initial_noise
from Xray2MRILib.diffusion.radiograph_conditions import encode_radiograph
from Xray2MRILib.diffusion.sampling_settings import SamplingSettings
from Xray2MRILib.diffusion.schedule import sampler_for
from Xray2MRILib.diffusion.slice_loop import (
    _renewal,
    denoise,
    enlarge_to_field,
    predict,
    slice_loop,
    slice_loop_as_printed,
)
from Xray2MRILib.errors import Cancelled, ProcessingError
from Xray2MRILib.model_store.assembly import build_components

DEPTHS = [-1.0, -0.5, 0.0, 0.25, 1.0]


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    parts = build_components("tiny")
    with torch.no_grad():
        for name, parameter in parts["unet"].named_parameters():
            if name.startswith(("depth_embedding.heads", "adaptive_weights")) and not parameter.any():
                parameter.normal_(std=0.3)
    return {name: part.eval() if hasattr(part, "eval") else part for name, part in parts.items()}


@pytest.fixture(scope="module")
def conditions(parts):
    picture = torch.rand(1, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    vectors = {"p": torch.eye(5)[2], "i": torch.full((64,), 1 / 64)}
    return encode_radiograph(parts["autoencoder"], parts["radiograph_encoder"], picture, vectors)


def volume(parts, conditions, noise="shared", depths=DEPTHS, **options):
    own = {name: options.pop(name) for name in ("num_inference_steps", "sampler", "renewed_noise") if name in options}
    sampling = SamplingSettings(**({"num_inference_steps": 3} | own), seed=7, noise=noise)
    slices = torch.zeros(len(depths), 256, 256)
    for batch, images in slice_loop(
        parts["unet"], parts["autoencoder"], parts["scheduler"], conditions, depths, sampling,
        **({"batch_size": 2} | options),
    ):  # fmt: skip
        slices[batch] = images
    return slices


@pytest.mark.parametrize("noise", NOISES)
def test_the_batch_size_changes_nothing_but_rounding(parts, conditions, noise):
    reference = volume(parts, conditions, noise, batch_size=1)
    assert reference.std() > 0.01
    for batch_size in (3, 5):
        assert torch.allclose(volume(parts, conditions, noise, batch_size=batch_size), reference, atol=1e-5)


def test_two_runs_are_identical(parts, conditions):
    assert torch.equal(volume(parts, conditions), volume(parts, conditions))


def test_equals_the_loop_as_printed(parts, conditions):
    printed = slice_loop_as_printed(
        parts["unet"], parts["autoencoder"], parts["scheduler"], lambda: conditions, DEPTHS,
        initial_noise(DEPTHS, 7, "shared"), num_inference_steps=3,
    )  # fmt: skip
    assert torch.allclose(volume(parts, conditions), torch.stack(list(printed)), atol=1e-5)


@torch.no_grad()
def test_guidance_extrapolates_from_the_unconditional_prediction(parts, conditions):
    z = torch.randn(2, 4, 32, 32, generator=torch.Generator().manual_seed(1))
    depths, t = torch.tensor([-0.2, 0.6]), torch.tensor(500)
    conditional, unconditional, guided = (
        predict(parts["unet"], z, t, depths, conditions, scale) for scale in (1.0, 0.0, 3.0)
    )
    null = {"p": torch.full((2, 5), 0.2), "i": torch.full((2, 64), 1 / 64)}
    expected = parts["unet"](
        torch.cat([z, torch.zeros_like(conditions.latent).expand(2, -1, -1, -1)], 1),
        500,
        depths,
        null,
        torch.zeros(2, conditions.token.shape[1], 8),
    )
    assert torch.allclose(unconditional, expected, atol=1e-5)
    assert torch.allclose(guided, unconditional + 3 * (conditional - unconditional), atol=1e-5)
    assert (guided - conditional).abs().max() > 1e-3


@torch.no_grad()
def test_a_share_of_the_steps_is_guided_noisiest_first(parts, conditions):
    """Written out for three steps, of which the first two are guided: 2 / 3 of them, and 1 / 2, rounded up."""
    noise, depths = initial_noise(DEPTHS, 7, "shared"), torch.tensor(DEPTHS, dtype=torch.float32)
    process = sampler_for(parts["scheduler"], "ddim", 3)
    z = noise
    for timestep, scale in zip(process.timesteps, (3.0, 3.0, 1.0), strict=True):
        z = process.step(predict(parts["unet"], z, timestep, depths, conditions, scale), timestep, z).prev_sample
    for share in (0.5, 2 / 3):
        found = denoise(
            parts["unet"], parts["scheduler"], noise, depths, conditions,
            SamplingSettings(3, guidance_scale=3.0, guidance_share=share),
        )  # fmt: skip
        assert torch.equal(found, z)


@torch.no_grad()
@pytest.mark.parametrize(("steps", "renewed_before"), [(2, 1), (4, 2), (8, 4), (20, 10)])
def test_noise_is_renewed_once_and_late(parts, conditions, steps, renewed_before):
    """Written out by the DDIM formula with a share of 0.6: cosine 0.8 of the old noise, 0.6 of the new one."""
    noise, depths = initial_noise(DEPTHS, 7, "shared"), torch.tensor(DEPTHS, dtype=torch.float32)
    fresh = fresh_noise(DEPTHS, 7)
    process = sampler_for(parts["scheduler"], "ddim", steps)
    kept = [float(process.alphas_cumprod[int(t)]) for t in process.timesteps] + [float(process.final_alpha_cumprod)]
    z = noise
    for step, timestep in enumerate(process.timesteps):
        e = predict(parts["unet"], z, timestep, depths, conditions)
        x = (z - (1 - kept[step]) ** 0.5 * e) / kept[step] ** 0.5
        if step + 1 == renewed_before:
            e = 0.8 * e + 0.6 * fresh
        z = kept[step + 1] ** 0.5 * x + (1 - kept[step + 1]) ** 0.5 * e
    sampling = SamplingSettings(steps, renewed_noise=0.6)
    found = denoise(parts["unet"], parts["scheduler"], noise, depths, conditions, sampling, fresh=fresh)
    assert torch.allclose(found, z, atol=2e-4)
    assert (found - denoise(parts["unet"], parts["scheduler"], noise, depths, conditions, sampling)).std() > 1e-2


@torch.no_grad()
def test_one_step_renews_nothing_and_dpm_renews_half_way(parts, conditions):
    noise, depths = initial_noise(DEPTHS, 7, "shared"), torch.tensor(DEPTHS, dtype=torch.float32)
    fresh = fresh_noise(DEPTHS, 7)

    def found(steps, sampler, fresh):
        sampling = SamplingSettings(steps, sampler=sampler, renewed_noise=0.9)
        return denoise(parts["unet"], parts["scheduler"], noise, depths, conditions, sampling, fresh=fresh)

    assert torch.equal(found(1, "ddim", fresh), found(1, "ddim", None))
    assert (found(4, "dpm", fresh) - found(4, "dpm", None)).std() > 1e-2
    for sampler in ("ddim", "dpm"):
        assert _renewal(sampler_for(parts["scheduler"], sampler, 4).timesteps) == 2


def test_renewed_noise_makes_neighbouring_slices_less_alike(parts, conditions):
    close = [0.0, 0.04]

    def difference(share):
        slices = volume(parts, conditions, depths=close, num_inference_steps=4, renewed_noise=share)
        return float((slices[0] - slices[1]).abs().mean())

    assert difference(1.0) > 2 * difference(0.0)


@pytest.mark.parametrize("sampler", ["ddim", "dpm"])
def test_both_samplers_follow_the_depth(parts, conditions, sampler):
    slices = volume(parts, conditions, sampler=sampler)
    assert torch.isfinite(slices).all()
    assert (slices[0] - slices[4]).abs().max() > 1e-3


class Exhausted(torch.nn.Module):
    """A U-Net on a device whose memory holds no more than ``limit`` slices."""

    def __init__(self, unet, limit):
        super().__init__()
        self.unet, self.limit = unet, limit
        self.config, self.device, self.dtype = unet.config, unet.device, unet.dtype
        self.sizes = []

    def forward(self, sample, *arguments):
        self.sizes.append(len(sample))
        if len(sample) > self.limit:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return self.unet(sample, *arguments)


def test_exhausted_memory_halves_the_batch_and_goes_on(parts, conditions):
    told = []
    unet = Exhausted(parts["unet"], limit=2)
    slices = volume(
        parts | {"unet": unet}, conditions, num_inference_steps=1, batch_size=5, on_smaller_batch=told.append
    )
    assert told == [3, 2]
    assert unet.sizes == [5, 3, 2, 2, 1]
    assert torch.allclose(slices, volume(parts, conditions, num_inference_steps=1), atol=1e-5)


class ExhaustedOnce(torch.nn.Module):
    """An autoencoder whose memory ends at its decoding number ``fails_at``, and counts what it decodes."""

    def __init__(self, vae, fails_at):
        super().__init__()
        self.vae, self.fails_at = vae, fails_at
        self.config, self.device, self.dtype = vae.config, vae.device, vae.dtype
        self.sizes = []

    def decode(self, latents):
        self.sizes.append(len(latents))
        if len(self.sizes) == self.fails_at:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return self.vae.decode(latents)


def test_slices_are_handed_out_as_soon_as_they_are_decoded(parts, conditions):
    """Five slices of one batch are decoded four at a time on a processor; the first ones do not wait for the last."""
    vae = ExhaustedOnce(parts["autoencoder"], fails_at=0)
    loop = slice_loop(
        parts["unet"], vae, parts["scheduler"], conditions, DEPTHS, SamplingSettings(1, seed=7), batch_size=5
    )
    first, images = next(loop)
    assert vae.sizes == [4]
    assert len(images) == len(first) == 4
    last, images = next(loop)
    assert vae.sizes == [4, 1]
    assert sorted([*first, *last]) == list(range(5))
    assert next(loop, None) is None


def test_memory_that_ends_while_decoding_loses_no_slice_and_makes_none_twice(parts, conditions):
    vae, unet, told = ExhaustedOnce(parts["autoencoder"], fails_at=2), Exhausted(parts["unet"], limit=5), []
    slices = volume(
        parts | {"autoencoder": vae, "unet": unet}, conditions, num_inference_steps=1, batch_size=5,
        on_smaller_batch=told.append,
    )  # fmt: skip
    assert told == [3]
    assert vae.sizes == [4, 1, 1]
    assert unet.sizes == [5, 1]
    assert torch.allclose(slices, volume(parts, conditions, num_inference_steps=1), atol=1e-5)


def test_memory_too_small_for_a_slice_is_one_sentence(parts, conditions):
    with pytest.raises(ProcessingError) as failure:
        volume(parts | {"unet": Exhausted(parts["unet"], limit=0)}, conditions)
    assert failure.value.code == "out-of-memory"


def test_other_errors_pass_through(parts, conditions):
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError, match="expected input"):
        volume(parts, replace(conditions, latent=torch.zeros(1, 4, 16, 16)))


def test_cancellation_is_asked_for_before_every_step(parts, conditions):
    asked, steps = [], []

    def should_cancel():
        asked.append(True)
        return len(asked) == 3

    with pytest.raises(Cancelled):
        volume(parts, conditions, should_cancel=should_cancel, on_step=lambda size, step: steps.append((size, step)))
    assert steps == [(2, 0), (2, 1)]


def test_batches_fit_the_budget_and_are_even(parts):
    unet = parts["unet"]
    one = bytes_per_slice(unet)
    assert choose_batch_size(unet, 50, one * 4) == 4
    assert choose_batch_size(unet, 50, one * 1000) == 10
    assert choose_batch_size(unet, 11, one * 1000) == 6
    assert choose_batch_size(unet, 50, 0) == 1
    assert choose_batch_size(unet, 50, one, latent_size=16) == 4  # a quarter of the places each


def test_slices_of_half_the_resolution_are_enlarged_in_place():
    """A plane keeps its values where its pixels' centres lie; slices of the whole size are left as they are."""
    whole = torch.rand(2, 1, 256, 256)
    assert enlarge_to_field(whole) is whole
    centres = (torch.arange(128) + 0.5) * 2  # in pixels of the whole field
    plane = (centres[:, None] + 3 * centres)[None, None] / 1000
    fine = torch.arange(256) + 0.5
    expected = (fine[:, None] + 3 * fine) / 1000
    torch.testing.assert_close(enlarge_to_field(plane)[0, 0, 8:-8, 8:-8], expected[8:-8, 8:-8])
    assert enlarge_to_field(plane.bfloat16()).shape == (1, 1, 256, 256)  # what a decoder under autocast gives
