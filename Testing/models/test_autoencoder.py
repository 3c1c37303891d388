"""Grey images in and out of the three kinds of autoencoder."""

from __future__ import annotations

import pytest
import torch

from Xray2MRILib.model_store.assembly import build_components
from Xray2MRILib.models.autoencoder import (
    decode_latents,
    decoding_chunk,
    encode_images,
    scaled_latents,
    to_autoencoder_channels,
    to_grey,
    unscaled_latents,
)


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 16), (4, 8)])
def test_channels_and_back_return_the_image(channels, size):
    images = torch.rand(2, 1, 16, 16)
    inside = to_autoencoder_channels(images, channels)
    assert inside.shape == (2, channels, size, size)
    assert torch.allclose(to_grey(inside), images)


def test_four_channels_are_the_four_neighbours():
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    inside = to_autoencoder_channels(image, 4)[0]
    assert inside[:, 0, 1].tolist() == [2.0, 3.0, 6.0, 7.0]


def test_other_channel_counts_are_refused():
    with pytest.raises(ValueError, match="1, 3 or 4"):
        to_autoencoder_channels(torch.zeros(1, 1, 4, 4), 2)
    with pytest.raises(ValueError, match="1, 3 or 4"):
        to_grey(torch.zeros(1, 2, 4, 4))


@torch.no_grad()
def test_latents_are_eight_times_smaller_scaled_and_decoded_in_chunks():
    torch.manual_seed(0)
    vae = build_components("tiny", autoencoder={"scaling_factor": 2.5})["autoencoder"].eval()
    images = torch.rand(5, 1, 64, 64) * 2 - 1
    mode = encode_images(vae, images, sample=False, scaled=False)
    assert mode.shape == (5, 4, 8, 8)
    assert torch.equal(encode_images(vae, images, sample=False), mode * 2.5)
    first, again = (
        encode_images(vae, images, sample=True, generator=torch.Generator().manual_seed(1)) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, mode * 2.5)
    decoded = decode_latents(vae, mode * 2.5, chunk=2)
    assert decoded.shape == images.shape
    assert torch.allclose(decoded, decode_latents(vae, mode, scaled=False, chunk=5), atol=1e-5)


@pytest.mark.parametrize(("preset", "chunk"), [("compact", 8), ("paper", 1)])
def test_large_decoders_decode_fewer_slices_at_a_time(preset, chunk):
    with torch.device("meta"):
        vae = build_components(preset, radiograph_encoder={"token_encoder": "none"})["autoencoder"]
    assert decoding_chunk(vae, 32 * 32) == chunk


def test_a_processor_decodes_as_many_slices_as_its_cache_holds():
    vae = build_components("compact", radiograph_encoder={"token_encoder": "none"})["autoencoder"]
    assert decoding_chunk(vae, 32 * 32) == 4
    with torch.autocast("cpu", torch.bfloat16):
        assert decoding_chunk(vae, 32 * 32) == 8


@torch.no_grad()
def test_channel_statistics_bring_latents_to_unit_spread_and_back():
    """By hand: channel c of the latents is 3 c + (c + 1) times unit noise."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 4, 32, 32, generator=generator)
    mean, deviation = [0.0, 3.0, 6.0, 9.0], [1.0, 2.0, 3.0, 4.0]
    latents = noise * torch.tensor(deviation)[:, None, None] + torch.tensor(mean)[:, None, None]
    config = {"scaling_factor": 0.5, "latents_mean": mean, "latents_std": deviation}
    torch.testing.assert_close(scaled_latents(config, latents), noise * 0.5, atol=1e-5, rtol=0)
    torch.testing.assert_close(unscaled_latents(config, scaled_latents(config, latents)), latents)
    stock = {"scaling_factor": 0.18215, "latents_mean": None, "latents_std": None}
    torch.testing.assert_close(scaled_latents(stock, latents), latents * 0.18215)
