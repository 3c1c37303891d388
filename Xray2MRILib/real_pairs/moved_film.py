"""A real radiograph's crop, moved: alone, or together with its scan and bent with it."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ..reprojection.similarity import Similarity
from ..simulation.pairs.crop_frame import CropPlacement, moved_frame, on_knee
from ..volume.geometry import CROP_FRAME
from .pair_file import RealPair
from .placement import frame_of, from_knee

_ALONE = Similarity()


def film_in_frame(
    pair: RealPair, similarity: Similarity, frame: CropPlacement, bend: torch.Tensor | None = None
) -> np.ndarray:
    """The radiograph [256, 256] float32 as a crop in ``frame`` shows the (bent) knee; its edge goes on beyond it.

    ``similarity`` is the pair's placement. With the frame of the placement and no bend this is the stored crop.
    """
    size = CROP_FRAME.pixels
    axis = (torch.arange(size) + 0.5) / size - 0.5
    down, across = torch.meshgrid(axis, axis, indexing="ij")
    x, z = from_knee(similarity, *on_knee(down, across, frame, bend))
    reach = CROP_FRAME.span_mm / 2 * (1 + 2 * int(pair.record["film"]["margin_px"]) / size)
    film = torch.from_numpy(np.ascontiguousarray(pair.film, dtype=np.float32))[None, None]
    grid = torch.stack((x, z), dim=-1)[None] / reach
    return functional.grid_sample(film, grid, padding_mode="border", align_corners=False)[0, 0].numpy()


def moved_crop(pair: RealPair, rng: np.random.Generator) -> np.ndarray:
    """The radiograph as another detector would crop it, [256, 256] float32."""
    return film_in_frame(pair, _ALONE, moved_frame(frame_of(_ALONE), rng))
