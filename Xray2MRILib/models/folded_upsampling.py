"""Enlargement and convolution of a diffusers network as one transposed convolution.

Each place of a map is repeated twice along both axes, then a 3 x 3 kernel is applied: several of its entries meet the
same place. Their sums make a 4 x 4 kernel that is applied at stride 2 to the small map, with 4/9 of the products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .diffusers_parts import Upsample2D

# entries of a 3-entry kernel that sum to each entry of the 4-entry one, along one axis
_SUMS = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])


class FoldedUpsampling(Upsample2D):
    """diffusers' enlargement; as one transposed convolution where there is no gradient, on a processor."""

    def forward(self, hidden_states: Tensor, output_size: int | None = None, *args: Any, **more: Any) -> Tensor:
        """Features [B, out, 2 h, 2 w] of features [B, in, h, w]."""
        layer = getattr(self, "conv", None)
        usual = (
            isinstance(layer, nn.Conv2d) and self.use_conv and not self.use_conv_transpose and self.interpolate
            and self.norm is None and output_size is None
            and (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups)
            == ((3, 3), (1, 1), (1, 1), (1, 1), 1)
        )  # fmt: skip
        if torch.is_grad_enabled() or hidden_states.device.type != "cpu" or not usual:
            return super().forward(hidden_states, output_size, *args, **more)
        assert isinstance(layer, nn.Conv2d)
        sums = _SUMS.to(layer.weight.dtype)
        kernel = torch.einsum("tk,ul,oikl->iotu", sums, sums, layer.weight)
        kernel = kernel.contiguous(memory_format=torch.channels_last)
        return functional.conv_transpose2d(hidden_states, kernel, layer.bias, stride=2, padding=1)


def fold_upsampling(network: nn.Module) -> None:
    """Let every enlargement of a diffusers network be computed as one convolution."""
    for module in network.modules():
        if type(module) is Upsample2D:
            module.__class__ = FoldedUpsampling
