"""Installs missing packages in Slicer's Python on the user's request, without changing Slicer's own packages.

A constraints file fixes the versions of Slicer's own packages, so that pip can fail but cannot replace them. If the
PyTorch extension is installed, its tool light-the-torch selects the build of torch for the graphics driver. It runs as
a process, because PyTorchUtils.installTorch would load torch into Slicer.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..translation import tr as _
from .probe_process import REQUIREMENTS_FILE
from .report import EnvironmentReport, withoutUserNames

# Slicer and its extensions were built and tested with these
PROTECTED = (
    "numpy", "scipy", "SimpleITK", "vtk", "itk", "pillow", "pydicom", "highdicom", "requests", "packaging",
)  # fmt: skip
_LIGHT_THE_TORCH = "light-the-torch>=0.5"
_NAME = "Xray2MRI"


@dataclass(frozen=True)
class InstallationPlan:
    """What would be installed. ``question`` asks the user, or tells what to do manually if not ``possible``."""

    packages: list[str]
    damaged: list[str] = field(default_factory=list)
    withPyTorchExtension: bool = False
    possible: bool = True
    question: str = ""

    @property
    def isEmpty(self) -> bool:
        """Whether nothing is missing."""
        return not self.packages


def planInstallation(report: EnvironmentReport) -> InstallationPlan:
    """The plan for a Python that was examined. Uses no network and changes nothing."""
    unfit = [package for package in report.packages if package.state != "ok"]
    packages = [f"{package.name}{package.required}" for package in unfit]
    damaged = [package.name for package in unfit if package.state == "broken"]
    if not packages:
        return InstallationPlan([], question=_("Everything that Xray2MRI needs is installed."))
    if report.external:
        whose = _("This Python is not Slicer's; Xray2MRI does not change it.")
        return InstallationPlan(packages, damaged, possible=False, question=_byHand(whose, report.python))
    held = {name.lower() for name in constraints()}
    protected = [package for package in unfit if package.state != "missing" and package.name.lower() in held]
    if protected:
        names = ", ".join(package.name for package in protected)
        return InstallationPlan(packages, damaged, possible=False, question=_(
            "Packages of Slicer itself ({names}) are too old or damaged, and Xray2MRI must not replace them. "
            "Reinstall Slicer 5.12 or later, or choose another Python."
        ).format(names=names))  # fmt: skip
    if not _canInstall():
        older = _("This version cannot install packages for modules; 3D Slicer 5.12 or later can.")
        return InstallationPlan(packages, damaged, possible=False, question=_byHand(older, report.python))
    extension = pyTorchExtensionPresent()
    return InstallationPlan(packages, damaged, extension, question=_question(report, packages, damaged, extension))


def pyTorchExtensionPresent() -> bool:
    """Whether Slicer's PyTorch extension is installed; neither it nor torch is loaded."""
    return "PyTorchUtils" in sys.modules or importlib.util.find_spec("PyTorchUtils") is not None


def constraints() -> dict[str, str]:
    """Protected package -> version installed in this Python."""
    found = {}
    for name in PROTECTED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass  # Slicer's VTK has no metadata, and pip cannot replace it either
    return found


def constraintsText() -> str:
    """The constraints file: one ``name==version`` per line."""
    return "".join(f"{name}=={version}\n" for name, version in constraints().items())


