"""The look into a Python, with real processes of real Pythons."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import types
import venv
from importlib import metadata
from pathlib import Path

import pytest
from Xray2MRIModule.environment.interpreter import (
    applicationPython,
    childEnvironment,
    chooseExternalPython,
    externalPython,
    inferencePython,
    libraryFolder,
)
from Xray2MRIModule.environment.probe_process import REQUIREMENTS_FILE, EnvironmentProbe, requirements

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def polled():
    """What is found in the Python of the tests, which has everything, and the longest time that one poll took."""
    probe = EnvironmentProbe(sys.executable)
    longest = 0.0
    while probe.running:
        asked = time.monotonic()
        probe.poll()
        longest = max(longest, time.monotonic() - asked)
        time.sleep(0.05)
    return probe.poll(), longest


@pytest.fixture(scope="module")
def report(polled):
    return polled[0]


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory) -> str:
    """A Python without any package."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _program(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        if Path(f"/proc/{pid}").exists()
        else False
    )


def test_a_complete_python_is_ready(report):
    assert report.problems == []
    assert report.ready
    installed = {name: version for name, version, state in report.rows() if state == "ok"}
    assert installed == {requirement.name: metadata.version(requirement.name) for requirement in requirements()}
    assert report.pythonVersion == ".".join(map(str, sys.version_info[:3]))


def test_the_device_is_the_one_that_the_library_chooses(report):
    program = "from Xray2MRILib.device import choose_device, describe_device as d; k = choose_device(); print(k, d(k))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert f"{report.device} {report.deviceName}" == told.stdout.strip()
    assert report.devices[-1].kind == "cpu"
    assert report.freeMemoryBytes > 0


