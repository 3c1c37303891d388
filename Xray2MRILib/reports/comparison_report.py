"""The report of a comparison with a real MRI: one self-contained page that opens with the verdict."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison.controls import OTHER
from ..comparison.verdict import gains
from ..metrics.sobel_difference import RESOLUTION_MM
from ..volume import geometry
from ..volume.provenance import remove_identifiers
from .comparison_charts import calibration, lag_charts, per_slice_charts
from .comparison_tables import remarks, score_table
from .embedded_picture import data_uri
from .page_templates import render_page
from .slice_pictures import choose_evenly, draw_grey, draw_one_sided, draw_signed, mark_region

if TYPE_CHECKING:
    from ..comparison.compare import Comparison
    from ..comparison.evaluation import Evaluation

_PICTURED_SLICES = 5
_SMOOTHED_GAIN = 2.5  # smoothing lowers the outlines of a difference by about this factor


def report_html(comparison: Comparison) -> str:
    """The page; it contains no file name and no patient."""
    return render_page("comparison_report.html.j2", comparison_context(comparison))


def comparison_context(comparison: Comparison) -> dict[str, Any]:
    """All that the template shows, as plain data."""
    result, evaluation = comparison.result, comparison.evaluation
    other_sampling = "deviation_sampling" in (comparison.volume.provenance.get("sampling") or {})
    return {
        # a sentence ends where a full stop is followed by a capital letter, not at "e.g. 3.5 mm"
        "verdict": re.split(r"(?<=[.]) (?=[A-Z])", result["verdict"]),
        "tone": _tone(evaluation),
        "warnings": result["warnings"],
        "slices": len(evaluation.image),
        "scores": score_table(evaluation),
        "remarks": remarks(evaluation),
        "pictures": _pictures(comparison),
        "per_slice_charts": per_slice_charts(comparison),
        "lag_charts": lag_charts(evaluation),
        "calibration": calibration(evaluation, other_sampling),
        "details": _details(comparison),
    }


def _tone(evaluation: Evaluation) -> str:
    """Colour of the verdict: whether the outlines are closer than another knee's."""
    signs = gains(evaluation, OTHER)
    return "good" if max(signs.get("edge_mm", 0), signs.get("f1", 0)) > 0 else "bad"


def _pictures(comparison: Comparison) -> dict[str, Any]:
    """Rows of pictures of evenly spaced slices with a joint line, and where these slices are."""
    evaluation = comparison.evaluation
    target, difference, matched = evaluation.target, evaluation.difference, evaluation.matched_difference
    assert difference is not None, "every evaluation of a comparison holds its difference"
    assert matched is not None, "and the one of the smoothed volumes"
    clear = np.where(np.abs(matched) > evaluation.difference_noise, matched, np.float32(0))
    chosen = choose_evenly(target.region.valid, _PICTURED_SLICES)
    rows = {
        "reference": [mark_region(draw_grey(target.volume[k]), target.region.rows[k], target.box) for k in chosen],
        "pseudo-MRI": [draw_grey(comparison.volume.shown[k]) for k in chosen],
        f"difference of outlines, two-sided, both smoothed to {RESOLUTION_MM:g} mm, above the noise": [
            draw_signed(_SMOOTHED_GAIN * clear[k]) for k in chosen
        ],
        "difference of outlines, one-sided as in the paper": [draw_one_sided(difference[k]) for k in chosen],
    }
    depths = [geometry.depth_to_mm(float(comparison.volume.depth_positions[k])) for k in chosen]
    return {
        "captions": [
            f"slice {k}, {abs(depth):.0f} mm {'posterior' if depth > 0 else 'anterior'}"
            for k, depth in zip(chosen, depths, strict=True)
        ],
        "rows": [{"name": name, "images": [data_uri(picture) for picture in row]} for name, row in rows.items()],
    }


def _details(comparison: Comparison) -> list[tuple[str, str]]:
    """What was compared and how, as rows of name and text."""
    result, record = comparison.result, remove_identifiers(comparison.volume.provenance)
    matrix = comparison.alignment.matrix
    scale = float(np.cbrt(np.linalg.det(matrix[:3, :3])))
    turn = float(np.degrees(np.arccos(np.clip((np.trace(matrix[:3, :3]) / scale - 1) / 2, -1, 1))))
    native = comparison.reference.image
    model, sampling = record.get("model") or {}, record.get("sampling") or {}
    box = result["joint_box"]
    return [
        ("pseudo-MRI", f"model {model.get('name', 'unknown')}, {comparison.volume.num_slices} slices, seed "
                       f"{sampling.get('seed', sampling.get('seeds', 'unknown'))}, {comparison.volume.side} knee, made "
                       f"{record.get('created_utc', 'at an unknown time')}"),
        ("reference", f"{' x '.join(map(str, native.GetSize()))} voxels of "
                      f"{' x '.join(f'{step:.2f}' for step in native.GetSpacing())} mm; covers "
                      f"{result['covered_share']:.0%} of the pseudo-MRI"),
        ("alignment", f"reference rotated by {turn:.1f} degrees and scaled by {scale:.3f}; 4 x 4 matrix (LPS, mm): "
                      + "; ".join(" ".join(f"{v:.3f}" for v in line) for line in matrix)),
        ("grey values", "reference: percentiles 0.5 and 99.5 of the volume mapped to 0 and 1; pseudo-MRI: as stored"),
        *([("scanner noise", "pictures show the pseudo-MRI with it, all measures and differences leave it out")]
          if comparison.volume.acquired is not None else []),
        ("joint box", f"rows {box[0]} to {box[1]}, columns {box[2]} to {box[3]}, found in the reference alone"
                      + ("; bone is brighter than the joint line" if result["bright_bone"] else "")),
        ("compared", result["created_utc"]),
    ]  # fmt: skip
