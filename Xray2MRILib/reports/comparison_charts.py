"""The charts of a comparison: measures per slice, correlation of slices, error against standard deviation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..comparison.controls import BLANK, MEAN, OTHER
from ..comparison.evaluation import PSEUDO, REFERENCE
from ..metrics.adjacent_correlation import LAGS
from ..volume import geometry
from .line_chart import Curve, line_chart
from .measure_text import metric_label, volume_label
from .svg import Svg

if TYPE_CHECKING:
    from ..comparison.compare import Comparison
    from ..comparison.evaluation import Evaluation

# volume -> name of its colour in the style sheet
_SERIES = {PSEUDO: "pseudo", OTHER: "other-knee", MEAN: "mean", BLANK: "empty", REFERENCE: "reference"}
_ACROSS = "anterior  ←  mm from the middle of the volume  →  posterior"
_CALIBRATED = 1.2  # error over standard deviation that still counts as agreement


def per_slice_charts(comparison: Comparison) -> list[Svg]:
    """One chart per measure over the position of the slices, with the controls that a reader should compare."""
    evaluation = comparison.evaluation
    places = [geometry.depth_to_mm(float(u)) for u in comparison.volume.depth_positions]
    other = next((name for name in evaluation.per_slice if name.startswith(OTHER)), OTHER)
    charts = []
    for measure, controls in (("edge_mm", (other,)), ("f1", (other,)), ("ssim", (other, MEAN)),
                              ("rssim", (other, BLANK))):  # fmt: skip
        curves = [
            Curve(
                volume_label(name),
                places,
                evaluation.per_slice[name][measure].tolist(),
                _SERIES.get(name, _SERIES[OTHER]),
                dashed=name != PSEUDO,
            )
            for name in (PSEUDO, *controls)
            if name in evaluation.per_slice
        ]
        charts.append(line_chart(metric_label(measure), _ACROSS, curves, floor=0.0))
    return [chart for chart in charts if chart]


def lag_charts(evaluation: Evaluation) -> list[Svg]:
    """Correlation of slices against their distance, over whole slices and within the leg."""
    charts = []
    for title, ending in (("Correlation over whole slices", ""), ("Correlation within the leg", " in leg")):
        curves = []
        for name in (PSEUDO, REFERENCE):
            found = evaluation.lags[f"{name}{ending}"]
            label = "pseudo-MRI" if name == PSEUDO else "reference"
            curves.append(Curve(label, list(found), list(found.values()), _SERIES[name], name != PSEUDO, dots=True))
        charts.append(line_chart(title, "slices apart", curves, ceiling=1.0, ticks=LAGS))
    return [chart for chart in charts if chart]


def calibration(evaluation: Evaluation, other_sampling: bool = False) -> dict[str, Any] | None:
    """Whether the standard deviation over seeds predicts the error; None for a volume without one.

    ``other_sampling``: the samples were not drawn in the way that the volume was. The key ``chart`` is empty where
    standard deviation or error is constant.
    """
    found = evaluation.calibration
    if found is None:
        return None
    if not np.isfinite((found.spearman, found.ratio)).all():
        return {"chart": Svg()}
    curve = Curve(
        "one tenth of the voxels per dot, ordered by standard deviation",
        found.predicted.tolist(),
        found.observed.tolist(),
        _SERIES[PSEUDO],
        dots=True,
    )
    sense = "the standard deviation matches the error"
    if not 1 / _CALIBRATED < found.ratio < _CALIBRATED:
        certainty = "more certain than it should be" if found.ratio > 1 else "less certain than it could be"
        sense = f"the model is {certainty}"
    return {
        "chart": line_chart("Error (root mean square) by standard deviation", "standard deviation over seeds", [curve],
                            diagonal=True),
        "spearman": f"{found.spearman:.2f}",
        "ratio": f"{found.ratio:.1f}",
        "sense": sense,
        "other_sampling": other_sampling,
    }  # fmt: skip
