"""The side of the knee that a text names: a header field or a file name (A22)."""

from __future__ import annotations

import re

# fields that state a side; descriptions only mention one
EXPLICIT_FIELDS = ("ImageLaterality", "Laterality")
_WORDS = {"right": "right", "rt": "right", "r": "right", "left": "left", "lt": "left", "l": "left"}
# a lone letter may follow digits (9003175L) but not precede them: L5 is a vertebra
_TOKEN = re.compile(r"(?<![A-Za-z])(?:(?:right|left|rt|lt)(?![A-Za-z])|[rl](?![A-Za-z0-9]))", re.IGNORECASE)
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
# a mark joins a letter to others: "R/O" rules something out, "L-spine" is the back, "T/L" two parts of it
_JOINED_AFTER = re.compile(r"(?:[/\\&+-]|\.(?=[A-Za-z](?![A-Za-z0-9]))|\s+/\s*(?=[A-Za-z](?![A-Za-z])))([A-Za-z]+)")
_JOINED_BEFORE = re.compile(r"(?<![A-Za-z])([A-Za-z])[/\\.&+-]$")
_SPINE = re.compile(r"\W*spine", re.IGNORECASE)
# words that a letter of a side may be joined to: another side, the joint, the view
_PARTNERS = frozenset((*_WORDS, *"knee knees knie leg side ap pa lat lateral view oblique".split()))


def side_from_words(text: str) -> str | None:
    """The one side that a text names as a word of its own; None when it names none or both."""
    text = _CAMEL_CASE.sub(" ", text)
    named = {_WORDS[found.group().lower()] for found in _TOKEN.finditer(text) if _stands_alone(found, text)}
    return named.pop() if len(named) == 1 else None


def _stands_alone(found: re.Match[str], text: str) -> bool:
    """Whether a token means a side: words do, a letter unless a mark joins it to other letters."""
    if len(found.group()) > 1:
        return True
    after = _JOINED_AFTER.match(text, found.end())
    before = _JOINED_BEFORE.search(text[: found.start()])
    joined = [match.group(1).lower() for match in (after, before) if match]
    return not _SPINE.match(text, found.end()) and all(word in _PARTNERS for word in joined)
