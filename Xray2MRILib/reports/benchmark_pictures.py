"""Pictures of one slice by every method with signed difference maps: the counterpart of the paper's Table 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..benchmark.held_out import load_held_out_knee, select_depths, select_files
from ..benchmark.plan import volume_file
from ..benchmark.runner import BenchmarkResult, load_stored_volume
from ..metrics.sobel_difference import signed_sobel_difference
from .embedded_picture import data_uri
from .slice_pictures import draw_grey, draw_signed

_GRADES = (0, 2, 4)


def pictures_by_grade(result: BenchmarkResult) -> tuple[int, list[dict[str, Any]]]:
    """Number of the slice (of 50, from posterior), and for each grade the tiles of the first knee of that grade.

    The slice goes through the middle of the joint. ``knee`` is empty where no knee of the grade was measured.
    """
    plan, grades = result.plan, []
    files = {path.stem: path for path in select_files(plan.pairs, plan.knees)}
    middle = plan.slices // 2
    number = int(select_depths(plan.slices)[middle]) + 1
    for grade in _GRADES:
        name = next((k for k, g in zip(result.knees, result.grades, strict=True) if g == grade), "")
        tiles = []
        if name:
            knee = load_held_out_knee(files[name])
            truth = knee.volume[number - 1 : number]
            tiles = [_tile("radiograph", (knee.crop[0] + 1) / 2), _tile("reference", truth[0])]
            for title in plan.models:
                made = load_stored_volume(volume_file(plan, title, name))[middle : middle + 1]
                tiles.append(_tile(title, made[0], signed_sobel_difference(truth, made)[0]))
        grades.append({"grade": grade, "knee": name, "tiles": tiles})
    return number, grades


def _tile(name: str, picture: np.ndarray, difference: np.ndarray | None = None) -> dict[str, str]:
    """A slice, above its difference from the reference if there is one."""
    shown = draw_grey(picture)
    whole = shown if difference is None else np.concatenate((shown, draw_signed(difference)))
    return {"name": name, "source": data_uri(whole)}
