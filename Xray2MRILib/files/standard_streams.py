"""The three standard streams of a program that was started without one of them."""

from __future__ import annotations

import os
import sys


def open_missing_streams() -> None:
    """Lead each missing one of stdin, stdout and stderr to nowhere.

    A program started with a closed stream (``>&-``, or a service without console) gets its number for the next file
    that it opens: what is meant for stdout would be written into that file.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # the lowest free number, hence this one
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))
