"""The wheel: what pip installs works without the checkout, resources included."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with the contents of the wheel."""
    pytest.importorskip("hatchling", reason="pip install hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_all_resources(installed):
    tracked = subprocess.run(["git", "ls-files", "Resources"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in tracked or ["Resources/samples/README.md"]:
        assert (installed / "Xray2MRILib" / name).is_file(), name
    assert (installed / "Xray2MRILib" / "py.typed").is_file()


def test_the_installed_package_finds_them(installed, tmp_path):
    program = (
        "import sys, Xray2MRILib; from Xray2MRILib.files.resources import resource_path; "
        "print(Xray2MRILib.__file__); print(resource_path('samples/README.md'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert all(line.startswith(str(installed)) for line in done.stdout.splitlines())


def test_the_installed_command_answers(installed, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "Xray2MRILib", "--version"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("xray2mri ")


def test_the_installed_package_renders_a_report(installed, tmp_path):
    """Templates and style sheet are in the wheel."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from volumes import asymmetric_volume\n"
        "import Xray2MRILib.reports.volume_report as report\n"
        "assert report.__file__.startswith(sys.argv[2]), report.__file__\n"
        "report.write_report(asymmetric_volume(3), 'report.html')"
    )
    command = [sys.executable, "-c", program, str(ROOT / "Testing" / "material"), str(installed)]
    subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)}, check=True)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "prefers-color-scheme" in page
