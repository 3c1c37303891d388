"""Commands that the pages show exist and take the options shown."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest
from documentation import ROOT, commands, name_of, pages

from Xray2MRILib import cli
from Xray2MRILib.errors import InputError

SHOWN = [(page, command) for page in pages() for command in commands(page.read_text(encoding="utf-8"))]


def calls(program: str) -> list[tuple[Path, list[str]]]:
    """(page, arguments) of every call of a program; what follows a pipe, a semicolon or ``do`` is another call."""
    name = program.split()
    found = []
    for page, command in SHOWN:
        lexer = shlex.shlex(command, posix=True, punctuation_chars=";|&")
        lexer.whitespace_split = True
        try:
            words = [";", *(";" if set(word) <= set(";|&") or word in ("do", "until") else word for word in lexer)]
        except ValueError:  # an apostrophe: no command
            continue
        for begin in (place for place, word in enumerate(words) if word == ";"):
            call = list(takewhile(lambda word: word != ";", words[begin + 1 :]))
            if call[: len(name)] == name:
                found.append((page, call[len(name) :]))
    return found


def identity(value: object) -> str:
    return name_of(value) if isinstance(value, Path) else " ".join(value)


@pytest.mark.parametrize(("page", "arguments"), calls("xray2mri"), ids=identity)
def test_xray2mri_accepts_what_is_shown(page: Path, arguments: list[str]):
    # a loop's variable stands for a number
    arguments = [re.sub(r"^\$\w+$", "1", word) for word in arguments]
    if arguments[:1] in (["--help"], ["--version"]):
        return
    try:
        cli._parsers(arguments[0])[0].parse_args(arguments)
    except InputError as error:
        pytest.fail(f"{name_of(page)} shows xray2mri {' '.join(arguments)}: {error.sentence()}")


@pytest.mark.parametrize(("page", "arguments"), calls("make"), ids=identity)
def test_make_has_the_targets_shown(page: Path, arguments: list[str]):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for word in arguments:
        assert "=" in word or word in targets, f"{name_of(page)} shows make {word}"


@pytest.mark.parametrize(("page", "arguments"), calls("python"), ids=identity)
def test_scripts_have_the_options_shown(page: Path, arguments: list[str]):
    if arguments[0] == "-m":
        return
    script = ROOT / arguments[0]
    assert script.exists(), f"{name_of(page)} shows python {arguments[0]}"
    source = script.read_text(encoding="utf-8")
    for option in arguments[1:]:
        if option.startswith("-"):
            assert f'"{option}"' in source, f"{script.name} has no option {option}, which {name_of(page)} shows"


def test_inline_options_exist():
    """Options in the running text, such as `--kl-grade`, belong to some command."""
    known = set(re.findall(r"(--[\w-]+)", (ROOT / "Makefile").read_text(encoding="utf-8")))
    for path in [*(ROOT / "Xray2MRILib/cli").glob("*.py"), *(ROOT / "Testing").rglob("*.py")]:
        known |= set(re.findall(r'"(--[\w-]+)"', path.read_text(encoding="utf-8")))
    known |= {
        "--help",
        "--version",
        "--depth",
        "--additional-module-paths",
        "--testing",
        "--no-splash",
        "--python-code",
    }
    for page in pages():
        for option in re.findall(r"`[^`\n]*?(--[a-z][\w-]+)[^`\n]*`", page.read_text(encoding="utf-8")):
            assert option in known, f"{name_of(page)} names {option}"


def test_the_readme_shows_the_two_commands():
    shown = [" ".join(arguments) for page, arguments in calls("make") if name_of(page) == "README.md"]
    assert {"demo", "test"} <= set(shown)
    clones = [arguments for page, arguments in calls("git clone") if name_of(page) == "README.md"]
    assert clones
    assert all("--depth" in arguments for arguments in clones)
