"""Siamese-GAP (Wang et al., ISBI 2022): is this knee free of osteoarthritis (KL-0) or at its beginning (KL-2)?

Both compartments of the joint crop go through one branch, the medial one mirrored to match the lateral one. The
branch's features are pooled at every depth, the pools of both compartments added, those of all depths concatenated. The
sum makes the output the same for a knee and its mirror image. In the published ablation average pooling is better than
maximum pooling.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ProcessingError
from ..files.resources import resource_path
from ..models.network import Network, register_to_config

SHIPPED_FOLDER = "models/siamese_gap"
CROP = 299
PATCH = 128
POOLINGS = ("average", "max")
GRADES = (0, 2)  # Kellgren-Lawrence grades of the two classes
CONVOLUTIONS = (2, 3, 4, 4)


def compartments(crop: Tensor) -> tuple[Tensor, Tensor]:
    """Lateral and mirrored medial patch [B, 1, 128, 128] of crops [B, 1, H, W] in right-knee space.

    Of the crop at 299 x 299: 128 rows from a third of the height on, the outermost 128 columns.
    """
    crop = functional.interpolate(crop, (CROP, CROP), mode="bilinear", align_corners=False, antialias=True)
    band = crop[..., CROP // 3 : CROP // 3 + PATCH, :]
    return band[..., :PATCH], band[..., -PATCH:].flip(-1)


class SiameseGap(Network):
    """Joint crops to logits of KL-0 and KL-2.

    Parameters
    ----------
    pooling
        ``average`` or ``max``.
    channels
        Of the four blocks; published 32, 64, 128, 256.
    dropout
        Probability of dropping a pooled feature during training.
    """

    title = "Siamese-GAP network"
    hint = "Name the folder average or max that xray2mri train siamese-gap wrote, or no folder for the shipped one."

    @register_to_config
    def __init__(
        self, pooling: str = "average", channels: tuple[int, ...] = (32, 64, 128, 256), dropout: float = 0.2
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}")
        self.blocks = nn.ModuleList()
        entering = 1
        for place, (leaving, count) in enumerate(zip(channels, CONVOLUTIONS, strict=True)):
            layers: list[nn.Module] = []
            for layer in range(count):
                stride = 2 if place and not layer else 1
                layers += [nn.Conv2d(entering, leaving, 3, stride), nn.BatchNorm2d(leaving), nn.ReLU()]
                entering = leaving
            self.blocks.append(nn.Sequential(*layers))
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(sum(channels), len(GRADES))

    def forward(self, crop: Tensor) -> Tensor:
        """Logits [B, 2] of crops [B, 1, H, W] in [-1, 1], right-knee space."""
        return self.classes(self.dropout(self.pooled(crop)))

    def pooled(self, crop: Tensor) -> Tensor:
        """Pools of both compartments, added, at all four depths: [B, sum(channels)]."""
        features = torch.cat(compartments(crop)).contiguous(memory_format=torch.channels_last)
        pools = []
        for block in self.blocks:
            features = block(features)
            pool = features.mean(dim=(2, 3)) if self.config["pooling"] == "average" else features.amax(dim=(2, 3))
            pools.append(pool[: len(crop)] + pool[len(crop) :])
        return torch.cat(pools, dim=1)


@lru_cache(maxsize=4)
def load_siamese_gap(folder: Path | None = None) -> SiameseGap:
    """The network of a folder that ``xray2mri train siamese-gap`` wrote; None loads the shipped one.

    Raises ProcessingError when the folder holds none, or when weights are missing or altered.
    """
    if folder is None:
        try:
            folder = resource_path(SHIPPED_FOLDER)
        except ProcessingError as error:
            raise ProcessingError(
                "No Siamese-GAP network ships with this installation.",
                code="missing-resource",
                hint="Train one with xray2mri train siamese-gap, and name its folder average.",
                field="network",
            ) from error
    return SiameseGap.from_pretrained(folder)


def early_osteoarthritis(image: np.ndarray, folder: Path | None = None) -> float:
    """Probability of KL-2 against KL-0 of a prepared radiograph [1, 256, 256] in [-1, 1].

    It presumes that the knee is one of the two: the network was not trained on KL-1, 3 and 4.
    """
    with torch.inference_mode():
        logits = load_siamese_gap(folder)(torch.as_tensor(np.asarray(image, np.float32))[None])
    return float(torch.softmax(logits, dim=1)[0, 1])
