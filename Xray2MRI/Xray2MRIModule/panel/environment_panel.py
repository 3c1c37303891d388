"""Section 7: installed packages, devices, installation and repair. Nothing is changed without a button."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..environment.installation import Installation, planInstallation
from ..environment.interpreter import inferencePython
from ..environment.probe_process import EnvironmentProbe
from .section import Section, emphasised, say


class EnvironmentPanel(Section):
    """Examines the Python of the background process, and installs packages on demand."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._probe: Any = None
        self._report: Any = None
        self._installation: Any = None
        self._thenInstall = False
        self._lines: list[str] = []
        ui = self.ui
        self._poll = self.timer(150, self._onPoll)
        ui.pythonEdit.currentPath = self.logic.jobs.pythonProgram
        self.listen(ui.environmentSection, "contentsCollapsed(bool)", self._onCollapsed)
        self.listen(ui.checkButton, "clicked(bool)", self._onCheck)
        self.listen(ui.installButton, "clicked(bool)", self._onInstall)
        self.listen(ui.pythonEdit, "currentPathChanged(QString)", self._onPython)
        self.listen(ui.copyReportButton, "clicked(bool)", self._onCopy)
        self.listen(ui.freeMemoryButton, "clicked(bool)", self._onStopWorker)

    def refresh(self) -> None:
        ui = self.ui
        idle = self._probe is None and not self._installing()
        for widget in (ui.checkButton, ui.installButton, ui.pythonEdit):
            widget.enabled = idle and not self.logic.isBusy
        ui.freeMemoryButton.enabled = self.logic.jobs.workerState == "ready"

    def open(self) -> None:
        """Unfold the section and check the environment, because the background process did not start."""
        self.ui.environmentSection.collapsed = False
        self._onCheck()

    def cleanup(self) -> None:
        self._poll.stop()
        if self._probe is not None:
            self._probe.cancel()
        if self._installation is not None:
            self._installation.detach()
        super().cleanup()

    def _installing(self) -> bool:
        return self._installation is not None and self._installation.running

    def _onCollapsed(self, collapsed: bool) -> None:
        if not collapsed and self._report is None:
            self._onCheck()

    # check

    def _onCheck(self, *_arguments: Any) -> None:
        if self._probe is not None or self._installing():
            return
        say(self.ui.environmentStatusLabel, _("Checking the installation ..."))
        self._probe = EnvironmentProbe(inferencePython())
        self._poll.start()
        self.refresh()

    def _onPoll(self) -> None:
        if self._probe is None:
            return
        report = self._probe.poll()
        if report is None:
            self._poll.start()
            return
        self._probe, self._report = None, report
        self._showReport()
        self.refresh()
        if self._thenInstall:
            self._thenInstall = False
            self._install()

    def _showReport(self) -> None:
        report = self._report
        sentences = [report.summary, *report.problems, *report.warnings]
        text = " ".join(dict.fromkeys(sentences))
        # the summary of a complete environment needs no heading
        say(self.ui.environmentStatusLabel, text if report.ready else emphasised(_("Something is missing:"), text))
        self.ui.reportEdit.setPlainText(self._text())
        if report.devices:
            self.panel.generate.offerDevices(report.devices)

    def _text(self) -> str:
        parts = [] if self._report is None else [self._report.text()]
        if self._lines:
            parts.append("\n".join(self._lines[-200:]))
        if self.logic.jobs.workerLog:
            parts.append(_("Log of the background process:") + "\n" + self.logic.jobs.workerLog[-20000:])
        return "\n\n".join(parts)

    # installation

    def _onInstall(self, *_arguments: Any) -> None:
        self._thenInstall = True
        self._onCheck()

    def _install(self) -> None:
        plan = planInstallation(self._report)
        if plan.isEmpty:
            say(self.ui.environmentStatusLabel, emphasised(_("Complete:"), _("there is nothing to install.")))
            return
        if not plan.possible:
            say(self.ui.environmentStatusLabel, emphasised(_("Manual installation:"), plan.question))
            return
        if not slicer.util.confirmOkCancelDisplay(plan.question, _("Install or repair")):
            return
        # the background process would lock files that must be replaced
        self.logic.jobs.stopWorker()
        self._lines = []
        self._installation = Installation(plan, onLog=self._onLog, onDone=self._onInstalled)
        say(self.ui.environmentStatusLabel, _("Installing. This can take several minutes ..."))
        self._installation.start()
        self.refresh()

    def _onLog(self, line: str) -> None:
        self._lines.append(line)
        self.ui.reportEdit.appendPlainText(line)

    def _onInstalled(self, fault: str | None, restartAdvised: bool) -> None:
        self._installation = None
        if fault is not None:
            say(self.ui.environmentStatusLabel, emphasised(_("Not installed:"), fault))
            self.refresh()
        elif restartAdvised:
            say(self.ui.environmentStatusLabel, _("Installed. Please restart 3D Slicer."))
            self.refresh()
        else:
            self._onCheck()

    # the rest

    def _onPython(self, path: str) -> None:
        try:
            self.logic.jobs.pythonProgram = str(path).strip()
        except ValueError as error:
            say(self.ui.environmentStatusLabel, emphasised(_("Not usable:"), str(error)))
            return
        self._report = None
        say(self.ui.environmentStatusLabel, _("Press Check to list the packages of this Python."))

    def _onCopy(self, *_arguments: Any) -> None:
        slicer.app.clipboard().setText(self._text())

    def _onStopWorker(self, *_arguments: Any) -> None:
        self.logic.jobs.stopWorker()
        self.panel.refresh()
