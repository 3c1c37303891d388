"""The knee detector: one network pass over a letterboxed radiograph, one square box per joint (YOLO in the paper, A23).

It is anchor-free: for every cell at stride 8 the network predicts the logit of a joint centre in the cell, the
logarithm of the box side, and the centre's offset from the middle of the cell. Boxes are square by definition, so one
size is enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..models.network import Network, register_to_config
from ..models.residual_blocks import ResidualBlock, group_norm

STRIDE = 8
REFERENCE_SIDE = 64.0  # canvas pixels; the size channel is log(side / REFERENCE_SIDE)


@dataclass(frozen=True)
class Letterbox:
    """Position of a radiograph on the square canvas: canvas = radiograph * scale + (left, top), all in pixels."""

    scale_x: float
    scale_y: float
    left: float
    top: float

    def to_radiograph(self, centre_x: float, centre_y: float, side: float) -> tuple[float, float, float]:
        """Centre and side of a box, from canvas pixels to radiograph pixels."""
        return (
            (centre_x - self.left) / self.scale_x,
            (centre_y - self.top) / self.scale_y,
            side / math.sqrt(self.scale_x * self.scale_y),
        )

    def to_canvas(self, centre_x: float, centre_y: float, side: float) -> tuple[float, float, float]:
        """Centre and side of a box, from radiograph pixels to canvas pixels."""
        return (
            centre_x * self.scale_x + self.left,
            centre_y * self.scale_y + self.top,
            side * math.sqrt(self.scale_x * self.scale_y),
        )


def normalise_radiograph(radiograph: np.ndarray) -> np.ndarray:
    """Map percentiles 0.5 and 99.5 of a radiograph [H, W] to 0 and 1, clipped; a constant radiograph becomes zeros."""
    low, high = np.percentile(radiograph, [0.5, 99.5])
    if high <= low:
        return np.zeros(radiograph.shape, np.float32)
    return np.clip((radiograph - low) / (high - low), 0.0, 1.0).astype(np.float32)


def letterbox(radiograph: np.ndarray, canvas_size: int) -> tuple[np.ndarray, Letterbox]:
    """Fit a radiograph [H, W] into a black square [canvas_size, canvas_size] in [0, 1] and keep its aspect ratio.

    It is shrunk by area averaging or enlarged by bilinear interpolation. Returns the canvas and the mapping.
    """
    height, width = radiograph.shape
    # subsampling to 4x the canvas first limits memory and time for huge radiographs; the averaging below still works
    step = max(1, max(height, width) // (4 * canvas_size))
    radiograph = np.ascontiguousarray(radiograph[::step, ::step], dtype=np.float32)
    scale = canvas_size / max(height, width)
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    pixels = torch.from_numpy(normalise_radiograph(radiograph))[None, None]
    if scale * step < 1:
        resized = functional.interpolate(pixels, size=shape, mode="area")
    else:
        resized = functional.interpolate(pixels, size=shape, mode="bilinear", align_corners=False)
    top, left = (canvas_size - shape[0]) // 2, (canvas_size - shape[1]) // 2
    canvas = np.zeros((canvas_size, canvas_size), np.float32)
    canvas[top : top + shape[0], left : left + shape[1]] = resized[0, 0].numpy()
    return canvas, Letterbox(shape[1] / width, shape[0] / height, left, top)


class _Convolution(nn.Sequential):
    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False), group_norm(channels_out), nn.ReLU()
        )


def _stage(channels_in: int, channels_out: int) -> nn.Sequential:
    """Halve the resolution, then one residual block."""
    return nn.Sequential(
        _Convolution(channels_in, channels_out, 2), ResidualBlock(channels_out, channels_out, norm=group_norm)
    )


class KneeDetector(Network):
    """Single-shot detector of knee joints.

    Parameters
    ----------
    canvas_size
        Side of the square input in pixels, a multiple of 32.
    channels
        Feature channels at strides 2, 4, 8, 16 and 32, each a multiple of 8.
    confidence_threshold, overlap_threshold
        Lowest confidence of a box, and the IoU with a better box above which a box is dropped; both in [0, 1].
    """

    title = "knee detector"

    @register_to_config
    def __init__(
        self,
        canvas_size: int = 256,
        channels: tuple[int, ...] = (16, 32, 48, 72, 96),
        confidence_threshold: float = 0.25,
        overlap_threshold: float = 0.3,
    ) -> None:
        super().__init__()
        if canvas_size % 32:
            raise ValueError(f"canvas_size must be a multiple of 32, got {canvas_size}.")
        c2, c4, c8, c16, c32 = channels
        self.stem = nn.Sequential(_Convolution(1, c2, 2), _Convolution(c2, c4, 2))
        self.stage8 = _stage(c4, c8)
        self.stage16 = _stage(c8, c16)
        self.stage32 = _stage(c16, c32)
        self.lateral16 = nn.Conv2d(c16, c8, 1)
        self.lateral32 = nn.Conv2d(c32, c8, 1)
        self.head = nn.Sequential(_Convolution(c8, c8), nn.Conv2d(c8, 4, 1))
        # a joint is rare among cells: start from a probability of about 1 % (focal loss, Lin et al. 2017)
        nn.init.zeros_(self.head[-1].bias)
        self.head[-1].bias.data[0] = -4.6

    def forward(self, canvas: torch.Tensor) -> torch.Tensor:
        """[B, 1, S, S] in [0, 1] to [B, 4, S/8, S/8]: joint logit, log(side / 64 px), offset x, offset y in cells."""
        at8 = self.stage8(self.stem(canvas - 0.5))
        at16 = self.stage16(at8)
        at32 = self.stage32(at16)
        context = functional.interpolate(self.lateral32(at32), scale_factor=2.0, mode="nearest") + self.lateral16(at16)
        return self.head(at8 + functional.interpolate(context, scale_factor=2.0, mode="nearest"))


def encode_targets(boxes: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Training targets of one canvas.

    ``boxes`` [N, 3] contains centre x, centre y and side in canvas pixels. Returns the heat map [cells, cells], 1 at a
    joint's cell with a Gaussian around it, and [4, cells, cells]: weight, log(side / 64), offset x, offset y. The
    weight is positive in the 3 x 3 cells around a joint, so that a peak one cell off still gives the right box.
    """
    heat = np.zeros((cells, cells), np.float32)
    regression = np.zeros((4, cells, cells), np.float32)
    rows, columns = np.mgrid[:cells, :cells]
    for centre_x, centre_y, side in boxes:
        column, row = int(centre_x // STRIDE), int(centre_y // STRIDE)
        if not (0 <= column < cells and 0 <= row < cells):
            continue
        sigma = max(0.6, 0.05 * side / STRIDE)
        gaussian = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * sigma**2)).astype(np.float32)
        heat = np.maximum(heat, gaussian)
        near = (np.abs(rows - row) <= 1) & (np.abs(columns - column) <= 1)
        regression[0][near] = np.maximum(gaussian[near], 0.2)
        regression[1][near] = math.log(side / REFERENCE_SIDE)
        regression[2][near] = centre_x / STRIDE - (columns[near] + 0.5)
        regression[3][near] = centre_y / STRIDE - (rows[near] + 0.5)
    return heat, regression


def decode(maps: torch.Tensor, threshold: float, most: int = 16) -> np.ndarray:
    """Peaks of one output [4, cells, cells], best first: [N, 4] centre x, centre y, side in pixels, confidence."""
    heat = torch.sigmoid(maps[0].float())
    peak = heat == functional.max_pool2d(heat[None, None], 3, 1, 1)[0, 0]
    rows, columns = torch.nonzero(peak & (heat >= threshold), as_tuple=True)
    confidence = heat[rows, columns]
    order = torch.argsort(confidence, descending=True, stable=True)[:most]
    rows, columns, confidence = rows[order], columns[order], confidence[order]
    side = REFERENCE_SIDE * torch.exp(maps[1, rows, columns].float().clamp(-3, 3))
    centre_x = (columns + 0.5 + maps[2, rows, columns].float()) * STRIDE
    centre_y = (rows + 0.5 + maps[3, rows, columns].float()) * STRIDE
    return torch.stack([centre_x, centre_y, side, confidence], dim=1).numpy()
