"""Every sentence that a user reads can be translated: it goes through ``_()`` whole, as a literal."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MODULE = ROOT / "Xray2MRI"
SOURCES = sorted(MODULE.rglob("*.py"))
# English on purpose, because other programs or we read them: records in the data, the report on the environment, XML
_RECORDS = {
    "probe.py": ".*",
    "report.py": r"^(Xray2MRI environment report|of the application|cannot be loaded)$",
    "generation_nodes.py": r"^Xray2MRI density$",  # a node that goes within the same step
    "comparison_nodes.py": r"^Edges of pseudo-MRI and real MRI: ",
    "provenance_attributes.py": (
        r"^(synthetic, not for diagnosis|Enhanced volume with computed detail|"
        r"Synthetic course of a knee, not a forecast|Map of places that speak for early osteoarthritis)$"
    ),
    "radiograph_node.py": r"^endian: little",
    "radiograph_panel.py": r"^(\*\.dcm |position on the radiograph$)",  # the worker speaks English
    "sample_data.py": r"S\. Gornale|^licensed under CC BY|^Xray2MRI sample ",
    "session.py": r"^The worker ended: $",  # for the log
    "layout.py": r"<|^ *split=",
    "volume_nodes.py": r"^(Pseudo-MRI of a knee from one radiograph|Standard deviation of a pseudo-MRI over .*)$",
}
# what these are given is for developers or for the log
_NOT_FOR_USERS = {"OSError", "TypeError", "ValueError", "TimeoutError", "exception", "info", "_note", "property"}
_SENTENCE = re.compile(r"[A-Za-z]{2,}[^A-Za-z]*\s[^\n]*[A-Za-z]{2,}[^A-Za-z]*\s[^\n]*[A-Za-z]{2,}")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_translated_texts_are_literals(path: Path) -> None:
    """The tool that collects texts for translators reads the source; it cannot run an f-string."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _called(node) == "_":
            (argument,) = node.args
            assert isinstance(argument, ast.Constant), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_no_sentence_is_left_out(path: Path) -> None:
    known = re.compile(_RECORDS.get(path.name, "(?!)"))
    left = [
        f"{path.name}:{node.lineno}: {node.value}"
        for node in _untranslated(ast.parse(path.read_text(encoding="utf-8")))
        if _SENTENCE.search(node.value) and not known.search(node.value)
    ]
    assert not left, "\n".join(left)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_failures_speak_the_language_of_the_user(path: Path) -> None:
    """Also the short sentences of a failure, which the search for long ones does not see."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _called(node) in ("Failure", "RadiographError"):
            texts = node.args[1:] if _called(node) == "Failure" else node.args
            plain = [text for text in texts if isinstance(text, ast.JoinedStr | ast.Constant)]
            assert not [text for text in plain if getattr(text, "value", "f-string")], f"{path.name}:{node.lineno}"


def test_names_in_the_panel_file_are_not_offered_to_translators() -> None:
    """Names of parameters, settings and classes would break in another language."""
    for item in ElementTree.parse(MODULE / "Resources/UI/Xray2MRI.ui").iter("property"):
        if item.get("name") in ("SlicerParameterName", "settingKey", "nodeTypes"):
            (value,) = item
            assert value.get("notr") == "true", value.text


def _called(node: ast.Call) -> str:
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def _untranslated(node: ast.AST) -> Iterator[ast.Constant]:
    """String constants outside docstrings, translations and what developers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Call) and _called(child) in ("_", "translate", *_NOT_FOR_USERS):
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child
        yield from _untranslated(child)
