"""The short ways of attention against the stock network, which computes it in full."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention

from Xray2MRILib.models import short_attention
from Xray2MRILib.models.short_attention import attend, shorten_attention


@pytest.fixture
def networks() -> tuple[UNet2DConditionModel, UNet2DConditionModel]:
    """The same weights twice, the second with the short way."""
    torch.manual_seed(0)
    options = {
        "in_channels": 4, "out_channels": 4, "block_out_channels": (16, 32), "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "norm_num_groups": 8, "attention_head_dim": 2,
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"), "cross_attention_dim": 12,
    }  # fmt: skip
    stock, short = UNet2DConditionModel(**options).eval(), UNet2DConditionModel(**options).eval()
    short.load_state_dict(stock.state_dict())
    shorten_attention(short)
    return stock, short


def queries_computed(network: UNet2DConditionModel) -> list[str]:
    """Names of the cross-attentions that compute queries from now on."""
    computed: list[str] = []
    for name, module in network.named_modules():
        if isinstance(module, Attention) and module.is_cross_attention:
            module.to_q.register_forward_hook(lambda *_, name=name: computed.append(name))
    return computed


@pytest.mark.parametrize("tokens", [1, 3])
def test_the_result_is_that_of_the_stock_network(networks, tokens):
    stock, short = networks
    computed = queries_computed(short)
    sample, token = torch.randn(2, 4, 8, 8), torch.randn(2, tokens, 12)
    with torch.no_grad():
        expected, found = stock(sample, 7, token).sample, short(sample, 7, token).sample
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert (len(computed) == 0) == (tokens == 1)


def test_with_a_gradient_every_weight_takes_part_as_in_the_stock_network(networks):
    sample, token = torch.randn(2, 4, 8, 8), torch.randn(2, 1, 12)
    for network in networks:
        network(sample, 7, token).sample.square().mean().backward()
    for (name, expected), (_, found) in zip(*(n.named_parameters() for n in networks), strict=True):
        torch.testing.assert_close(found.grad, expected.grad, msg=name)


@pytest.mark.parametrize("scores_at_once", [1, 40 * 30, 1 << 21])
def test_matrix_products_in_bf16_give_the_softmax_of_the_definition(monkeypatch, scores_at_once):
    monkeypatch.setattr(short_attention, "_MOST_SCORES", scores_at_once)
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(2, 3, places, width, generator=generator).bfloat16()
        for places, width in ((40, 8), (30, 8), (30, 5))
    )
    q, k, v = (part.double() for part in (query, key, value))
    expected = torch.einsum("bhnm,bhmc->bhnc", torch.einsum("bhnk,bhmk->bhnm", q, k).div(8**0.5).softmax(-1), v)
    with torch.no_grad():
        found = attend(query, key, value)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), expected, atol=0.03, rtol=0)
    torch.testing.assert_close(attend(query, key, value).double(), expected, atol=0.03, rtol=0)  # fused, for gradients
    torch.testing.assert_close(attend(q, k, v), expected)


def test_equal_tokens_count_as_one_of_them(networks):
    _, short = networks
    sample, token = torch.randn(2, 4, 8, 8), torch.zeros(2, 1, 12)
    with torch.no_grad():
        several = short(sample, 7, token.expand(-1, 5, -1)).sample
        torch.testing.assert_close(short(sample, 7, token).sample, several, atol=1e-6, rtol=1e-5)
