"""The report on a Python: packages, devices, problems and warnings.

Made from the facts that probe.py prints; nothing is run here.
"""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from ..translation import tr as _

LOWEST_PYTHON = (3, 10)
# torch has folders more than 200 characters deep, and Windows ends a path at 260
_LONGEST_WINDOWS_PREFIX = 60
_DOWNLOAD_BYTES = 8_000_000_000
_DEVICE_NAMES = {"cuda": _("NVIDIA GPU"), "mps": _("Apple GPU"), "cpu": _("CPU")}


@dataclass(frozen=True)
class PackageState:
    """One required package; ``state`` is ok, missing, too old or broken."""

    name: str
    required: str
    installed: str | None
    state: str
    fault: str | None = None


@dataclass(frozen=True)
class DeviceState:
    """One device that can compute; ``kind`` is cuda, mps or cpu."""

    kind: str
    name: str
    freeMemoryBytes: int | None


@dataclass(frozen=True)
class EnvironmentReport:
    """What a Python can do. ``problems`` must be solved before a volume can be made, ``warnings`` need not."""

    python: str
    external: bool
    pythonVersion: str = "unknown"
    architecture: str = "unknown"
    libraryVersion: str | None = None
    packages: list[PackageState] = field(default_factory=list)
    devices: list[DeviceState] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        """Whether a volume can be made."""
        return not self.problems

    @property
    def device(self) -> str | None:
        """The fastest device: cuda, mps or cpu; None when torch cannot be loaded."""
        return self.devices[0].kind if self.devices else None

    @property
    def deviceName(self) -> str | None:
        """The fastest device in words."""
        return self.devices[0].name if self.devices else None

    @property
    def freeMemoryBytes(self) -> int | None:
        """Memory free on the fastest device, None when unknown."""
        return self.devices[0].freeMemoryBytes if self.devices else None

    @property
    def summary(self) -> str:
        """One sentence for the head of a section."""
        if not self.ready:
            return _("Not ready: {problem}").format(problem=f"{self.problems[0][:1].lower()}{self.problems[0][1:]}")
        memory = self.freeMemoryBytes
        text = _("Ready: torch {version}, {kind} {device}, {memory} GB free.")
        if memory is None:
            text = _("Ready: torch {version}, {kind} {device}.")
        kind = _DEVICE_NAMES.get(self.device or "", _("device"))
        return text.format(
            version=self._version("torch"), kind=kind, device=self.deviceName, memory=f"{(memory or 0) / 1e9:.1f}"
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """(package, installed version or "-", state) of each required package."""
        return [(package.name, package.installed or "-", package.state) for package in self.packages]

    def text(self) -> str:
        """The report to copy into a message; its paths contain no user name."""
        whose = "external" if self.external else "of the application"
        lines = [
            "Xray2MRI environment report",
            self.summary,
            f"Python {self.pythonVersion} ({self.architecture}), {whose}: {self.python}",
            f"Xray2MRI {self.libraryVersion or 'cannot be loaded'}",
        ]
        for device in self.devices:
            lines.append(f"Device {device.kind}: {device.name}, {_gigabytes(device.freeMemoryBytes)} free")
        for package in self.packages:
            fault = f" ({package.fault})" if package.fault else ""
            state = f"needs {package.required}: {package.state}{fault}"
            lines.append(f"{package.name} {package.installed or '-'}, {state}")
        lines += [f"Problem: {problem}" for problem in self.problems]
        lines += [f"Warning: {warning}" for warning in self.warnings]
        return "\n".join(withoutUserNames(line) for line in lines) + "\n"

    def _version(self, name: str) -> str:
        return next((package.installed or "-" for package in self.packages if package.name == name), "-")


def reportFromFacts(
    facts: dict[str, Any], requirements: list[Requirement], python: str, external: bool
) -> EnvironmentReport:
    """The report of what probe.examine found."""
    packages = [_packageState(requirement, facts["packages"].get(requirement.name, {})) for requirement in requirements]
    devices = [DeviceState(one["kind"], one["name"], one["free_memory_bytes"]) for one in facts["devices"]]
    return EnvironmentReport(
        python=python,
        external=external,
        pythonVersion=facts["python"],
        architecture=f"{facts['system']} {facts['architecture']}",
        libraryVersion=facts["library_version"],
        packages=packages,
        devices=devices,
        problems=_problems(facts, packages),
        warnings=_warnings(facts, packages, devices, external),
    )


def failedReport(python: str, external: bool, problem: str) -> EnvironmentReport:
    """The report on a Python that gave no facts."""
    return EnvironmentReport(python=python, external=external, problems=[problem])


def withoutUserNames(text: str) -> str:
    """The text with home folders as ``~`` and without the name of the user."""
    home = str(Path.home())
    for spelling in {home, home.replace("\\", "/")}:
        if len(spelling) > 1:
            text = text.replace(spelling, "~")
    text = re.sub(r"[A-Za-z]:[\\/]+Users[\\/]+([^\\/:;\n]+(?=[\\/])|[^\\/\s:;]+)", "~", text)
    text = re.sub(r"(/home/|/Users/)[^/\s:;]+", "~", text)
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return text
    # only as a component of a path: otherwise a user called "torch" would make the text unreadable
    return re.sub(rf"(?<=[\\/]){re.escape(user)}(?=[\\/]|$)", "user", text)


def _packageState(requirement: Requirement, found: dict[str, Any]) -> PackageState:
    version, fault = found.get("version"), found.get("fault")
    if version is None:
        state = "missing"
    elif fault is not None:
        state = "broken"
    else:
        state = "ok" if _satisfies(version, requirement) else "too old"
    return PackageState(requirement.name, str(requirement.specifier), version, state, fault)


def _satisfies(version: str, requirement: Requirement) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:  # a custom build; its import is what counts
        return True


def _problems(facts: dict[str, Any], packages: list[PackageState]) -> list[str]:
    if tuple(int(part) for part in facts["python"].split(".")[:2]) < LOWEST_PYTHON:
        lowest = ".".join(map(str, LOWEST_PYTHON))
        return [_("This is Python {version}; Xray2MRI needs {lowest} or later.").format(
            version=facts["python"], lowest=lowest
        )]  # fmt: skip
    found = []
    for state, one, several in (
        ("missing", _("{names} is not installed."), _("{names} are not installed.")),
        ("too old", _("{names} is too old."), _("{names} are too old.")),
        ("broken", _("{names} is damaged."), _("{names} are damaged.")),
    ):
        names = [package.name for package in packages if package.state == state]
        if names:
            found.append((one if len(names) == 1 else several).format(names=_listed(names)))
    if not found and facts["library_fault"]:
        fault = facts["library_fault"]
        found.append(_("The library cannot be loaded ({fault}): reinstall the extension.").format(fault=fault))
    if not found and facts["device_fault"]:
        found.append(_("Torch finds no device ({fault}).").format(fault=facts["device_fault"]))
    if _isTranslatedMac(facts) and _major(packages, "numpy") >= 2 and _tooOldForNumpy2(packages):
        found.append(MAC_PROBLEM)
    return found


MAC_PROBLEM = _(
    "Slicer runs as an Intel program on this Mac. The last torch for Intel Macs, 2.2, does not work with Slicer's "
    "numpy 2: choose another Python below, e.g. a native arm64 environment with the packages of requirements.txt."
)


def _warnings(
    facts: dict[str, Any], packages: list[PackageState], devices: list[DeviceState], external: bool
) -> list[str]:
    found = []
    missing = any(package.state != "ok" for package in packages)
    torchMissing = any(package.name == "torch" and package.state != "ok" for package in packages)
    if facts["system"] == "Windows" and torchMissing and facts["prefix_length"] > _LONGEST_WINDOWS_PREFIX:
        found.append(_(
            "The path of Slicer's folder is long ({count} characters), so that files of torch may exceed the path "
            "limit of Windows: install Slicer in a short folder such as C:\\Slicer first."
        ).format(count=facts["prefix_length"]))  # fmt: skip
    if _isTranslatedMac(facts) and torchMissing and not external:
        found.append(MAC_PROBLEM)
    if not external and missing and not facts["packages_writable"]:
        found.append(_(
            "The folder of Slicer's packages is not writable: start Slicer as a user with write permission, or choose "
            "another Python below."
        ))  # fmt: skip
    room = facts["free_disk_bytes"]
    if torchMissing and room is not None and room < _DOWNLOAD_BYTES:
        found.append(_("Only {room} of disk space is free; torch may need {need}.").format(
            room=_gigabytes(room), need=_gigabytes(_DOWNLOAD_BYTES)
        ))  # fmt: skip
    if devices and devices[0].kind == "cpu":
        found.append(_("No GPU was found: a volume takes about half a minute on a few CPU cores."))
    return found


def _isTranslatedMac(facts: dict[str, Any]) -> bool:
    return facts["system"] == "Darwin" and facts["architecture"] == "x86_64"


def _major(packages: list[PackageState], name: str) -> int:
    version = next((package.installed for package in packages if package.name == name), None) or "0"
    return int(re.match(r"\d*", version).group() or 0)


def _tooOldForNumpy2(packages: list[PackageState]) -> bool:
    torch = next((package for package in packages if package.name == "torch"), None)
    return torch is not None and torch.installed is not None and torch.installed.startswith(("2.2.", "2.1.", "2.0."))


def _listed(names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    return _("{names} and {last}").format(names=", ".join(names[:-1]), last=names[-1])


def _gigabytes(count: int | None) -> str:
    return _("unknown memory") if count is None else f"{count / 1e9:.1f} GB"
