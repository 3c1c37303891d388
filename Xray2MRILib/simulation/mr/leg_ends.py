"""Thigh and calf beyond the ends of a template, for small knees, which show more of the leg than a template holds.

The template's last axial sections follow in reverse order, each widened and moved so that the leg's outline goes on as
it went over the last 15 mm. The change fades with distance, as ``anatomy.section_flow`` has it. These are tissues, not
signal: texture runs on across the template's end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..anatomy.tissue_classes import SPACING_MM
from ..anatomy.tissue_volume import looked_up

_STRETCH_MM = 15.0  # over which the trend is measured
_FADING_MM = 25.0
_WIDER_PER_MM = 0.02  # the largest change of the leg's width, as a share of it
_ASIDE_PER_MM = 0.45  # the largest movement of its middle


@dataclass(frozen=True)
class LegEnd:
    """How the leg's axial sections change towards one end of a template, for each mm farther out.

    Attributes
    ----------
    middle
        (y, x) of the middle of the last section in voxels.
    aside
        (y, x), movement of the middle in voxels.
    wider
        (y, x), growth of the width as a share of it.
    """

    middle: tuple[float, float] = (0.0, 0.0)
    aside: tuple[float, float] = (0.0, 0.0)
    wider: tuple[float, float] = (0.0, 0.0)


def leg_end(inside: np.ndarray) -> LegEnd:
    """The trend of sections ``inside`` the fascia, bool [Y, N, X], the outermost first; none where there is no leg."""
    sections = inside[:, : round(_STRETCH_MM / SPACING_MM)]
    distance = -SPACING_MM * np.arange(sections.shape[1])
    area = sections.sum(axis=(0, 2))
    filled = area > 0
    if filled.sum() < max(len(area) / 2, 2):
        return LegEnd()
    fits = []
    for counts in (sections.sum(axis=2), sections.sum(axis=0).T):
        share = counts[:, filled] / area[filled]
        place = np.arange(len(share))[:, None]
        middle = (share * place).sum(axis=0)
        width = np.sqrt((share * (place - middle) ** 2).sum(axis=0)).clip(0.5)
        aside, here = np.polyfit(distance[filled], middle, 1)
        wider = np.polyfit(distance[filled], np.log(width), 1)[0]
        limit = _ASIDE_PER_MM / SPACING_MM
        fits.append((here, np.clip(aside, -limit, limit), np.clip(wider, -_WIDER_PER_MM, _WIDER_PER_MM)))
    (y, aside_y, wider_y), (x, aside_x, wider_x) = ([float(v) for v in fit] for fit in fits)
    return LegEnd((y, x), (aside_y, aside_x), (wider_y, wider_x))


class LegRows:
    """Rows ``first`` to ``stop`` along the leg of arrays [Y, Z, X]; those before 0 and from Z on continue them.

    ``shape`` is that of the arrays; ``ends`` are those at row 0 and at row Z - 1.
    """

    def __init__(
        self, first: int, stop: int, shape: tuple[int, int, int], ends: tuple[LegEnd, LegEnd], device: torch.device
    ) -> None:
        rows = shape[1]
        self.held = slice(max(first, 0), min(stop, rows))  # of the arrays
        self.own = slice(self.held.start - first, self.held.stop - first)  # of the result
        self._before = _Continuation(np.arange(first, min(stop, 0)), shape, ends[0], device)
        self._after = _Continuation(np.arange(max(first, rows), stop), shape, ends[1], device)

    def of(self, sections: slice, *arrays: torch.Tensor) -> list[torch.Tensor]:
        """``sections`` along y of each of ``arrays`` [Y, Z, X]: [sections, stop - first, X]."""
        held = [values[sections, self.held] for values in arrays]
        if not self._before.count and not self._after.count:
            return held
        before, after = (end.of(sections, arrays) for end in (self._before, self._after))
        return [torch.cat([p for p in parts if p.shape[1]], dim=1) for parts in zip(before, held, after, strict=True)]


class _Continuation:
    """Which voxel of a template is shown in each voxel of ``rows``, all beyond one end."""

    def __init__(self, rows: np.ndarray, shape: tuple[int, int, int], end: LegEnd, device: torch.device) -> None:
        self.count = len(rows)
        if not self.count:
            return
        last = shape[1] - 1
        folded = np.abs(rows) % (2 * last)
        shown = np.where(folded > last, 2 * last - folded, folded)
        beyond = SPACING_MM * np.where(rows < 0, -rows, rows - last)
        travel = _FADING_MM * (1 - np.exp(-beyond / _FADING_MM))
        depth, _, width = shape
        y, x = (self._places(n, end, axis, travel, beyond) for axis, n in ((0, depth), (1, width)))
        self._row = torch.from_numpy(y * (shape[1] * width) + shown * width).to(device)  # [Y, rows]
        self._column = torch.from_numpy(x.T.copy()).to(device)  # [rows, X]

    @staticmethod
    def _places(count: int, end: LegEnd, axis: int, travel: np.ndarray, beyond: np.ndarray) -> np.ndarray:
        """Places along one axis [count, rows] in the section as far inside as each row is outside."""
        middle, aside, wider = end.middle[axis], end.aside[axis], end.wider[axis]
        away = np.arange(count)[:, None] - (middle + aside * travel)
        source = middle - aside * beyond + away / np.exp(wider * (travel + beyond))
        return np.clip(np.rint(source), 0, count - 1).astype(np.int64)

    def of(self, sections: slice, arrays: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
        """``sections`` along y of the continued ``arrays``."""
        if not self.count:
            return [values[sections, :0] for values in arrays]
        index = self._row[sections, :, None] + self._column
        return [looked_up(values.view(-1), index) for values in arrays]


__all__ = ["LegEnd", "LegRows", "leg_end"]
