"""Text files are read and written as UTF-8 by name: a machine's locale may be plain ASCII."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("Xray2MRI", "Xray2MRILib", "Testing")


def calls_without_encoding(text: str) -> list[int]:
    """The lines of ``read_text`` and ``write_text`` that leave the encoding to the locale."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        positional = {"read_text": 0, "write_text": 1}.get(node.func.attr)
        named = any(keyword.arg in ("encoding", None) for keyword in node.keywords)
        if positional is not None and len(node.args) <= positional and not named:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_text_file_names_its_encoding(folder: str) -> None:
    faults = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (lines := calls_without_encoding(path.read_text(encoding="utf-8")))
    }
    assert not faults


def test_a_missing_encoding_would_be_found() -> None:
    text = 'a.read_text()\nb.write_text("é")\nc.read_text("utf-8")\nd.write_text("é", encoding="utf-8")\n'
    assert calls_without_encoding(text) == [1, 2]
