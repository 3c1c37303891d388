"""Section 2: the five grade probabilities, estimated or set manually, and the grey levels of the joint."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from .section import Section, say, show

_HISTOGRAM_HEIGHT = 48
_BIN_WIDTH = 4


class GradePanel(Section):
    """Shows the classifier's estimate as bars, or sliders for other probabilities."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._bars = [getattr(self.ui, f"gradeBar{grade}") for grade in range(5)]
        self._sliders = [getattr(self.ui, f"gradeSlider{grade}") for grade in range(5)]
        self._setting = False
        self._shown: object = self  # nothing yet, not even None
        self._slots = [self._slotOf(grade) for grade in range(5)]
        for slider, slot in zip(self._sliders, self._slots, strict=True):
            self.listen(slider, "valueChanged(double)", slot)
        self.listen(self.ui.whatIfCheckBox, "toggled(bool)", self._onWhatIf)
        self.listen(self.ui.resetGradesButton, "clicked(bool)", self._onReset)

    def refresh(self) -> None:
        prepared, parameters = self.panel.prepared, self.parameters
        whatIf = parameters is not None and bool(parameters.whatIf)
        for bar, slider in zip(self._bars, self._sliders, strict=True):
            show(bar, not whatIf)
            show(slider, whatIf)
        show(self.ui.resetGradesButton, whatIf)
        self.ui.resetGradesButton.enabled = prepared is not None
        self._showEstimate(prepared)
        if whatIf:
            self._showSliders(parameters.grades)

    def _showEstimate(self, prepared: dict[str, Any] | None) -> None:
        if prepared is self._shown:
            return
        self._shown = prepared
        probabilities = [0.0] * 5 if prepared is None else prepared["probabilities"]
        for bar, probability in zip(self._bars, probabilities, strict=True):
            bar.setValue(round(1000 * probability))
            bar.setFormat("" if prepared is None else f"{100 * probability:.0f} %")
        if prepared is None:
            text = _("The Kellgren-Lawrence (KL) grade is estimated when you select a radiograph.")
        else:
            likely = max(range(5), key=probabilities.__getitem__)
            text = _(
                "Estimate from the radiograph: most likely KL {grade}. "
                "About one estimate in three is wrong; a reader's grade is better."
            ).format(grade=likely)
        say(self.ui.gradeStatusLabel, text)
        histogram = None if prepared is None else prepared["histogram"]
        show(self.ui.histogramLabel, histogram is not None)
        show(self.ui.histogramCaptionLabel, histogram is not None)
        if histogram is not None:
            self.ui.histogramLabel.setPixmap(histogramPicture(histogram))

    # what if

    def _showSliders(self, grades: list[float]) -> None:
        self._setting = True
        for slider, value in zip(self._sliders, grades, strict=True):
            slider.value = 100.0 * value
        self._setting = False

    def _slotOf(self, grade: int) -> Any:
        def onValue(value: float) -> None:
            if not self._setting and self.parameters is not None and self.parameters.whatIf:
                self.parameters.grades = withShare(list(self.parameters.grades), grade, value / 100.0)

        return onValue

    def _onWhatIf(self, on: bool) -> None:
        if on and self.parameters is not None and self.panel.prepared is not None:
            self._onReset()

    def _onReset(self, *_arguments: Any) -> None:
        if self.parameters is not None and self.panel.prepared is not None:
            self.parameters.grades = [float(value) for value in self.panel.prepared["probabilities"]]


def withShare(grades: list[float], grade: int, share: float) -> list[float]:
    """Five probabilities with one of them set to ``share`` (0 to 1); the others shrink or grow so that all add to 1.

    The others keep their ratios; where they were all zero they share equally.
    """
    share = min(max(share, 0.0), 1.0)
    others = sum(value for index, value in enumerate(grades) if index != grade)
    scaled = [(1.0 - share) * (value / others if others > 0 else 0.25) for value in grades]
    scaled[grade] = share
    return scaled


def histogramPicture(histogram: list[float]) -> Any:
    """The 64 counts as a QPixmap of vertical bars."""
    picture = qt.QPixmap(_BIN_WIDTH * len(histogram), _HISTOGRAM_HEIGHT)
    picture.fill(qt.QColor("#f4f4f4"))
    highest = max(histogram) or 1.0
    painter = qt.QPainter()
    painter.begin(picture)
    pen = qt.QPen()
    pen.setColor(qt.QColor("#50657d"))
    pen.setWidth(_BIN_WIDTH - 1)
    pen.setCapStyle(qt.Qt.FlatCap)
    painter.setPen(pen)
    for index, count in enumerate(histogram):
        height = round((_HISTOGRAM_HEIGHT - 2) * count / highest)
        if height > 0:
            x = _BIN_WIDTH * index + _BIN_WIDTH // 2
            painter.drawLine(x, _HISTOGRAM_HEIGHT, x, _HISTOGRAM_HEIGHT - height)
    painter.end()
    return picture
