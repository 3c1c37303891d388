"""Five Kellgren-Lawrence probabilities from the joint crop (A9): a small network trained from scratch.

The layout follows Siamese-GAP (``baselines.siamese_gap``): the lateral and the mirrored medial half pass through one
shared branch, and their average-pooled features are added after every stage. Our extensions: a last stage processes the
two feature maps rejoined to the whole joint, and there are five outputs.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..errors import InputError
from ..files.resources import resource_path
from ..models.network import Network, register_to_config
from ..models.residual_blocks import residual_stage
from .koa_probabilities import GRADES, KoaProbabilities

SHIPPED_FOLDER = "models/koa_classifier"


class KneeGradeNetwork(Network):
    """Siamese classifier of a joint crop into the five Kellgren-Lawrence grades.

    Parameters
    ----------
    size
        Side in pixels of the resampled input; a multiple of 32.
    overlap
        Columns (of ``size``) around the middle that belong to both halves; a multiple of 16.
    channels
        Width of the stem, of the shared branch's three stages (strides 4, 8, 16) and of the stage for the whole joint.
    blocks
        Residual blocks in each of these four stages.
    dropout
        Probability of dropping a pooled feature during training.
    temperature
        Divisor of the logits that calibrates the probabilities (``training.classifier.fit_temperature``); 1 has no
        effect.
    """

    title = "grade classifier"

    @register_to_config
    def __init__(
        self,
        size: int = 224,
        overlap: int = 32,
        channels: tuple[int, ...] = (32, 32, 64, 128, 192),
        blocks: tuple[int, ...] = (1, 2, 2, 1),
        dropout: float = 0.3,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        stem, low, middle, high, joint = channels
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(4), nn.Conv2d(16, stem, 3, 1, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU()
        )
        self.branch = nn.ModuleList(
            [
                residual_stage(stem, low, blocks[0], 1),
                residual_stage(low, middle, blocks[1], 2),
                residual_stage(middle, high, blocks[2], 2),
            ]
        )
        self.joint = residual_stage(high, joint, blocks[3], 2)
        self.dropout = nn.Dropout(dropout)
        self.grades = nn.Linear(low + middle + high + joint, GRADES)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Joint crops [B, 1, H, W] in [-1, 1], right-knee space, to logits [B, 5]."""
        size, half = self.config["size"], (self.config["size"] + self.config["overlap"]) // 2
        if image.shape[-2:] != (size, size):
            image = functional.interpolate(image, size=(size, size), mode="bilinear", align_corners=False)
        count = image.shape[0]
        # right-knee space in radiological convention: lateral at image left
        features = torch.cat((image[..., :half], image[..., size - half :].flip(-1)))
        features = features.contiguous(memory_format=torch.channels_last)
        features = self.stem(features)
        pools = []
        for stage in self.branch:
            features = stage(features)
            pooled = features.mean(dim=(2, 3))
            pools.append(pooled[:count] + pooled[count:])
        whole = torch.cat((features[:count], features[count:].flip(-1)), dim=-1)
        pools.append(self.joint(whole).mean(dim=(2, 3)))
        return self.grades(self.dropout(torch.cat(pools, dim=1)))


@lru_cache(maxsize=4)
def load_classifier(folder: Path | None = None) -> tuple[KneeGradeNetwork, float]:
    """Network in evaluation mode and its calibration temperature; None loads the shipped weights.

    Raises ProcessingError when the weights are missing, fail their checksum or belong to another network.
    """
    network = KneeGradeNetwork.from_pretrained(folder or resource_path(SHIPPED_FOLDER))
    return network.to(memory_format=torch.channels_last), float(network.config["temperature"])


def grade_probabilities(network: nn.Module, image: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """Calibrated probabilities [B, 5] of crops [B, 1, H, W] in [-1, 1].

    The mean over the crop and its mirror image, so that the grade does not depend on the assumed side of the knee.
    """
    with torch.inference_mode():
        logits = torch.stack((network(image), network(image.flip(-1)))).float()
        return torch.softmax(logits / temperature, dim=-1).mean(dim=0)


def classify_koa(image: np.ndarray | torch.Tensor, model_folder: Path | None = None) -> KoaProbabilities:
    """Kellgren-Lawrence probabilities of one prepared radiograph.

    Parameters
    ----------
    image
        [1, 256, 256] float32 in [-1, 1] from ``preparation.joint_crop``.
    model_folder
        Folder with other weights; None takes the shipped ones.

    Raises InputError for another shape or non-finite values, ProcessingError for missing or altered weights.
    """
    tensor = torch.as_tensor(np.asarray(image, dtype=np.float32))
    if tensor.ndim != 3 or tensor.shape[0] != 1 or min(tensor.shape[1:]) < 32 or not torch.isfinite(tensor).all():
        raise InputError(
            f"The grade classifier needs one finite image [1, H, W], not the shape {tuple(tensor.shape)}.",
            code="bad-image",
            hint="Prepare the radiograph first.",
        )
    network, temperature = load_classifier(model_folder)
    probabilities = grade_probabilities(network, tensor[None].clamp(-1, 1), temperature)[0]
    return KoaProbabilities(tuple(float(p) for p in probabilities), "classifier")
