"""A small network on the joint crop: is this a frontal knee, and is it a left or a right one?

Not part of the paper. It was trained on real frontal knees of two collections, and on drawn or rotated images as
counter-examples, but on hardly any real radiograph of another body part: it can warn, it proves nothing (see
MODEL_CARD.md of the weights).
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

SHIPPED_FOLDER = "models/film_check"


class ViewClassifier(Network):
    """Two logits of a crop in radiograph orientation: frontal knee (or anything else) and left (or right).

    Parameters
    ----------
    size
        Side in pixels that the input is averaged down to, a multiple of 16.
    channels
        Width of the stem and of the three residual stages at strides 4, 8 and 16.
    dropout
        Probability of dropping a pooled feature during training.
    frontal_threshold
        Frontal probability below which a radiograph is called implausible, chosen after training.
    """

    title = "view classifier"

    @register_to_config
    def __init__(
        self,
        size: int = 128,
        channels: tuple[int, ...] = (16, 32, 48, 80),
        dropout: float = 0.2,
        frontal_threshold: float = 0.5,
    ) -> None:
        super().__init__()
        stem, low, middle, high = channels
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(4, stem, 3, 1, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU()
        )
        self.stages = nn.Sequential(
            residual_stage(stem, low, 1, 2), residual_stage(low, middle, 1, 2), residual_stage(middle, high, 1, 2)
        )
        self.dropout = nn.Dropout(dropout)
        # mean: the crop as a whole resembles a knee; maximum: a part of it does not
        self.frontal = nn.Linear(2 * high, 1)
        # left and right differ by position, so this head keeps a coarse grid
        self.left = nn.Linear(high * 4, 1)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Crops [B, 1, H, W] in [-1, 1] to the logits (frontal [B], left [B])."""
        size = self.config["size"]
        if image.shape[-2:] != (size, size):
            image = functional.adaptive_avg_pool2d(image, (size, size))
        features = self.stages(self.stem(image.contiguous(memory_format=torch.channels_last)))
        pooled = torch.cat((features.mean(dim=(2, 3)), features.amax(dim=(2, 3))), dim=1)
        quarters = functional.adaptive_avg_pool2d(features, (2, 2)).flatten(1)
        return self.frontal(self.dropout(pooled))[:, 0], self.left(self.dropout(quarters))[:, 0]


@lru_cache(maxsize=4)
def load_view_classifier(folder: Path | None = None) -> tuple[ViewClassifier, float]:
    """Network in evaluation mode and the frontal probability below which a radiograph is called implausible.

    None loads the shipped weights. Raises ProcessingError when they are missing, fail their checksum or belong to
    another network.
    """
    network = ViewClassifier.from_pretrained(folder or resource_path(SHIPPED_FOLDER))
    return network.to(memory_format=torch.channels_last), float(network.config["frontal_threshold"])


def check_probabilities(network: nn.Module, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (frontal [B], left [B]) of crops [B, 1, H, W], averaged with the mirror image.

    A mirrored left knee is a right one: the two probabilities of a side are consistent by construction.
    """
    with torch.inference_mode():
        (frontal, left), (frontal_mirrored, left_mirrored) = network(image), network(image.flip(-1))
        return (
            (torch.sigmoid(frontal.float()) + torch.sigmoid(frontal_mirrored.float())) / 2,
            torch.sigmoid((left - left_mirrored).float() / 2),
        )


def frontal_probability(image: np.ndarray | torch.Tensor, model_folder: Path | None = None) -> float:
    """Probability in [0, 1] that a prepared crop [1, H, W] in [-1, 1] shows a frontal knee; either orientation.

    Raises InputError for another shape or non-finite values, ProcessingError for missing or altered weights.
    """
    network, _ = load_view_classifier(model_folder)
    return float(check_probabilities(network, _as_batch(image))[0][0])


def left_probability(image: np.ndarray | torch.Tensor, model_folder: Path | None = None) -> float:
    """Probability in [0, 1] that a prepared crop [1, H, W] in radiograph orientation shows a left knee.

    Radiograph orientation: radiological convention, so the fibula of a right knee lies at image left. The pixels alone
    decide: a radiograph stored mirrored gives the wrong side. Raises what ``frontal_probability`` raises.
    """
    network, _ = load_view_classifier(model_folder)
    return float(check_probabilities(network, _as_batch(image))[1][0])


def _as_batch(image: np.ndarray | torch.Tensor) -> torch.Tensor:
    tensor = torch.as_tensor(np.asarray(image, dtype=np.float32))
    tensor = tensor[None] if tensor.ndim == 2 else tensor
    if tensor.ndim != 3 or tensor.shape[0] != 1 or min(tensor.shape[1:]) < 32 or not torch.isfinite(tensor).all():
        raise InputError(
            f"The view classifier needs one finite image [1, H, W], not the shape {tuple(tensor.shape)}.",
            code="bad-image",
            hint="Prepare the radiograph first.",
        )
    return tensor[None].clamp(-1, 1)