class Installation:
    """Carries out a plan in the background. Lines of pip go to ``onLog``.

    ``onDone(fault, restartAdvised)`` is called once at the end: ``fault`` is None, or one sentence;
    ``restartAdvised`` tells that a package changed which Slicer has already loaded.
    """

    def __init__(
        self, plan: InstallationPlan, *, onLog: Callable[[str], None], onDone: Callable[[str | None, bool], None]
    ) -> None:
        self._plan = plan
        self._onLog = onLog
        self._onDone = onDone
        self._steps: list[Callable[[], None]] = []
        self._constraints: Path | None = None
        self._before: dict[str, str] = {}
        self.running = False

    def start(self) -> None:
        """Begin; returns at once. Raises RuntimeError for a plan that is empty or not possible, or when one runs."""
        if self._plan.isEmpty or not self._plan.possible:
            raise RuntimeError(self._plan.question)
        import slicer.packaging

        if self.running or slicer.packaging.isPipInstallInProgress():
            raise RuntimeError(_("Another installation is already running; wait until it has finished."))
        self.running = True
        self._before = _versions()
        with tempfile.NamedTemporaryFile(
            "w", prefix="xray2mri-constraints-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write(constraintsText())
        self._constraints = Path(file.name)
        self._steps = self._stepsOf(self._plan)
        self._next(0)

    def detach(self) -> None:
        """Call no callback any more, because the panel is removed; the installation continues."""
        self._onLog = lambda line: None
        self._onDone = lambda fault, restartAdvised: None

    def _stepsOf(self, plan: InstallationPlan) -> list[Callable[[], None]]:
        steps = []
        if plan.damaged:
            steps.append(lambda: self._uninstall(plan.damaged))
        torch = [package for package in plan.packages if _isTorch(package)]
        others = [package for package in plan.packages if not _isTorch(package)]
        if torch and plan.withPyTorchExtension:
            if importlib.util.find_spec("light_the_torch") is None:
                steps.append(lambda: self._pip([_LIGHT_THE_TORCH]))
            steps.append(lambda: self._lightTheTorch(torch))
        elif torch:
            steps.append(lambda: self._pip(torch))
        if others:
            steps.append(lambda: self._pip(others))
        return steps

    def _next(self, returnCode: int) -> None:
        """Called when a step ends: the next one, or the end."""
        if not self.running:
            return
        if returnCode != 0:
            self._finish(_("The packages could not be installed; see the last lines of the log."))
        elif not self._steps:
            self._finish(None)
        else:
            try:
                self._steps.pop(0)()
            except Exception as error:  # a process that cannot be started, or pip's failure in the testing mode
                self._onLog(withoutUserNames(str(error)))
                self._finish(_("The packages could not be installed; see the last lines of the log."))

    def _pip(self, packages: list[str]) -> None:
        import slicer.packaging

        slicer.packaging.pip_install(
            packages,
            constraints=self._constraints,
            blocking=False,
            show_progress=False,
            requester=_NAME,
            logCallback=self._log,
            completedCallback=self._next,
        )
        self._nextInTesting()

    def _uninstall(self, packages: list[str]) -> None:
        import slicer.packaging

        # pip counts a partly installed package as installed
        slicer.packaging.pip_uninstall(packages, blocking=False, logCallback=self._log, completedCallback=self._next)

    def _lightTheTorch(self, packages: list[str]) -> None:
        import slicer.util

        slicer.util.executePythonModule(
            "light_the_torch",
            ["install", *packages, "-c", str(self._constraints)],
            blocking=False,
            logCallback=self._log,
            completedCallback=self._next,
        )

    def _nextInTesting(self) -> None:
        """In Slicer's testing mode pip_install blocks and does not call back."""
        import slicer

        if slicer.app.testingEnabled():
            self._next(0)

    def _log(self, line: str) -> None:
        self._onLog(withoutUserNames(line.rstrip()))

    def _finish(self, fault: str | None) -> None:
        self.running = False
        if self._constraints is not None:
            self._constraints.unlink(missing_ok=True)
        importlib.invalidate_caches()
        self._onDone(fault, fault is None and _loadedPackagesChanged(self._before, _versions()))


def _question(report: EnvironmentReport, packages: list[str], damaged: list[str], extension: bool) -> str:
    downloaded = _("{count} Python packages will be downloaded and installed in Slicer's Python:").format(
        count=len(packages)
    )
    lines = [downloaded, ", ".join(packages)]
    if damaged:
        lines.append(_("Damaged packages are removed first: {names}.").format(names=", ".join(damaged)))
    if any(_isTorch(package) for package in packages):
        lines.append(_("torch is a download of up to 3 GB and takes several minutes."))
        if extension:
            lines.append(_("The PyTorch extension selects the build for the graphics driver."))
        else:
            lines.append(_(
                "Slicer's PyTorch extension is not installed, so pip selects the build; on Windows it has no GPU "
                "support. If this computer has an NVIDIA GPU, install that extension first."
            ))  # fmt: skip
    lines += report.warnings
    lines.append(_("Packages of Slicer itself are not changed. Continue?"))
    return "\n\n".join(lines)


def _canInstall() -> bool:
    try:
        import slicer.packaging  # noqa: F401
    except ImportError:
        return False
    return True


def _byHand(reason: str, python: str) -> str:
    command = f'"{python}" -m pip install -r "{REQUIREMENTS_FILE}"'
    yourself = _("Install the packages yourself:")
    return f"{reason} {yourself}\n\n{command}"


def _isTorch(package: str) -> bool:
    from packaging.requirements import Requirement

    return Requirement(package).name == "torch"


def _versions() -> dict[str, str]:
    importlib.invalidate_caches()
    return {
        distribution.metadata["Name"]: distribution.version
        for distribution in importlib.metadata.distributions()
        if distribution.metadata["Name"]
    }


def _loadedPackagesChanged(before: dict[str, str], after: dict[str, str]) -> bool:
    changed = {name for name, version in before.items() if after.get(name) != version}
    if not changed:
        return False
    modules = importlib.metadata.packages_distributions()
    return any(module in sys.modules and changed.intersection(names) for module, names in modules.items())
