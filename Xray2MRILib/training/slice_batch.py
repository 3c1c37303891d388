"""The batch of one training step: knees, depths, noise and all else that is drawn for it (paper Algorithm 1).

A step's batch is drawn as a whole from the step's own generator and only then divided, among processes and into parts
whose gradients are added. So neither the number of processes nor that of the parts changes what is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..conditions.registry import condition
from ..models.condition_dropout import draw_dropout
from .data.pair_data import KneeLatents, reader_grades, soft_grades

# share of knees of which the network is told nothing but what the radiograph shows
UNTOLD_SHARE = 0.3
# share of the other knees whose grade a reader gives, where some knees are regraded: so that not the kind of grade but
# the grade itself says what to draw
READ_SHARE = 0.3


@dataclass(frozen=True)
class SliceBatch:
    """K knees with D slices each; the slices of a knee follow each other.

    Attributes
    ----------
    crops
        The radiographs as the encoder normalises them, float32 [K, 1, 256, 256] in [-1, 1].
    radiograph_latents
        Their latents, float32 [K, C, h, w].
    embeddings
        CLIP's embeddings of them, float32 [K, 768], or None.
    clean
        The slices' latents, a posterior sample of each, unscaled, float32 [K * D, C, h, w].
    noise
        Of the same shape.
    t
        Step of each slice, int64 [K * D].
    u
        Depth of each slice in [-1, 1], [K * D].
    conditions
        Condition vectors by name, ``p`` [K * D, 5] and ``i`` [K * D, 64], and those that a user may tell.
    dropout
        The draw that decides which conditions a slice loses, [K * D]; None drops nothing.
    """

    crops: Tensor
    radiograph_latents: Tensor
    embeddings: Tensor | None
    clean: Tensor
    noise: Tensor
    t: Tensor
    u: Tensor
    conditions: Mapping[str, Tensor]
    dropout: Tensor | None

    def __len__(self) -> int:
        """Number of slices."""
        return len(self.t)

    @property
    def depths_per_knee(self) -> int:
        """D."""
        return len(self.t) // len(self.crops)

    def of_knees(self, first: int, last: int) -> SliceBatch:
        """The slices of the knees ``first`` to ``last`` - 1."""
        knees = slice(first, last)
        rows = slice(first * self.depths_per_knee, last * self.depths_per_knee)
        return SliceBatch(
            crops=self.crops[knees],
            radiograph_latents=self.radiograph_latents[knees],
            embeddings=None if self.embeddings is None else self.embeddings[knees],
            clean=self.clean[rows],
            noise=self.noise[rows],
            t=self.t[rows],
            u=self.u[rows],
            conditions={name: vector[rows] for name, vector in self.conditions.items()},
            dropout=None if self.dropout is None else self.dropout[rows],
        )

    def divided(self, parts: int) -> list[SliceBatch]:
        """``parts`` batches of whole knees, as equal as they can be."""
        bounds = [len(self.crops) * k // parts for k in range(parts + 1)]
        return [self.of_knees(first, last) for first, last in pairwise(bounds)]


def draw_batch(
    knees: KneeLatents, *, knees_per_batch: int, depths_per_knee: int, noise_emphasis: float, timesteps: int,
    generator: torch.Generator | None, dropout: bool = True, radiograph_shift: int = 0, regraded_share: float = 0.0,
) -> SliceBatch:  # fmt: skip
    """A random batch of knees and depths, computed on the device of the knees without waiting for it.

    ``generator`` draws everything. ``radiograph_shift`` gives each knee the radiograph and conditions of the knee that
    many places later (a control). Of the knees that have a partner, ``regraded_share`` come with the partner's
    radiograph, which shows another grade, and with p as a reader of their own volume gives it: p then decides.
    """
    k, d, device = knees_per_batch, depths_per_knee, knees.mean.device
    drawn: dict[str, Any] = {"generator": generator, "device": device}
    knee = torch.randint(len(knees), (k,), **drawn)
    exposure = torch.randint(knees.crops.shape[1], (k,), **drawn)
    depth = torch.randint(knees.mean.shape[1], (k, d), **drawn)
    rows, slices = knee.repeat_interleave(d), depth.reshape(-1)
    mean, deviation = knees.mean[rows, slices].float(), knees.deviation[rows, slices].float()
    clean = mean + deviation[..., None, None] * torch.randn(mean.shape, **drawn)
    noise = torch.randn(clean.shape, **drawn)
    share = torch.rand(k * d, **drawn) ** (1 / noise_emphasis)
    knee = (knee + radiograph_shift) % len(knees)
    p, dropped = soft_grades(knees.grades[knee], generator), draw_dropout(k * d, device, generator) if dropout else None
    if regraded_share and knees.partners is not None and not radiograph_shift:
        partner = knees.partners[knee]
        regraded = (torch.rand(k, **drawn) < regraded_share) & (partner >= 0)
        read = regraded | (torch.rand(k, **drawn) < READ_SHARE)
        p = torch.where(read[:, None], reader_grades(knees.grades[knee], generator), p)
        knee = torch.where(regraded, partner, knee)  # the knee that is shown
        if dropped is not None:  # nothing is dropped: without p the volume could not be known
            dropped = torch.where(regraded.repeat_interleave(d), 1.0, dropped)
    p = p.repeat_interleave(d, 0)
    return SliceBatch(
        crops=knees.crops[knee, exposure][:, None].float() / 127.5 - 1,
        radiograph_latents=knees.radiograph_latents[knee, exposure].float(),
        embeddings=None if knees.embeddings is None else knees.embeddings[knee, exposure],
        clean=clean,
        noise=noise,
        t=(share * timesteps).long(),
        u=slices.float() / (knees.mean.shape[1] - 1) * 2 - 1,
        conditions={
            "p": p,
            "i": knees.histograms[knee, exposure].repeat_interleave(d, 0),
            **_told(knees, knee, d, generator if dropout else None, untold=dropout),
        },
        dropout=dropped,
    )


@lru_cache
def _unknown(name: str, device: torch.device) -> Tensor:
    """The vector of a value that is not known, copied to a device once."""
    return torch.tensor(condition(name).unknown, device=device)


def _told(
    knees: KneeLatents, knee: Tensor, d: int, generator: torch.Generator | None, *, untold: bool
) -> dict[str, Tensor]:
    """What is told of the knees, [K * D, size] each; of some of them nothing, because a user may tell nothing.

    Dropout alone never leaves out all of them while the radiograph is shown.
    """
    known = knees.told()
    if not known:
        return {}
    silent = torch.zeros(len(knee), dtype=torch.bool, device=knee.device)
    if untold:
        silent = torch.rand(len(knee), generator=generator, device=knee.device) < UNTOLD_SHARE
    told = {}
    for name, vectors in known.items():
        told[name] = torch.where(silent[:, None], _unknown(name, knee.device), vectors[knee]).repeat_interleave(d, 0)
    return told
