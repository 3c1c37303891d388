"""Crash log without patient identifiers: the traceback without the user's file names."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Iterable
from pathlib import Path

from .. import __version__


def failure_text(error: BaseException, private: Iterable[str] = ()) -> str:
    """The traceback with every private path, and its last component, replaced by ``<private>``."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    words = {word for path in private if path for word in (path, Path(path).name) if len(word) > 2}
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, "<private>")
    return text


def write_failure_log(error: BaseException, private: Iterable[str] = ()) -> Path | None:
    """Write failure_text to a new file in the system's folder for temporary files; None if that fails too."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="xray2mri-failure-", suffix=".log")
        with os.fdopen(descriptor, "w", encoding="utf-8") as log:
            log.write(f"Xray2MRI {__version__}\n{failure_text(error, private)}")
    except OSError:
        return None
    return Path(name)
