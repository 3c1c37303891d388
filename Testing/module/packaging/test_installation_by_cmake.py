"""The extension configured and installed by CMake, and what was installed at work without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cmake_file_lists import ROOT, files_in, wanted

STUB = Path(__file__).resolve().parent / "stub_slicer.cmake"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The folder qt-scripted-modules after installation."""
    if not shutil.which("cmake") or not any(shutil.which(name) for name in ("cc", "gcc", "clang", "cl")):
        pytest.skip("needs cmake and a C compiler, as every Slicer extension does")
    folder = tmp_path_factory.mktemp("extension")
    (folder / "slicer").mkdir()
    (folder / "slicer" / "nothing.cmake").write_text("", encoding="utf-8")
    shutil.copy(STUB, folder / "slicer" / "SlicerConfig.cmake")
    steps = [
        ["cmake", "-S", ROOT, "-B", folder / "build", f"-DSlicer_DIR={folder / 'slicer'}"],
        ["cmake", "--build", folder / "build"],
        ["cmake", "--install", folder / "build", "--prefix", folder / "installed"],
    ]
    for step in steps:
        done = subprocess.run(list(map(str, step)), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "installed" / "lib" / "Slicer-5.12" / "qt-scripted-modules"


def _run(installed: Path, program: str, folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_slicer_finds_one_module(installed):
    assert [path.name for path in installed.glob("*.py")] == ["Xray2MRI.py"]
    assert (installed / "Resources" / "Icons" / "Xray2MRI.png").is_file()
    assert (installed / "Resources" / "UI" / "Xray2MRI.ui").is_file()


def test_everything_is_installed_and_the_same(installed):
    pairs = [(f"Xray2MRI/{name}", name) for name in files_in("Xray2MRI") if name != "CMakeLists.txt"]
    lists = wanted("Xray2MRILib/CMakeLists.txt")
    names = [*lists["LIBRARY_PYTHON_SCRIPTS"], *lists["LIBRARY_FILES"]]
    pairs += [(f"Xray2MRILib/{name}", f"Xray2MRILib/{name}") for name in names]
    pairs += [(f"Resources/{name}", f"Xray2MRILib/Resources/{name}") for name in lists["LIBRARY_RESOURCES"]]
    for source, target in pairs:
        assert (installed / target).read_bytes() == (ROOT / source).read_bytes(), target
    found = [path for path in installed.rglob("*") if path.is_file()]
    assert len(found) == len(pairs)


def test_the_installed_library_finds_its_resources(installed, tmp_path):
    program = (
        "from Xray2MRILib.files.resources import resource_path as r; import Xray2MRILib; "
        "print(Xray2MRILib.__file__); print(r('models/compact')); print(r('samples/knee_single.webp'))"
    )
    for line in _run(installed, program, tmp_path).splitlines():
        assert line.startswith(str(installed / "Xray2MRILib"))


def test_the_installed_module_finds_the_library_and_its_own_files(installed, tmp_path):
    program = (
        "from Xray2MRIModule.environment import interpreter, probe_process; "
        "from Xray2MRIModule.scene import sample_data; "
        "print(interpreter.libraryFolder()); print(probe_process.REQUIREMENTS_FILE); "
        "print(sample_data.samplePath('both')); print(sample_data.thumbnailPath('single'))"
    )
    told = [Path(line) for line in _run(installed, program, tmp_path).splitlines()]
    assert told[0] == installed
    for path in told[1:]:
        assert path.is_file()
        assert path.is_relative_to(installed / "Resources")


def test_the_installed_worker_reads_a_radiograph(installed, tmp_path):
    """The weights are found, and give a box on the sample."""
    program = (
        "import json; from Xray2MRIModule.scene.sample_data import samplePath; from Xray2MRILib.cli import main; "
        "raise SystemExit(main(['localize', str(samplePath('both')), '--json']))"
    )
    assert _run(installed, program, tmp_path).count('"confidence"') == 2
