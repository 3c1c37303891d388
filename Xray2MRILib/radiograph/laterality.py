"""The side of the knee that a text names: a header field or a file name (A22)."""

from __future__ import annotations

import re

# fields that state a side; descriptions only mention one
EXPLICIT_FIELDS = ("ImageLaterality", "Laterality")
_WORDS = {"right": "right", "rt": "right", "r": "right", "left": "left", "lt": "left", "l": "left"}
# a lone letter may follow digits (9003175L) but not precede them: L5 is a vertebra
_TOKEN = re.compile(r"(?<![A-Za-z])(?:(right|left|rt|lt)(?![A-Za-z])|([rl])(?![A-Za-z0-9]))", re.IGNORECASE)
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")


def side_from_words(text: str) -> str | None:
    """The one side that a text names as a word of its own; None when it names none or both."""
    named = {_WORDS[(word or letter).lower()] for word, letter in _TOKEN.findall(_CAMEL_CASE.sub(" ", text))}
    return named.pop() if len(named) == 1 else None
