"""Where Siamese-GAP sees early osteoarthritis: class activation by gradients (Grad-CAM, Selvaraju et al., ICCV 2017) at
each depth of the network, as in Fig. 4 of its paper."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .siamese_gap import CROP, PATCH, SiameseGap, compartments

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class EarlyEvidence:
    """What the network says about one knee.

    Attributes
    ----------
    probability
        Of KL-2 against KL-0; it presumes that the knee is one of the two.
    maps
        float32 [4, H, W], one map per depth from shallow to deep, not negative: how strongly each place of the crop
        (right-knee space) speaks for KL-2. Places that the network does not see are 0.
    """

    probability: float
    maps: np.ndarray

    @property
    def combined(self) -> np.ndarray:
        """Mean over the depths, each scaled to its own maximum, float32 [H, W] in [0, 1]."""
        highest = self.maps.max(axis=(1, 2), keepdims=True)
        scaled = np.divide(self.maps, highest, out=np.zeros_like(self.maps), where=highest > 0)
        mean = scaled.mean(axis=0)
        return mean / mean.max() if mean.max() > 0 else mean

    @property
    def compartment_shares(self) -> dict[str, float]:
        """Share of the combined map in the lateral and in the medial half of the crop."""
        combined = self.combined
        half, total = combined.shape[1] // 2, float(combined.sum())
        shares = (float(part.sum()) / total if total else 0.0 for part in (combined[:, :half], combined[:, half:]))
        return dict(zip(("lateral", "medial"), shares, strict=True))


def early_evidence(image: np.ndarray, network: SiameseGap) -> EarlyEvidence:
    """Probability and maps of a prepared radiograph [1, H, W] in [-1, 1], right-knee space."""
    crop = torch.as_tensor(np.array(image, np.float32))[None]
    with torch.enable_grad():
        features = torch.cat(compartments(crop))
        pools, kept = [], []
        for block in network.blocks:
            features = block(features.requires_grad_())
            features.retain_grad()
            kept.append(features)
            pool = features.mean(dim=(2, 3)) if network.config["pooling"] == "average" else features.amax(dim=(2, 3))
            pools.append(pool[:1] + pool[1:])
        logits = network.classes(torch.cat(pools, dim=1))[0]
        gradients = torch.autograd.grad(logits[1] - logits[0], kept)
    maps = []
    for depth, (activation, gradient) in enumerate(zip(kept, gradients, strict=True)):
        importance = gradient.mean(dim=(2, 3), keepdim=True)
        found = functional.relu((importance * activation.detach()).sum(dim=1, keepdim=True))
        maps.append(_on_crop(on_patch(found, depth), crop.shape[-2:]))
    probability = float(torch.softmax(logits.detach(), dim=0)[1])
    return EarlyEvidence(probability, torch.cat(maps).numpy())


def on_patch(found: Tensor, depth: int) -> Tensor:
    """A map [B, 1, n, n] of a depth at the patch's pixels [B, 1, 128, 128], each value at the centre of what it saw."""
    first, stride = centres(depth)
    place = (torch.arange(PATCH, dtype=torch.float32) - first) / stride
    scaled = 2 * place / (found.shape[-1] - 1) - 1
    grid = torch.stack(torch.meshgrid(scaled, scaled, indexing="ij")[::-1], dim=-1)
    return functional.grid_sample(
        found, grid[None].expand(len(found), -1, -1, -1), padding_mode="border", align_corners=True
    )


@lru_cache(maxsize=8)
def centres(depth: int) -> tuple[int, int]:
    """Row of the patch at the centre of the first value of a depth's features, and rows between values.

    From the unpadded convolutions of 3 x 3: each moves the centre by its stride, and blocks 2 to 4 begin with stride 2.
    """
    from .siamese_gap import CONVOLUTIONS

    first, stride = 0, 1
    for place, count in enumerate(CONVOLUTIONS[: depth + 1]):
        for layer in range(count):
            first += stride
            stride *= 2 if place and not layer else 1
    return first, stride


def _on_crop(patches: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps of the lateral and the mirrored medial patch [2, 1, 128, 128] at their places in the crop [1, H, W]."""
    whole = patches.new_zeros(1, 1, CROP, CROP)
    rows = slice(CROP // 3, CROP // 3 + PATCH)
    whole[0, 0, rows, :PATCH] = patches[0, 0]
    whole[0, 0, rows, -PATCH:] = patches[1, 0].flip(-1)
    return functional.interpolate(whole, tuple(size), mode="bilinear", align_corners=False, antialias=True)[0]


def evidence_of(image: np.ndarray, folder: Path | None = None) -> EarlyEvidence:
    """``early_evidence`` by the network of a folder; None takes the shipped one.

    Raises ProcessingError when the weights are missing, altered, or of another network.
    """
    from .siamese_gap import load_siamese_gap

    return early_evidence(image, load_siamese_gap(folder))
