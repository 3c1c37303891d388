"""w(p, i): the influence of grade probabilities and grey-level distribution on a decoder stage (eq. 9-14, A5-A7).

In the paper the conditions are h x w maps, whereas p and i are vectors. There are three forms:

- ``mixed`` (default, A5): each map mixes the decoder feature with its condition, so that the weights depend on the
  slice and the step.
- ``broadcast``: each condition is repeated over h x w; every position is then equal and eq. 14 changes nothing.
- ``sum``: mixed maps added without eq. 9-14, the ablation without adaptive weights.

Conditions form a named set (A21): any number of vectors, each summing to 1. A concatenation of one-hot readings is
divided by their number. Queries of eq. 13 come from the first name, keys from all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .short_attention import attend

FORMS = ("mixed", "broadcast", "sum")
KAPPA = 1e-5  # eq. 9-10
EPSILON = 1e-8  # eq. 11


class AdaptiveWeight(nn.Module):
    """Guidance of one decoder feature [B, C, h, w] by condition vectors; the identity before training.

    Parameters
    ----------
    channels
        C of the decoder feature.
    names, sizes
        The conditions and their lengths, e.g. ("p", "i") and (5, 64).
    form
        ``mixed``, ``broadcast`` or ``sum``, see the module's text.
    """

    def __init__(self, channels: int, names: Sequence[str], sizes: Sequence[int], form: str = "mixed") -> None:
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
        if not names or len(names) != len(sizes):
            raise ValueError(f"names and sizes must be of equal length, at least 1: {names!r}, {sizes!r}")
        self.names = tuple(names)
        self.sizes = dict(zip(names, sizes, strict=True))
        self.form = form
        self.project = nn.ModuleDict({name: nn.Linear(self.sizes[name], channels) for name in names})
        if form != "broadcast":
            self.mix = nn.ModuleDict({name: nn.Conv2d(channels, channels, 1) for name in names})
        if form != "sum":
            key_width = min(64, channels)
            self.query = nn.Conv2d(channels, key_width, 1, bias=False)
            self.key = nn.ModuleDict(
                {name: nn.Conv2d(channels, key_width, 1, bias=False) for name in self.names[1:] or self.names}
            )
            # softplus keeps mu positive: a negative one would let the denominator of eq. 11 vanish
            unit = math.log(math.e - 1)
            shape = (1, channels, 1, 1)
            self.mu_raw = nn.ParameterDict({name: nn.Parameter(torch.full(shape, unit)) for name in names})
            self.nu = nn.ParameterDict({name: nn.Parameter(torch.zeros(shape)) for name in names})
            self.o = nn.ParameterDict({name: nn.Parameter(torch.zeros(shape)) for name in names})
        self.output = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, feature: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """The feature [B, C, h, w] plus the guidance y of eq. 14 through a zero-initialised 1 x 1 convolution."""
        return feature + self.output(self.guidance(feature, conditions))

    def guidance(self, feature: Tensor, conditions: Mapping[str, Tensor]) -> Tensor:
        """y [B, C, h, w] of eq. 14."""
        maps = self.condition_maps(feature, conditions)
        if self.form == "sum":
            return sum(maps.values())
        shares = self.shares(maps)
        weighted = sum(  # eq. 12
            maps[name] * (1 + torch.sigmoid(self.nu[name] * shares[name] + self.o[name]).to(feature.dtype))
            for name in self.names
        )
        query = self.query(maps[self.names[0]])
        key = sum(convolution(maps[name]) for name, convolution in self.key.items())
        attended = attend(_tokens(query), _tokens(key), _tokens(weighted))  # eq. 13-14
        return attended[:, 0].transpose(1, 2).reshape(feature.shape)

    def condition_maps(self, feature: Tensor, conditions: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The h x w maps [B, C, h, w] that the paper calls p and i (A5)."""
        maps = {}
        for name in self.names:
            # conditions sum to 1; times their length a uniform one is all ones, which suits the layer's initialisation
            vector = conditions[name].to(feature.dtype) * self.sizes[name]
            projected = self.project[name](vector)[:, :, None, None]
            if self.form == "broadcast":
                maps[name] = projected.expand(feature.shape)
            else:
                maps[name] = functional.silu(self.mix[name](feature) + projected)
        return maps

    def shares(self, maps: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Gh [B, C, 1, 1] per condition, positive, summing to 1 (eq. 9-11)."""
        magnitude = {
            name: functional.softplus(self.mu_raw[name].float())
            * (maps[name].float().square().sum(dim=(2, 3), keepdim=True) + KAPPA).sqrt()
            for name in self.names
        }
        total = sum(magnitude.values()) + EPSILON
        return {name: value / total for name, value in magnitude.items()}


def _tokens(feature: Tensor) -> Tensor:
    """[B, C, h, w] as tokens [B, 1, h * w, C] of one head: the positions are what eq. 13 attends over (A7)."""
    return feature.flatten(2).transpose(1, 2)[:, None]
