"""Attention of a diffusers network without the work that its result does not need.

- The softmax over a single key is 1, whatever the query. Every place therefore receives the same vector, the token's
  projected value; queries, keys and scores are not needed.
- In bfloat16 on a processor two matrix products take 0.3 to 0.8 of the time of PyTorch's fused attention, which
  computes there in float32. In float32 the fused one is faster.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .diffusers_parts import Attention, AttnProcessor2_0

_MOST_SCORES = 1 << 21  # computed at once: 4 MB in bfloat16, which a processor's cache holds


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(Q K^T / sqrt(k)) V of [B, h, N, k], [B, h, M, k], [B, h, M, C] -> [B, h, N, C]."""
    if query.dtype == torch.bfloat16 and query.device.type == "cpu" and not torch.is_grad_enabled():
        return _by_products(query, key, value)
    # zero columns bring all three to one width, which changes nothing and lets the fused kernels work: without them
    # the N x M matrix is kept for the backward pass
    width = max(query.shape[-1], value.shape[-1])
    q, k, v = (functional.pad(part, (0, width - part.shape[-1])) for part in (query, key, value))
    attended = functional.scaled_dot_product_attention(q, k, v, scale=query.shape[-1] ** -0.5)
    return attended[..., : value.shape[-1]]


def _by_products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    scaled = query * query.shape[-1] ** -0.5
    q, k, v = (part.flatten(0, 1) for part in (scaled, key, value))
    together = max(1, _MOST_SCORES // (q.shape[1] * k.shape[1]))
    parts = zip(q.split(together), k.split(together), v.split(together), strict=True)
    attended = torch.cat([torch.bmm(torch.bmm(a, b.transpose(1, 2)).softmax(-1), c) for a, b, c in parts])
    return attended.unflatten(0, query.shape[:2])


class ShortAttention(AttnProcessor2_0):
    """Attention that takes the short ways where there is no gradient and nothing unusual; else diffusers' own.

    In training the long way stays: queries and keys of a single token get a gradient of zero, which optimisers and
    several processes expect.
    """

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        *args: Any,
        **more: Any,
    ) -> Tensor:
        """Attended places [B, N, C] of places [B, N, C] and tokens [B, M, K], or of the places themselves."""
        norms = (attn.spatial_norm, attn.group_norm, attn.norm_q, attn.norm_k)
        unusual = attention_mask is not None or attn.norm_cross or attn.residual_connection or hidden_states.ndim != 3
        if torch.is_grad_enabled() or unusual or any(norm is not None for norm in norms):
            return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb, *args, **more)
        tokens = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if tokens.shape[1] == 1:
            attended = attn.to_v(tokens)
        else:
            query, key, value = (
                layer(given).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
                for layer, given in ((attn.to_q, hidden_states), (attn.to_k, tokens), (attn.to_v, tokens))
            )
            attended = attend(query, key, value).transpose(1, 2).flatten(2)
        attended = attn.to_out[0](attended)
        if attn.rescale_output_factor != 1.0:
            attended = attended / attn.rescale_output_factor
        return attended.expand(-1, hidden_states.shape[1], -1)


def shorten_attention(network: nn.Module) -> None:
    """Give every attention of a diffusers network the short ways, in place."""
    for module in network.modules():
        if isinstance(module, Attention):
            module.set_processor(ShortAttention())
