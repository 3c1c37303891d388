"""Section 5: comparison of the pseudo-MRI with a real MRI of the same knee: measures, chart, difference map."""

from __future__ import annotations

import re
from typing import Any

from slicer.i18n import tr as _

from ..scene.metric_labels import METRICS
from .progress_text import stageSentence
from .section import Choice, Section, emphasised, say, show


class ComparePanel(Section):
    """Starts comparisons and shows their table, chart and difference maps."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._drawn: tuple | None = None
        self._volume: str | None = None
        ui = self.ui
        self._alignment = Choice(self, ui.alignmentSelector, "alignment", [
            ("rigid", _("Rigid")), ("similarity", _("Rigid with scaling")), ("none", _("None"))
        ])  # fmt: skip
        self._table = Choice(self, ui.tableSelector, None, [
            ("summary", _("Whole volume, with controls")), ("slices", _("Per slice"))])  # fmt: skip
        self._chart = Choice(self, ui.chartSelector, None, [])
        self._difference = Choice(self, ui.differenceSelector, None, [
            ("off", _("Hidden")), ("signed", _("Smoothed: added (red), missing (blue)")),
            ("paper", _("Paper's form: added, not smoothed"))])  # fmt: skip
        self.listen(ui.compareButton, "clicked(bool)", self._onButton)
        self.listen(ui.tableSelector, "currentIndexChanged(int)", self._onTable)
        self.listen(ui.chartSelector, "currentIndexChanged(int)", self._onChart)
        self.listen(ui.differenceSelector, "currentIndexChanged(int)", self._onDifference)
        say(ui.compareMessageLabel, "")
        ui.compareDetailsBox.collapsed = True

    def refresh(self) -> None:
        ui, parameters = self.ui, self.parameters
        running = self.job is not None
        ready = (parameters is not None and parameters.volume is not None and parameters.reference is not None
                 and not self.logic.isBusy)  # fmt: skip
        ui.compareButton.text = _("Cancel") if running else _("Compare")
        ui.compareButton.enabled = running or ready
        show(ui.comparisonResult, self.panel.comparison is not None)
        self._alignment.refresh()
        if parameters is not None and self.panel.comparison is not None:
            self._difference.show(parameters.differenceForm if parameters.showDifference else "off")
            self._drawDifference()
        if parameters is not None:
            self.logic.views.setReadingsVisible(bool(parameters.showReadings))

    def parametersChanged(self) -> None:
        """Another volume has another comparison, or none."""
        volume = self.parameters.volume
        identifier = None if volume is None else volume.GetID()
        if identifier != self._volume:
            self._volume = identifier
            found = [] if volume is None else self.logic.comparisons(volume)
            self._present(found[-1] if found else None)

    def sceneRead(self) -> None:
        """A scene was read: its comparisons may be those of the volume that is selected already."""
        self._volume = None

    def sceneClosed(self) -> None:
        self._drawn = self._volume = None
        self.ui.comparisonTable.setMRMLTableNode(None)
        say(self.ui.compareMessageLabel, "")

    def _onButton(self, *_arguments: Any) -> None:
        if self.job is not None:
            self.logic.cancel(self.job)
            return
        parameters = self.parameters
        if parameters is None or parameters.volume is None or parameters.reference is None or self.logic.isBusy:
            return
        say(self.ui.compareMessageLabel, _("Starting ..."))
        self.watch(
            lambda callbacks: self.logic.compare(
                parameters.volume, parameters.reference, align=parameters.alignment,
                initial=self.ui.nudgeSelector.currentNode(), onProgress=self._onProgress, **callbacks,
            ), self._onDone, self._onError,
        )  # fmt: skip

    def _onProgress(self, progress: Any) -> None:
        sentence = stageSentence(progress, {"read": _("Reading both volumes")})
        text = _("{stage} ({share} %)").format(stage=sentence, share=round(100 * progress.fraction))
        say(self.ui.compareMessageLabel, text)

    def _onDone(self, job: Any) -> None:
        self._present(job.comparison)
        self.panel.view.showComparison()
        self.panel.refresh()

    def _present(self, comparison: Any) -> None:
        """Fill the section with a comparison, a new one or one of a saved scene; None empties it."""
        before, self.panel.comparison = self.panel.comparison, comparison
        self._drawn = None
        self.logic.views.followComparison(comparison)
        if comparison is None:
            if before is not None:
                if self.parameters.showDifference:
                    self.logic.views.setDifferenceVisible(before, False)
                say(self.ui.compareMessageLabel, "")
            self.ui.comparisonTable.setMRMLTableNode(None)
            return
        say(self.ui.compareMessageLabel, emphasised(_("Result:"), headline(comparison.verdict)))
        say(self.ui.compareDetailsLabel, " ".join([comparison.verdict, *comparison.warnings]))
        self._chart.fill([(name, METRICS[name]) for name in comparison.metrics])
        self._chart.show(self.logic.views.metricOfChart(comparison))
        self._onTable()

    def _onError(self, failure: Any) -> None:
        if failure.code == "cancelled":
            say(self.ui.compareMessageLabel, _("Cancelled."))
        else:
            say(self.ui.compareMessageLabel, emphasised(_("Not compared:"), self.panel.failed(failure)))
        self.panel.refresh()

    def _onTable(self, *_arguments: Any) -> None:
        comparison = self.panel.comparison
        if comparison is not None:
            summary = self._table.value == "summary"
            self.ui.comparisonTable.setMRMLTableNode(comparison.summaryTableNode if summary else comparison.tableNode)
            self.ui.comparisonTable.resizeColumnsToContents()

    def _onChart(self, *_arguments: Any) -> None:
        if self.panel.comparison is not None and self._chart.value is not None:
            self.logic.views.chartMetric(self.panel.comparison, self._chart.value)

    def _onDifference(self, *_arguments: Any) -> None:
        parameters = self.parameters
        if parameters is None:
            return
        form = self._difference.value
        if form != "off":
            parameters.differenceForm = form
            parameters.showUncertainty = False
        parameters.showDifference = form != "off"

    def _drawDifference(self) -> None:
        parameters = self.parameters
        shown = bool(parameters.showDifference)
        # both overlays use the same layer: switching the uncertainty off has cleared it
        key = (shown, parameters.differenceForm, float(parameters.overlayOpacity), bool(parameters.showUncertainty))
        if not shown:
            key = (False,)
        if key != self._drawn:
            self._drawn = key
            form, opacity = parameters.differenceForm, float(parameters.overlayOpacity)
            self.logic.views.setDifferenceVisible(self.panel.comparison, shown, form=form, opacity=opacity)


def headline(verdict: str) -> str:
    """The first sentence of a verdict without its figures, which stand in the table."""
    without = re.sub(r"\s*\([^()]*\)", "", verdict)
    return re.split(r"(?<=[.!?])\s", without, maxsplit=1)[0]
