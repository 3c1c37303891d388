"""Only the command line speaks of its options: elsewhere a message names a field, and the front end words the remedy.

Every string literal counts, docstrings too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHELL = ROOT / "Xray2MRILib" / "cli"
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
# option -> why it may be named outside the shell
ALLOWED = {"--idle-shutdown": "the worker's own command line, which only programs use"}


def options_in(text: str) -> Iterator[tuple[int, str]]:
    """Line and name of every option that a string literal of a Python file names."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno, name) for name in OPTION.findall(node.value))


def test_no_message_outside_the_shell_names_an_option() -> None:
    paths = [*(ROOT / "Xray2MRILib").rglob("*.py"), *(ROOT / "Xray2MRI").rglob("*.py")]
    assert len(paths) > 200
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in paths
        if SHELL not in path.parents
        for line, name in options_in(path.read_text(encoding="utf-8"))
        if name not in ALLOWED
    ]
    assert not found, "\n".join(found)


def test_options_are_seen_in_all_kinds_of_literals() -> None:
    text = 'a = "Choose with --side."\nb = f"{a}: --kl-grade {1}"\n"""``--roi``"""\nc = "a--b, 3 -- 4, ---x"\n'
    assert sorted(options_in(text)) == [(1, "--side"), (2, "--kl-grade"), (3, "--roi")]
