"""Enlargement and convolution in one step, against the stock networks, which take two."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers.models.upsampling import Upsample2D

from Xray2MRILib.model_store.assembly import build_components
from Xray2MRILib.models.autoencoder import decode_latents
from Xray2MRILib.models.folded_upsampling import FoldedUpsampling, fold_upsampling


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("bias", [True, False])
def test_the_result_is_that_of_two_steps_up_to_the_edges(bias, layout):
    torch.manual_seed(0)
    stock = Upsample2D(6, use_conv=True, out_channels=5, bias=bias).eval()
    folded = copy.deepcopy(stock)
    fold_upsampling(folded)
    assert type(folded) is FoldedUpsampling
    features = torch.randn(2, 6, 7, 4).to(memory_format=layout)
    with torch.no_grad():
        expected, found = stock(features), folded(features)
    assert found.shape == (2, 5, 14, 8)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_a_decoder_gives_the_same_slices(monkeypatch):
    torch.manual_seed(0)
    stock = build_components("tiny")["autoencoder"].eval()
    folded = copy.deepcopy(stock)
    fold_upsampling(folded)
    folds = []
    convolve = torch.nn.functional.conv_transpose2d
    monkeypatch.setattr(
        torch.nn.functional, "conv_transpose2d", lambda *given, **more: folds.append(1) or convolve(*given, **more)
    )
    latents = torch.randn(3, stock.config.latent_channels, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(decode_latents(folded, latents), decode_latents(stock, latents), atol=1e-5, rtol=0)
    assert folds  # it took the short way
    assert folded.state_dict().keys() == stock.state_dict().keys()


def test_with_a_gradient_and_a_given_size_it_is_the_stock_layer():
    torch.manual_seed(0)
    stock = Upsample2D(4, use_conv=True)
    folded = copy.deepcopy(stock)
    fold_upsampling(folded)
    features = torch.randn(1, 4, 5, 5)
    for layer in (stock, folded):
        layer(features).square().mean().backward()
    assert torch.equal(folded.conv.weight.grad, stock.conv.weight.grad)
    with torch.no_grad():
        assert torch.equal(folded(features, output_size=(9, 9)), stock(features, output_size=(9, 9)))
