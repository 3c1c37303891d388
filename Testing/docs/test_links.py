"""Whatever a page links to or names exists: files, anchors, paths of code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documentation import ROOT, anchors, name_of, pages, without_code

LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
# a path of the repository in the text or in a code block
CODE_PATH = re.compile(r"(?<![\w/.<>{}-])((?:Xray2MRI|Xray2MRILib|Testing|Resources|docs)/[\w./*-]*[\w/*])")
# a module of the library by its dotted name
MODULE = re.compile(r"\b(Xray2MRILib(?:\.[a-z_0-9]+)+)")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_lead_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(re.sub(r"`[^`\n]*`", "", without_code(text))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), f"{name_of(page)} links to {target}, which does not exist"
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{name_of(page)}: no heading for {target}"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_named_paths_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    plain = re.sub(r"\]\([^)]*\)|https?://\S+", "", text)
    for path in set(CODE_PATH.findall(plain)) - {"Xray2MRI/SlicerXray2MRI"}:  # the repository's own name
        found = any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists()
        assert found, f"{name_of(page)} names {path}, which does not exist"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_named_modules_exist(page: Path):
    for name in MODULE.findall(page.read_text(encoding="utf-8")):
        parts = name.split(".")
        # a module, a package, or a name within a module
        places = [ROOT.joinpath(*parts), ROOT.joinpath(*parts[:-1])]
        assert any(place.with_suffix(".py").exists() or place.is_dir() for place in places), f"{name} does not exist"


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_short_paths_of_the_library_exist(page: Path):
    """Paths such as ``diffusion/schedule.py`` stand for files of the library, of the module or beside the page."""
    text = re.sub(r"\]\([^)]*\)|https?://\S+", "", page.read_text(encoding="utf-8"))
    roots = (ROOT, ROOT / "Xray2MRILib", ROOT / "Xray2MRI/Xray2MRIModule", page.parent)
    for path in re.findall(r"`([a-z_0-9]+(?:/[a-z_0-9]+)*\.py)(?:::\w+)?`", text):
        anywhere = "/" not in path and any(any(folder.rglob(path)) for folder in (ROOT / "Xray2MRILib", page.parent))
        exists = anywhere or any((root / path).exists() for root in roots)
        assert exists, f"{name_of(page)} names {path}, which does not exist"


def test_names_in_the_table_of_the_paper_are_in_their_files():
    """Each row of docs/paper-to-code.md names files and what is defined in them."""
    rows = 0
    for line in (ROOT / "docs/paper-to-code.md").read_text(encoding="utf-8").splitlines():
        files = re.findall(r"`(Xray2MRILib/[\w/]+\.py)`", line)
        source = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
        for name in re.findall(r"`(\w+)`", line) if files else ():
            defined = re.search(rf"^\s*(?:def|class) {name}\b|^\s*{name}: ", source, re.MULTILINE)
            assert defined, f"{name} is not defined in {files}"
            rows += 1
    assert rows > 30


def test_equations_algorithms_and_measures_have_a_row():
    table = (ROOT / "docs/paper-to-code.md").read_text(encoding="utf-8")
    for promised in (
        "| (9)-(14) |",
        "| 2, inference, line by line as printed |",
        "| RSSIM |",
        "| simulated radiograph (DRR) |",
    ):
        assert promised in table
    equations: set[int] = set()
    for first, last in re.findall(r"^\| \((\d+)\)(?:-\((\d+)\))? \|", table, re.MULTILINE):
        equations |= set(range(int(first), int(last or first) + 1))
    assert equations == set(range(1, 17))


def test_every_page_of_docs_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, f"docs/README.md does not list {page.name}"


def test_every_folder_is_in_the_architecture():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    for parent in ("Xray2MRILib", "Xray2MRI/Xray2MRIModule"):
        for folder in (ROOT / parent).iterdir():
            if (folder / "__init__.py").exists():
                assert f"`{folder.name}/`" in text, f"docs/architecture.md does not mention {parent}/{folder.name}"
