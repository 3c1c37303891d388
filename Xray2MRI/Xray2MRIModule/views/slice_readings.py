"""The measures of the slice that is shown, in the corner of the view of the pseudo-MRI."""

from __future__ import annotations

from typing import Any

import vtk

from ..application import Application
from ..scene.comparison_nodes import Comparison
from ..scene.metric_labels import METRICS, measure_text
from ..translation import tr as _
from .layout import SYNTHETIC

_MEASURES = ("rssim", "edge_mm", "ssim")
_CONTROL = "other knee"
# two depths are the same slice when they differ by less
_SAME_DEPTH_MM = 0.05
# pixels: the line that says "synthetic", and a view that was not drawn yet
_LINE, _USUAL_HEIGHT = 24, 400


def readings_of(comparison: Comparison, depth_mm: float | None) -> str:
    """The text for a depth, one line a measure; empty where no slice was measured.

    A measure without its control says nothing: an empty volume has the best RSSIM of all.
    """
    if depth_mm is None:
        return ""
    rows = comparison.result.get("per_slice") or []
    row = next((row for row in rows if abs(row["depth_mm"] - depth_mm) < _SAME_DEPTH_MM), None)
    if row is None:
        return ""
    summary = comparison.result.get("summary") or {}
    lines, controlled = [], False
    for name in _MEASURES:
        line = f"{METRICS[name]}: {measure_text(name, row.get(name))}"
        control = (summary.get(name) or {}).get(_CONTROL)
        if control is not None:
            line, controlled = f"{line} ({measure_text(name, control)})", True
        lines.append(line)
    if controlled:
        lines.append(_("(another knee, median)"))
    return "\n".join(lines)


class SliceReadings:
    """One text in the upper left corner, below the line that says "synthetic"."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._actor = _text_actor()
        self._place: tuple[Any, Any] | None = None  # view node, renderer

    @property
    def text(self) -> str:
        """What the view says now; empty when it says nothing."""
        return "" if self._place is None else str(self._actor.GetInput()).strip()

    def show(self, text: str) -> None:
        """Show a text; an empty one removes it."""
        if text == self.text:
            return
        if not text:
            self.close()
            return
        self._actor.SetInput(text)
        if self._place is None:
            self._place = next(
                (view for view in self._application.views() if view[0].GetLayoutName() == SYNTHETIC), None
            )
            if self._place is None:
                return
            self._place[1].AddViewProp(self._actor)
        height = self._place[1].GetSize()[1] or _USUAL_HEIGHT
        self._actor.SetPosition(0.02, 0.98 - _LINE / height)
        self._application.render(self._place[0])

    def close(self) -> None:
        """Remove the text."""
        if self._place is not None:
            view, renderer = self._place
            self._place = None
            renderer.RemoveViewProp(self._actor)
            if view.GetScene() is self._application.scene:
                self._application.render(view)


def _text_actor() -> vtk.vtkTextActor:
    actor = vtk.vtkTextActor()
    actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
    style = actor.GetTextProperty()
    style.SetJustificationToLeft()
    style.SetVerticalJustificationToTop()
    style.SetFontSize(12)
    style.SetColor(0.95, 0.95, 0.95)
    style.SetBackgroundColor(0.0, 0.0, 0.0)
    style.SetBackgroundOpacity(0.5)
    return actor
