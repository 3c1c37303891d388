"""Condition dropout: at random in training, all conditions for the unconditional branch of guidance (A19).

In training and sampling a dropped token or latent is zero after every projection, and a dropped p or i is the uniform
distribution.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def null_conditions(conditions: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Replace every condition vector [B, size] by the uniform distribution."""
    return {name: torch.full_like(vector, 1 / vector.shape[-1]) for name, vector in conditions.items()}


def draw_dropout(count: int, device: torch.device, generator: torch.Generator | None = None) -> Tensor:
    """One uniform draw r per sample [B], on ``device``, for ``drop_conditions``."""
    own = generator.device if generator is not None else "cpu"
    return torch.rand(count, generator=generator, device=own).to(device)


def drop_conditions(
    latent: Tensor,
    token: Tensor | None,
    conditions: Mapping[str, Tensor],
    generator: torch.Generator | None = None,
    *,
    draw: Tensor | None = None,
) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
    """Drop latent [B, 4, h, w], token [B, N, D] and condition vectors at random per sample.

    One uniform draw r per sample decides, as in Zero-123: below 0.05 the token is dropped, below 0.10 token and latent,
    below 0.15 the latent. All condition vectors are dropped together with token and latent (the unconditional branch).
    From 0.15 on, each vector is dropped alone in a band of 0.05. ``draw`` [B] gives r; None draws it.
    """
    if draw is None:
        draw = draw_dropout(latent.shape[0], latent.device, generator)
    everything = (draw >= 0.05) & (draw < 0.10)
    latent = latent * ~((draw >= 0.05) & (draw < 0.15))[:, None, None, None]
    if token is not None:
        token = token * ~(draw < 0.10)[:, None, None]
    null = null_conditions(conditions)
    kept = {}
    for band, (name, vector) in enumerate(conditions.items()):
        start = 0.15 + 0.05 * band
        dropped = everything | ((draw >= start) & (draw < start + 0.05))
        kept[name] = torch.where(dropped[:, None], null[name], vector)
    return latent, token, kept
