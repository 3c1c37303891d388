"""Examines a Python in a separate process (probe.py), so that torch is never loaded into Slicer.

``probe = EnvironmentProbe()`` starts the process; ``probe.poll()``, called from a timer, gives None while it runs and
then the report.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ..translation import tr as _
from .interpreter import applicationPython, childEnvironment, faultOfPython, inferencePython
from .report import EnvironmentReport, failedReport, reportFromFacts

REQUIREMENTS_FILE = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
_PROBE = Path(__file__).resolve().parent / "probe.py"
# a cold start of torch from a network drive takes a minute
PATIENCE_S = 180.0
# the window is blocked for at most this long
_END_S = 1.0


def requirements():
    """The packages that the Python needs, as packaging.requirements.Requirement objects."""
    from packaging.requirements import Requirement

    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS_FILE.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


class EnvironmentProbe:
    """One examination of a Python, by default of the worker's. Starts at once and never blocks.

    It raises nothing: for a Python that cannot start, fails or does not answer, the report has a problem.
    """

    def __init__(self, python: str | None = None) -> None:
        self.python = python or inferencePython()
        self._external = self.python != applicationPython()
        self._report: EnvironmentReport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._since = time.monotonic()
        self._answer, self._remarks = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        fault = faultOfPython(self.python)
        if fault:
            self._end(fault)
            return
        try:
            self._process = subprocess.Popen(
                [self.python, str(_PROBE), str(REQUIREMENTS_FILE)],
                stdin=subprocess.PIPE,
                stdout=self._answer,
                stderr=self._remarks,
                env=childEnvironment(self.python),
                creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
            )
        except OSError as error:
            self._end(
                _("This Python cannot start ({fault}): choose another one.").format(fault=error.strerror or error)
            )

    @property
    def running(self) -> bool:
        """Whether the process still runs."""
        return self.poll() is None

    def poll(self) -> EnvironmentReport | None:
        """The report, or None while the process runs."""
        if self._report is not None:
            return self._report
        if self._process.poll() is None:
            if time.monotonic() - self._since > PATIENCE_S:
                self._stop()
                return self._end(_("This Python did not answer: close other programs and check again."))
            return None
        self._process.stdin.close()
        return self._end(None)

    def wait(self, seconds: float = PATIENCE_S) -> EnvironmentReport:
        """Wait for the report; for the console and for tests. The panel polls."""
        limit = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > limit:
                self._stop()
                return self._end(_("This Python did not answer: close other programs and check again."))
            time.sleep(0.05)
        return self._report

    def cancel(self) -> None:
        """End the process; the report then has this as its problem."""
        if self._report is None:
            self._stop()
            self._end(_("The check was stopped."))

    def _stop(self) -> None:
        # closing stdin ends a process behind a launcher, which a signal would not reach
        self._process.stdin.close()
        self._process.kill()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            pass  # it hangs in a system call, and ends afterwards

    def _end(self, problem: str | None) -> EnvironmentReport:
        if problem is None:
            self._report = self._readReport()
        else:
            self._report = failedReport(self.python, self._external, problem)
        self._answer.close()
        self._remarks.close()
        return self._report

    def _readReport(self) -> EnvironmentReport:
        self._answer.seek(0)
        self._remarks.seek(0)
        try:
            facts = json.loads(self._answer.read().decode("utf-8", "replace"))
            return reportFromFacts(facts, requirements(), self.python, self._external)
        except (ValueError, KeyError, TypeError):
            remarks = self._remarks.read().decode("utf-8", "replace").strip().splitlines()
            last = f" ({remarks[-1][:200]})" if remarks else ""
            problem = _("This program is not a working Python{remark}: choose another one.").format(remark=last)
            return failedReport(self.python, self._external, problem)
