"""The pages of the documentation, and what stands in them: code blocks, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """README, CONTRIBUTING, everything in docs/, and the READMEs and model cards of Resources and Testing."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for folder in ("docs", "Resources", "Testing"):
        found += sorted((ROOT / folder).rglob("*.md"))
    return found


def name_of(page: Path) -> str:
    """Path of a page below the root, for the names of tests."""
    return page.relative_to(ROOT).as_posix()


def code_blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, code) of every fenced block, and ("", code) of every block that is indented by four columns."""
    for block in _FENCE.finditer(text):
        yield block[1], block[2]
    for block in re.finditer(r"(?:^ {4}.*\n)+", without_code(text), re.MULTILINE):
        yield "", re.sub(r"^ {4}", "", block[0], flags=re.MULTILINE)


def without_code(text: str) -> str:
    """The text with its fenced blocks taken out."""
    return _FENCE.sub("", text)


def anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *$", without_code(text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        again = found.get(slug, -1) + 1
        found[slug] = again
        if again:
            found[f"{slug}-{again}"] = 0
    return set(found)


def commands(text: str) -> Iterator[str]:
    """Lines of shell in the code blocks, comments cut off, lines that end in a backslash joined."""
    for language, code in code_blocks(text):
        if language not in ("", "sh", "bash", "shell"):
            continue
        for line in re.sub(r"\\\n\s*", " ", code).splitlines():
            command = re.sub(r"(^|\s)#.*$", "", line).strip()
            if command:
                yield command
