"""Section 5: the pseudo-MRI beside a real MRI of the same knee, in figures and pictures."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from .metric_labels import METRICS
from .progress_text import stageSentence
from .section import Choice, Section, emphasised, say, show


class ComparePanel(Section):
    """Has the MRI aligned and measured in the background and shows table, chart and difference maps."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._run: Any = None
        self._drawn: tuple | None = None
        ui = self.ui
        self._alignment = Choice(self, ui.alignmentSelector, "alignment", [
            ("rigid", _("Move and turn")), ("similarity", _("Move, turn and scale")), ("none", _("Leave as it is"))
        ])  # fmt: skip
        self._table = Choice(self, ui.tableSelector, None, [
            ("summary", _("Whole volume, beside controls")), ("slices", _("Slice by slice"))])  # fmt: skip
        self._chart = Choice(self, ui.chartSelector, None, [])
        self._difference = Choice(self, ui.differenceSelector, None, [
            ("off", _("Hidden")), ("signed", _("Edges added (red), missing (blue)")),
            ("paper", _("Edges added only (the paper's)"))])  # fmt: skip
        self.listen(ui.compareButton, "clicked(bool)", self._onButton)
        self.listen(ui.tableSelector, "currentIndexChanged(int)", self._onTable)
        self.listen(ui.chartSelector, "currentIndexChanged(int)", self._onChart)
        self.listen(ui.differenceSelector, "currentIndexChanged(int)", self._onDifference)
        say(ui.compareMessageLabel, "")

    def refresh(self) -> None:
        ui, parameters = self.ui, self.parameters
        running = self._run is not None
        ready = (parameters is not None and parameters.volume is not None and parameters.reference is not None
                 and not self.logic.isBusy)  # fmt: skip
        ui.compareButton.text = _("Cancel") if running else _("Compare")
        ui.compareButton.enabled = running or ready
        show(ui.comparisonResult, self.panel.comparison is not None)
        self._alignment.refresh()
        if parameters is not None and self.panel.comparison is not None:
            self._difference.show(parameters.differenceForm if parameters.showDifference else "off")
            self._drawDifference()

    def sceneClosed(self) -> None:
        self._drawn = None
        self.ui.comparisonTable.setMRMLTableNode(None)
        say(self.ui.compareMessageLabel, "")

    def _onButton(self, *_arguments: Any) -> None:
        if self._run is not None:
            self.logic.cancel(self._run)
            return
        parameters = self.parameters
        if parameters is None or parameters.volume is None or parameters.reference is None or self.logic.isBusy:
            return
        over: list[bool] = []

        def onDone(run: Any) -> None:
            over.append(True)
            self._onDone(run)

        def onError(failure: Any) -> None:
            over.append(True)
            self._onError(failure)

        say(self.ui.compareMessageLabel, _("Starting ..."))
        run = self.logic.compare(
            parameters.volume, parameters.reference, align=parameters.alignment,
            initial=self.ui.nudgeSelector.currentNode(), onProgress=self._onProgress, onDone=onDone, onError=onError,
        )  # fmt: skip
        if not over:
            self._run = run
        self.panel.refresh()

    def _onProgress(self, progress: Any) -> None:
        sentence = stageSentence(progress, {"read": _("Reading both volumes")})
        text = _("{stage} ({share} %)").format(stage=sentence, share=round(100 * progress.fraction))
        say(self.ui.compareMessageLabel, text)

    def _onDone(self, run: Any) -> None:
        self._run = None
        self.panel.comparison = run.comparison
        self._drawn = None
        comparison = run.comparison
        warnings = " ".join(comparison.warnings)
        say(self.ui.compareMessageLabel,
            emphasised(_("Result:"), f"{comparison.verdict} {warnings}".strip()))  # fmt: skip
        self._chart.fill([(name, METRICS[name]) for name in comparison.metrics])
        self._onTable()
        self.panel.view.showComparison()
        self.panel.refresh()

    def _onError(self, failure: Any) -> None:
        self._run = None
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
            self.logic.chartMetric(self.panel.comparison, self._chart.value)

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
        # switching the uncertainty off has cleared the place that both share
        key = (shown, parameters.differenceForm, float(parameters.overlayOpacity), bool(parameters.showUncertainty))
        if not shown:
            key = (False,)
        if key != self._drawn:
            self._drawn = key
            form, opacity = parameters.differenceForm, float(parameters.overlayOpacity)
            self.logic.setDifferenceVisible(self.panel.comparison, shown, form=form, opacity=opacity)
