"""Latents that get more channels: the earlier ones stay what they were, in encoder, decoder and U-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")


def _parts(channels: int, **unet: Any) -> dict[str, Any]:
    from Xray2MRILib.model_store.assembly import build_components

    unet = {"in_channels": 2 * channels + 8, "out_channels": channels} | unet
    return build_components("tiny", autoencoder={"latent_channels": channels}, unet=unet)


@pytest.fixture(scope="module")
def widened(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Components with 4 and with 6 latent channels, the latter begun from the former."""
    from Xray2MRILib.training.warm_start import load_matching_weights

    torch.manual_seed(0)
    folder: Path = tmp_path_factory.mktemp("earlier")
    earlier, wider = _parts(4), _parts(6)
    for name in ("autoencoder", "unet"):
        for tensor in earlier[name].state_dict().values():
            tensor.copy_(torch.randn(tensor.shape) * 0.2)  # nothing is zero that would hide a mistake
        earlier[name].save_pretrained(folder / name, safe_serialization=True)
        load_matching_weights(wider[name], folder / name)
    return earlier, wider


def test_the_earlier_channels_come_out_as_before(widened) -> None:
    """Mean and log variance of the first four channels are equal; the new ones have the usual small variance."""
    earlier, wider = (parts["autoencoder"].eval() for parts in widened)
    images = torch.randn(2, 4, 16, 16)
    with torch.no_grad():
        before, now = (vae.encode(images).latent_dist for vae in (earlier, wider))
    assert now.mean.shape[1] == 6
    assert torch.allclose(now.mean[:, :4], before.mean, atol=1e-5)
    assert torch.allclose(now.logvar[:, :4], before.logvar, atol=1e-5)
    assert now.logvar[:, 4:].std() < 1e-6


def test_without_the_new_channels_the_decoder_draws_what_it_drew(widened) -> None:
    earlier, wider = (parts["autoencoder"].eval() for parts in widened)
    latents = torch.randn(2, 4, 4, 4)
    with torch.no_grad():
        wider.post_quant_conv.weight[4:] = 0  # both layers see new channels; without them nothing may differ
        wider.post_quant_conv.bias[4:] = 0
        more = torch.cat((latents, torch.randn(2, 2, 4, 4)), 1)
        assert torch.allclose(wider.decode(more).sample, earlier.decode(latents).sample, atol=1e-5)


def test_every_group_of_the_first_layer_is_in_its_place(widened) -> None:
    earlier, wider = (parts["unet"].state_dict() for parts in widened)
    old, new = earlier["conv_in.weight"], wider["conv_in.weight"]
    assert torch.equal(new[:, :4], old[:, :4])
    assert torch.equal(new[:, 6:10], old[:, 4:8])
    assert torch.equal(new[:, 12:], old[:, 8:])
    assert 0 < new[:, 4:6].std() < 0.04
    assert torch.equal(wider["conv_out.weight"][:4], earlier["conv_out.weight"])
    assert torch.equal(wider["conv_out.bias"][:4], earlier["conv_out.bias"])
    assert torch.equal(wider["mid_block.resnets.0.conv1.weight"], earlier["mid_block.resnets.0.conv1.weight"])


@pytest.mark.parametrize("now", [4, 3])
def test_nothing_is_widened_where_no_channel_is_new(now: int) -> None:
    from Xray2MRILib.training.wider_latents import widened_autoencoder, widened_unet

    earlier, own = _parts(4), _parts(now)
    assert not widened_autoencoder(own["autoencoder"].state_dict(), earlier["autoencoder"].state_dict())
    assert not widened_unet(own["unet"].state_dict(), earlier["unet"].state_dict())


def test_other_features_than_before_are_left_to_the_usual_rule() -> None:
    from Xray2MRILib.training.wider_latents import widened_unet

    earlier, own = _parts(4), _parts(6, in_channels=30)
    assert not widened_unet(own["unet"].state_dict(), earlier["unet"].state_dict())
