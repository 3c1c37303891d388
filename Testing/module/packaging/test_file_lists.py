"""CMake's lists against the tree, and against the rules by which Slicer finds modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cmake_file_lists import LISTS, ROOT, files_in, refresh, wanted, written


@pytest.mark.parametrize("list_file", LISTS)
def test_every_file_of_the_tree_is_listed_and_no_other(list_file):
    hint = "run: python Testing/module/packaging/cmake_file_lists.py"
    assert written(list_file) == wanted(list_file), hint


def test_only_the_module_itself_lies_directly_in_its_folder():
    """Slicer takes every .py there for a module."""
    directly = [name for name in files_in("Xray2MRI") if "/" not in name]
    assert directly == ["CMakeLists.txt", "Xray2MRI.py"]


def test_names_suit_cmake_and_every_file_system():
    names = [name for list_file in LISTS for entries in wanted(list_file).values() for name in entries]
    assert names
    for name in names:
        assert name.isascii()
        assert not set(name) & set(' ;|"\\$:*?<>()')
        assert ".." not in name
        assert len(name) < 90  # Slicer's own folder comes before it, and Windows ends a path at 260
    assert len({name.lower() for name in wanted("Xray2MRILib/CMakeLists.txt")["LIBRARY_PYTHON_SCRIPTS"]}) == len(
        wanted("Xray2MRILib/CMakeLists.txt")["LIBRARY_PYTHON_SCRIPTS"]
    )


def test_folders_with_python_files_are_packages():
    for folder in ("Xray2MRILib", "Xray2MRI/Xray2MRIModule"):
        names = [name for name in files_in(folder) if name.endswith(".py")]
        for parent in {Path(name).parent.as_posix() for name in names}:
            assert f"{parent}/__init__.py".removeprefix("./") in names, f"{folder}/{parent}"


def test_a_new_file_is_noticed_and_listed(tmp_path):
    """The program itself, on a small tree."""
    for folder in ("Xray2MRI", "Xray2MRILib", "Resources"):
        (tmp_path / folder).mkdir()
    for list_file in LISTS:
        (tmp_path / list_file).write_bytes((ROOT / list_file).read_bytes())
        refresh(list_file, tmp_path)
    assert written("Xray2MRI/CMakeLists.txt", tmp_path)["MODULE_PYTHON_SCRIPTS"] == []
    (tmp_path / "Xray2MRI" / "Xray2MRI.py").write_text("", encoding="utf-8")
    (tmp_path / "Resources" / "a.json").write_text("{}", encoding="utf-8")
    assert written("Xray2MRI/CMakeLists.txt", tmp_path) != wanted("Xray2MRI/CMakeLists.txt", tmp_path)
    for list_file in LISTS:
        refresh(list_file, tmp_path)
        assert written(list_file, tmp_path) == wanted(list_file, tmp_path)
    assert written("Xray2MRI/CMakeLists.txt", tmp_path)["MODULE_PYTHON_SCRIPTS"] == ["Xray2MRI.py"]
    assert written("Xray2MRILib/CMakeLists.txt", tmp_path)["LIBRARY_RESOURCES"] == ["a.json"]
    text = (tmp_path / "Xray2MRI/CMakeLists.txt").read_text(encoding="utf-8")
    assert (
        text.partition("slicerMacro")[2]
        == (ROOT / "Xray2MRI/CMakeLists.txt").read_text(encoding="utf-8").partition("slicerMacro")[2]
    )


def test_the_check_runs_as_a_program():
    program = ROOT / "Testing/module/packaging/cmake_file_lists.py"
    assert subprocess.run([sys.executable, program, "--check"], capture_output=True).returncode == 0