def test_nothing_of_it_is_loaded_into_this_process():
    program = (
        "import sys; from Xray2MRIModule.environment import probe_process, report, installation, interpreter; "
        "from Xray2MRIModule.scene import sample_data; "
        "probe = probe_process.EnvironmentProbe('/bin/echo'); installation.planInstallation(probe.wait()); "
        "probe.poll().text(); names = ('torch', 'numpy', 'scipy', 'diffusers', 'SimpleITK', 'qt', 'slicer.util'); "
        "heavy = [name for name in names if name in sys.modules]; print(heavy); sys.exit(bool(heavy))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "Xray2MRI")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_caller_is_never_held_up(polled):
    assert polled[1] < 0.5


def test_a_bare_python_lacks_everything_and_says_what(bare_python):
    report = EnvironmentProbe(bare_python).wait()
    assert not report.ready
    assert report.external
    assert {state for _, _, state in report.rows()} == {"missing"}
    assert len(report.problems) == 1
    assert "torch" in report.problems[0]
    assert report.problems[0].endswith("are not installed.")
    assert report.device is None
    assert report.summary.startswith("Not ready: ")


def test_a_half_installed_package_counts_as_damaged(bare_python, tmp_path, monkeypatch):
    for name, code in (("torch", "raise TypeError('half')"), ("safetensors", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(code, encoding="utf-8")
        record = tmp_path / f"{name}-9.9.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n", encoding="utf-8")
    site = next((Path(bare_python).parents[1]).rglob("site-packages"))
    (site / "half.pth").write_text(str(tmp_path), encoding="utf-8")
    try:
        report = EnvironmentProbe(bare_python).wait()
    finally:
        (site / "half.pth").unlink()
    states = {package.name: (package.state, package.fault) for package in report.packages}
    assert states["torch"] == ("broken", "TypeError: half")
    assert states["safetensors"] == ("ok", None)
    assert "torch is damaged." in report.problems


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("#!/bin/sh\nexit 3\n", "is not a working Python"),
        ("#!/bin/sh\necho 'libfoo.so: not found' >&2\nexit 127\n", "libfoo.so: not found"),
        ("#!/bin/sh\necho '[1, 2]'\n", "is not a working Python"),
        ("#!/nowhere/interpreter\n", "cannot start"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="shell scripts")
def test_a_program_that_is_no_python_is_a_problem_not_an_exception(tmp_path, code, words):
    report = EnvironmentProbe(_program(tmp_path / "python", code)).wait()
    assert not report.ready
    assert words in report.problems[0]


def test_a_path_without_program_is_a_problem(tmp_path):
    report = EnvironmentProbe(str(tmp_path / "python3")).wait()
    assert report.problems == ["The file python3 does not exist: choose the Python program again."]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")
def test_cancel_reaches_the_process_behind_a_launcher(tmp_path):
    note = tmp_path / "pid"
    child = tmp_path / "child.py"
    child.write_text(
        f"import os, runpy, sys\nopen({str(note)!r}, 'w').write(str(os.getpid()))\n"
        "sys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')\n",
        encoding="utf-8",
    )
    launcher = _program(tmp_path / "launcher", f'#!/bin/sh\n"{sys.executable}" "{child}" "$@" <&0\nexit $?\n')
    probe = EnvironmentProbe(launcher)
    limit = time.monotonic() + 60
    while not (note.exists() and note.read_text(encoding="utf-8")) and time.monotonic() < limit:
        time.sleep(0.02)
    pid = int(note.read_text(encoding="utf-8"))
    assert _alive(pid)
    probe.cancel()
    while _alive(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    assert not _alive(pid)
    assert probe.poll().problems == ["The check was stopped."]


def test_the_report_to_copy_names_no_user(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "jane.doe"))
    monkeypatch.setenv("USER", "jane.doe")
    monkeypatch.setenv("LOGNAME", "jane.doe")
    folder = tmp_path / "home" / "jane.doe" / "venv"
    folder.mkdir(parents=True)
    report = EnvironmentProbe(_program(folder / "python", "#!/bin/sh\necho /home/jane.doe/x >&2; exit 1\n")).wait()
    text = report.text()
    assert "jane.doe" not in text
    assert "~/venv/python" in text


def test_requirements_are_those_of_the_library():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [
        line for line in REQUIREMENTS_FILE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    assert sorted(lines) == sorted(project["dependencies"])


def test_the_child_finds_the_library_and_not_the_settings_of_slicer(bare_python, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/somewhere")
    monkeypatch.setenv("PYTHONPATH", "/slicer/lib")
    environment = childEnvironment(bare_python)
    assert environment["PYTHONPATH"] == str(libraryFolder()) == str(ROOT)
    assert "PYTHONHOME" not in environment
    own = childEnvironment(sys.executable)
    assert own["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "/slicer/lib"]
    program = "import json, sys, Xray2MRILib; print(json.dumps([Xray2MRILib.__version__, sys.flags.utf8_mode]))"
    told = subprocess.run([bare_python, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)[1] == 1


def test_another_python_starts_in_the_environment_from_before_slicer(bare_python, monkeypatch):
    """Slicer's launcher adds its libraries to the environment; the function that undoes it belongs to Slicer."""
    util = types.ModuleType("slicer.util")
    util.startupEnvironment = lambda: {"PATH": "/usr/bin", "LANG": "C.UTF-8"}
    slicer = types.ModuleType("slicer")
    slicer.util, slicer.app = util, types.SimpleNamespace(startupEnvironment=None)
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.setitem(sys.modules, "slicer.util", util)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/slicer/lib")
    environment = childEnvironment(bare_python)
    assert environment["PATH"] == "/usr/bin"
    assert "LD_LIBRARY_PATH" not in environment
    assert childEnvironment(sys.executable)["LD_LIBRARY_PATH"] == "/slicer/lib"


def test_the_choice_of_another_python(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "qt", None)
    chooseExternalPython(sys.executable)
    try:
        assert inferencePython() == externalPython() == sys.executable
        for bad, words in (
            ("python3", "not absolute"),
            (str(tmp_path), "is a folder"),
            (str(tmp_path / "x"), "does not exist"),
        ):
            with pytest.raises(ValueError, match=words):
                chooseExternalPython(bad)
        assert externalPython() == sys.executable
    finally:
        chooseExternalPython("")
    assert externalPython() is None
    assert inferencePython() == applicationPython()


def test_the_check_and_the_worker_count_the_same_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number in the section Environment that the section Generate contradicts makes a user doubt both."""
    from Xray2MRIModule.environment import probe_process
    from Xray2MRIModule.worker.launch_command import worker_command

    for given in (None, "3"):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if given:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        started = {}
        monkeypatch.setattr(
            probe_process.subprocess, "Popen", lambda command, started=started, **options: started.update(options)
        )
        probe_process.EnvironmentProbe(sys.executable)
        threads = worker_command().environment["OMP_NUM_THREADS"]
        assert started["env"]["OMP_NUM_THREADS"] == threads
        assert threads == (given or str(max(1, (os.cpu_count() or 2) - 1)))
