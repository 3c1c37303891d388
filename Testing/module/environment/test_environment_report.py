"""Sentences of the report for machines that are not at hand, from facts as their Python would print them."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement
from Xray2MRIModule.environment.report import reportFromFacts, withoutUserNames

REQUIREMENTS = [Requirement("numpy>=1.26"), Requirement("torch>=2.2")]


def facts(**changes):
    """A Linux machine with a GPU and everything in order."""
    torch = changes.pop("torch", "2.8.0+cu126")
    numpy = changes.pop("numpy", "2.4.6")
    return {
        "python": "3.12.10",
        "system": "Linux",
        "architecture": "x86_64",
        "prefix_length": 30,
        "packages_writable": True,
        "free_disk_bytes": 50_000_000_000,
        "translated": False,
        "packages": {"numpy": {"version": numpy, "fault": None}, "torch": {"version": torch, "fault": None}},
        "library_fault": None,
        "library_version": "0.1.0",
        "devices": [{"kind": "cuda", "name": "NVIDIA RTX 4090", "free_memory_bytes": 22_100_000_000}],
        "device_fault": None,
        **changes,
    }


def report(external=False, **changes):
    return reportFromFacts(facts(**changes), REQUIREMENTS, "/opt/slicer/bin/PythonSlicer", external)


def test_everything_in_order():
    found = report()
    assert found.ready
    assert found.warnings == []
    assert found.summary == "Ready: torch 2.8.0+cu126, NVIDIA GPU NVIDIA RTX 4090, 22.1 GB free."


def test_windows_with_a_long_folder_is_warned_before_the_download_only():
    missing = report(system="Windows", prefix_length=75, torch=None, devices=[])
    assert any("long (75 characters)" in warning for warning in missing.warnings)
    assert not report(system="Windows", prefix_length=75).warnings
    short = report(system="Windows", prefix_length=40, torch=None, devices=[])
    assert not any("is long" in warning for warning in short.warnings)


def test_an_intel_slicer_on_a_mac_is_told_to_use_another_python():
    before = report(system="Darwin", architecture="x86_64", torch=None, devices=[])
    assert any("native arm64" in warning for warning in before.warnings)
    after = report(system="Darwin", architecture="x86_64", torch="2.2.2")
    assert not after.ready
    assert "numpy 2" in after.problems[-1]
    assert report(system="Darwin", architecture="x86_64", torch="2.2.2", numpy="1.26.4", external=True).ready
    assert report(system="Darwin", architecture="arm64").ready


def test_an_old_python_gets_one_sentence():
    found = report(python="3.9.10", torch=None)
    assert found.problems == ["This is Python 3.9.10; Xray2MRI needs 3.10 or later."]


def test_old_packages_and_own_builds():
    old = report(torch="2.0.1")
    assert old.problems == ["torch is too old."]
    assert [package.state for package in old.packages] == ["ok", "too old"]
    assert report(torch="2.9.0a0+gitabc").ready
    assert report(torch="main-build").ready


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"packages_writable": False, "torch": None}, "not writable"),
        ({"free_disk_bytes": 1_500_000_000, "torch": None}, "Only 1.5 GB of disk space is free"),
        ({"devices": [{"kind": "cpu", "name": "Xeon", "free_memory_bytes": None}]}, "No GPU was found"),
    ],
)
def test_what_is_worth_knowing(changes, word):
    assert any(word in warning for warning in report(**changes).warnings)


def test_faults_of_the_library_and_of_the_device_are_problems():
    assert "reinstall the extension" in report(library_fault="ImportError: x", devices=[]).problems[0]
    assert "no device" in report(device_fault="RuntimeError: driver", devices=[]).problems[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"C:\Users\Jane Doe\AppData\python.exe", r"~\AppData\python.exe"),
        ("/Users/jane/venv/bin/python", "~/venv/bin/python"),
        ("/home/jane/x and /home/john/y", "~/x and ~/y"),
        ("C:/Users/jane/x", "~/x"),
        ("/opt/slicer/bin/python-real", "/opt/slicer/bin/python-real"),
    ],
)
def test_user_names_leave_paths(text, expected):
    assert withoutUserNames(text) == expected
