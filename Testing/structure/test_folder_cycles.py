"""Folders of the library and of the Slicer module depend on each other in one direction: no import, not even in a
function, closes a circle.

Files of the top level count as rooms of their own. Imports for type checkers alone count as well: a folder that names a
type of another one cannot be understood without it. Two files of one folder may name each other's types, but not import
each other when they run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "Xray2MRILib"
TOP_LEVEL = {"__init__.py", "__main__.py", "device.py", "errors.py"}
# PseudoMRI.load and PseudoMRI.save are other names of the reader and the writer
METHODS_OF_OTHERS = [
    (f"{LIBRARY}.volume.pseudo_mri", f"{LIBRARY}.volume.{name}") for name in ("reading", "writing")
]  # fmt: skip
# what one must be able to read alone
MODELS_NEED = {"errors", "files", "volume"}


def modules_of(folder: Path) -> dict[str, Path]:
    """Dotted name -> file of every module of a package."""
    found = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, path: Path, modules: dict[str, Path], *, types: bool = True) -> Iterator[str]:
    """The package's modules that a module imports, anywhere in its text; without ``types`` only those that run."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in () if types else list(ast.walk(tree)):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{source}.{alias.name}"
                if whole in modules or source in modules:
                    yield whole if whole in modules else source


def room(name: str, depth: int) -> str:
    """The folder (or top-level file) of a module, ``depth`` names below the package."""
    return ".".join(name.split(".")[1 : 1 + depth])


def folder_imports(folder: Path, depth: int = 1) -> dict[str, set[str]]:
    """Room -> rooms that it imports."""
    modules = modules_of(folder)
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        here = room(name, depth)
        for other in imports_of(name, path, modules):
            there = room(other, depth)
            if here and there and here != there:
                found.setdefault(here, set()).add(there)
    return found


def assert_no_cycle(folder: Path, depth: int = 1) -> None:
    try:
        TopologicalSorter(folder_imports(folder, depth)).prepare()
    except CycleError as error:
        pytest.fail(f"folders import each other in a circle: {' <- '.join(error.args[1])}")


def test_no_folder_of_the_library_imports_back():
    assert_no_cycle(ROOT / LIBRARY)


def test_no_folder_of_the_slicer_module_imports_back():
    assert_no_cycle(ROOT / "Xray2MRI" / "Xray2MRIModule")


@pytest.mark.parametrize("folder", [LIBRARY, "Xray2MRI/Xray2MRIModule"])
def test_no_file_imports_back_when_it_runs(folder):
    modules = modules_of(ROOT / folder)
    found = {name: set(imports_of(name, path, modules, types=False)) - {name} for name, path in modules.items()}
    for name, other in METHODS_OF_OTHERS:
        found.get(name, set()).discard(other)
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        pytest.fail(f"files import each other in a circle: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize("folder", ["simulation", "training"])
def test_no_folder_within_a_folder_imports_back(folder):
    assert_no_cycle(ROOT / LIBRARY / folder)


def test_the_top_level_holds_what_everything_needs_and_nothing_else():
    assert {path.name for path in (ROOT / LIBRARY).glob("*.py")} == TOP_LEVEL


def test_the_networks_can_be_read_without_training_or_sampling():
    assert folder_imports(ROOT / LIBRARY).get("models", set()) <= MODELS_NEED
    modules = modules_of(ROOT / LIBRARY)
    needed = {
        other
        for name, path in modules.items()
        if room(name, 1) == "models"
        for other in imports_of(name, path, modules)
    }
    assert {name for name in needed if room(name, 1) == "volume"} == {f"{LIBRARY}.volume.geometry"}


def test_the_library_never_imports_slicer_or_qt():
    foreign = {"slicer", "qt", "ctk", "Xray2MRI", "Xray2MRIModule"}
    for path in (ROOT / LIBRARY).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {name.split(".")[0] for name in names} & foreign, path


def test_a_circle_would_be_found(tmp_path):
    """Also one that closes only inside a function."""
    for name, text in {"a/x": "from ..b.y import one\n", "b/y": "def late():\n    from ..a import x\n"}.items():
        path = tmp_path / "pack" / f"{name}.py"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        (path.parent / "__init__.py").touch()
    (tmp_path / "pack" / "__init__.py").touch()
    with pytest.raises(pytest.fail.Exception, match=r"a <- b|b <- a"):
        assert_no_cycle(tmp_path / "pack")
