"""Pictures of one slice by every method with signed difference maps: the counterpart of the paper's Table 1."""

from __future__ import annotations

from html import escape

import numpy as np

from ..metrics.sobel_difference import signed_sobel_difference
from ..reports.slice_pictures import data_uri, grey, signed
from .held_out import chosen_files, depth_choice, held_out_knee
from .runner import BenchmarkResult, stored_volume, volume_file

_GRADES = (0, 2, 4)


def picture_table(result: BenchmarkResult) -> str:
    """One row of pictures per grade, each a slice through the middle of the joint of the first knee of that grade."""
    plan, rows = result.plan, []
    files = {path.stem: path for path in chosen_files(plan.pairs, plan.knees)}
    middle = plan.slices // 2
    number = int(depth_choice(plan.slices)[middle]) + 1
    for grade in _GRADES:
        name = next((k for k, g in zip(result.knees, result.grades, strict=True) if g == grade), None)
        if name is None:
            rows.append(f"<h3>KL {grade}</h3><p>No knee of this grade was measured.</p>")
            continue
        knee = held_out_knee(files[name])
        truth = knee.volume[number - 1 : number]
        tiles = [_tile("radiograph", (knee.crop[0] + 1) / 2), _tile("reference", truth[0])]
        for title in plan.models:
            made = stored_volume(volume_file(plan, title, name))[middle : middle + 1]
            tiles.append(_tile(title, made[0], signed_sobel_difference(truth, made)[0]))
        rows.append(f"<h3>KL {grade}, knee {escape(name)}</h3><div class='tiles'>{''.join(tiles)}</div>")
    return (
        f"<p>Slice {number} of 50, counted from the back, of the first knee of each grade; 160 mm wide. Below each "
        "slice the difference of its outlines (Sobel) to the reference's: <b class='adds'>orange</b> is drawn by the "
        "method alone, <b class='lacks'>blue</b> by the reference alone.</p>" + "".join(rows)
    )


def _tile(name: str, picture: np.ndarray, difference: np.ndarray | None = None) -> str:
    shown = grey(picture)
    whole = shown if difference is None else np.concatenate((shown, signed(difference)))
    text = escape(name)
    return f"<figure><figcaption>{text}</figcaption><img alt='{text}' src='{data_uri(whole)}'></figure>"
