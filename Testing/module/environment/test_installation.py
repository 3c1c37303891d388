"""Install or repair: plans, and real pip processes in a Python that stands for Slicer's, with packages made here."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import time
import types
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from Xray2MRIModule.environment import installation
from Xray2MRIModule.environment.installation import Installation, InstallationPlan, planInstallation
from Xray2MRIModule.environment.report import EnvironmentReport, PackageState

NUMPY = metadata.version("numpy")


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """A wheel with one empty module."""
    record = f"{name}-{version}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {one}" for one in requires)]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}/__init__.py", f"__version__ = {version!r}\n")
        archive.writestr(f"{record}/METADATA", "\n".join(lines) + "\n")
        archive.writestr(
            f"{record}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{record}/RECORD", "")


class SlicerPython:
    """A Python of its own with pip that finds packages in one folder only, and the calls of Slicer that run it."""

    def __init__(self, make_python, packages: Path) -> None:
        self._make_python = make_python
        self.packages = packages
        self.calls: list[tuple[str, list[str]]] = []
        self._running: list[tuple[subprocess.Popen, object, object]] = []

    @functools.cached_property
    def python(self) -> Path:
        return self._make_python()

    def executePythonModule(self, module, args, blocking=True, logCallback=None, completedCallback=None):
        assert not blocking
        self.calls.append((module, args))
        # without the machine's own pip settings, which may cap the releases of a package that the tests make up
        environment = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_CONSTRAINT": "", "PIP_NO_INDEX": "1",
                       "PIP_FIND_LINKS": str(self.packages), "PYTHONPATH": ""}  # fmt: skip
        command = [str(self.python), "-m", module, *args]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.packages
        )
        self._running.append((process, logCallback, completedCallback))

    def pip_install(self, requirements, constraints=None, blocking=True, show_progress=True, requester=None,
                    logCallback=None, completedCallback=None):  # fmt: skip
        args = ["install", *requirements, *(() if constraints is None else ("-c", str(constraints)))]
        self.executePythonModule("pip", args, blocking, logCallback, completedCallback)

    def pip_uninstall(self, requirements, blocking=True, logCallback=None, completedCallback=None):
        self.executePythonModule("pip", ["uninstall", *requirements, "--yes"], blocking, logCallback, completedCallback)

    def isPipInstallInProgress(self):
        return bool(self._running)

    def run_until_idle(self, patience_s: float = 120.0) -> None:
        limit = time.monotonic() + patience_s
        while self._running:
            assert time.monotonic() < limit
            process, log, completed = self._running[0]
            out, _ = process.communicate(timeout=patience_s)
            for line in out.splitlines():
                log(line)
            self._running.pop(0)
            completed(process.returncode)

    def version(self, name: str) -> str | None:
        program = f"import importlib.metadata as m; print(m.version({name!r}))"
        told = subprocess.run([self.python, "-c", program], capture_output=True, text=True)
        return told.stdout.strip() or None

    def install(self, requirement: str) -> None:
        self.executePythonModule("pip", ["install", requirement], False, lambda line: None, lambda code: None)
        self.run_until_idle()
        self.calls.clear()


@pytest.fixture(scope="module")
def make_python(tmp_path_factory):
    """Makes the Python when the first test needs one, and empties it for each later one."""
    folder = tmp_path_factory.mktemp("slicer") / "venv"

    def make() -> Path:
        pytest.importorskip("ensurepip", reason="this Python cannot make environments with pip")
        if not folder.exists():
            venv.create(folder, with_pip=True, symlinks=os.name != "nt")
        for item in next(folder.rglob("site-packages")).iterdir():
            if not item.name.startswith(("pip", "setuptools", "_distutils", "distutils", "pkg_resources")):
                shutil.rmtree(item)
        return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    return make


@pytest.fixture
def python(tmp_path, monkeypatch, make_python):
    python = SlicerPython(make_python, tmp_path)
    slicer = types.ModuleType("slicer")
    slicer.app = types.SimpleNamespace(testingEnabled=lambda: False)
    slicer.packaging, slicer.util = types.ModuleType("slicer.packaging"), types.ModuleType("slicer.util")
    for name in ("pip_install", "pip_uninstall", "isPipInstallInProgress"):
        setattr(slicer.packaging, name, getattr(python, name))
    slicer.util.executePythonModule = python.executePythonModule
    for module in (slicer, slicer.packaging, slicer.util):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return python


def carried_out(python: SlicerPython, plan: InstallationPlan):
    log, ends = [], []
    job = Installation(plan, onLog=log.append, onDone=lambda fault, restart: ends.append((fault, restart)))
    job.start()
    assert job.running
    with pytest.raises(RuntimeError, match="already"):
        job.start()
    python.run_until_idle()
    assert not job.running
    assert len(ends) == 1
    return *ends[0], log


def report(*packages: PackageState, external: bool = False) -> EnvironmentReport:
    return EnvironmentReport(python="/opt/Slicer/bin/PythonSlicer", external=external, packages=list(packages))


def state(name: str, installed: str | None, state: str, required: str = ">=1.0") -> PackageState:
    return PackageState(name, required, installed, state)


def test_what_is_missing_gets_installed(python):
    wheel(python.packages, "safetensors", "1.5", "filelock")
    wheel(python.packages, "filelock", "3.0")
    fault, restart, log = carried_out(python, InstallationPlan(["safetensors>=1.0"]))
    assert fault is None
    assert restart is False
    assert python.version("safetensors") == "1.5"
    assert any("Successfully installed" in line for line in log)
    constraints = Path(python.calls[0][1][-1])
    assert not constraints.exists()


def test_a_package_that_would_replace_numpy_is_refused_and_numpy_stays(python):
    wheel(python.packages, "numpy", NUMPY)
    wheel(python.packages, "numpy", "1.26.4")
    wheel(python.packages, "greedy", "1.0", "numpy<2")
    python.install(f"numpy=={NUMPY}")
    fault, restart, log = carried_out(python, InstallationPlan(["greedy>=1.0"]))
    assert fault == "The packages could not be installed; see the last lines of the log."
    assert restart is False
    assert python.version("numpy") == NUMPY
    assert python.version("greedy") is None
    assert any("numpy" in line and "constraint" in line.lower() for line in log)
    # without the constraints the same package does replace it: the test can tell
    python.install("greedy")
    assert python.version("numpy") == "1.26.4"


def test_a_damaged_package_is_removed_first(python):
    wheel(python.packages, "torch", "3.0")
    python.install("torch")
    wheel(python.packages, "torch", "3.1")
    plan = planInstallation(report(state("torch", "3.0", "broken")))
    assert plan.damaged == ["torch"]
    carried_out(python, plan)
    assert [args[0] for _, args in python.calls] == ["uninstall", "install"]
    assert python.version("torch") == "3.1"


def test_torch_goes_by_the_tool_of_the_pytorch_extension(python, monkeypatch):
    """light-the-torch itself is not at hand: a package of that name that passes its arguments on to pip is."""
    with zipfile.ZipFile(python.packages / "light_the_torch-0.9-py3-none-any.whl", "w") as archive:
        archive.writestr("light_the_torch/__init__.py", "")
        archive.writestr(
            "light_the_torch/__main__.py",
            "import subprocess, sys\nsys.exit(subprocess.call([sys.executable, '-m', 'pip', *sys.argv[1:]]))\n",
        )
        info = "light_the_torch-0.9.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: light-the-torch\nVersion: 0.9\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    wheel(python.packages, "torch", "3.0")
    wheel(python.packages, "diffusers", "1.0")
    monkeypatch.setattr(installation, "pyTorchExtensionPresent", lambda: True)
    plan = planInstallation(report(state("torch", None, "missing"), state("diffusers", None, "missing")))
    assert plan.withPyTorchExtension
    assert "PyTorch extension" in plan.question
    fault, _, _ = carried_out(python, plan)
    assert fault is None
    assert [(module, args[:2]) for module, args in python.calls] == [
        ("pip", ["install", "light-the-torch>=0.5"]),
        ("light_the_torch", ["install", "torch>=1.0"]),
        ("pip", ["install", "diffusers>=1.0"]),
    ]
    assert all("-c" in args for _, args in python.calls)
    assert python.version("torch") == "3.0"
    assert "torch" not in sys.modules or "torch" in MODULES_BEFORE


MODULES_BEFORE = set(sys.modules)


def test_nothing_to_do():
    plan = planInstallation(report(state("torch", "2.8", "ok")))
    assert plan.isEmpty
    with pytest.raises(RuntimeError, match="is installed"):
        Installation(plan, onLog=print, onDone=print).start()


def test_another_python_is_left_to_its_owner():
    plan = planInstallation(report(state("torch", None, "missing"), external=True))
    assert not plan.possible
    assert '-m pip install -r "' in plan.question
    assert "requirements.txt" in plan.question


@pytest.mark.parametrize(("installed", "found"), [("1.24.0", "too old"), (NUMPY, "broken")])
def test_packages_of_slicer_are_never_planned_to_be_replaced(python, installed, found):
    plan = planInstallation(report(state("numpy", installed, found, ">=1.26"), state("torch", None, "missing")))
    assert not plan.possible
    assert "(numpy)" in plan.question
    assert "Reinstall Slicer 5.12 or later" in plan.question


def test_without_the_extension_the_question_says_what_that_means(python):
    plan = planInstallation(report(state("torch", None, "missing"), state("diffusers", None, "missing")))
    assert plan.possible
    assert not plan.withPyTorchExtension
    assert "PyTorch extension is not installed" in plan.question
    assert plan.question.endswith("Packages of Slicer itself are not changed. Continue?")
    assert python.calls == []


def test_the_constraints_are_the_installed_versions():
    lines = dict(line.split("==") for line in installation.constraintsText().splitlines())
    assert lines["numpy"] == NUMPY
    assert lines["SimpleITK"] == metadata.version("SimpleITK")
    assert {"scipy", "pillow", "pydicom"} <= set(lines)
