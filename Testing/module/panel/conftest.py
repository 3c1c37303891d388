"""A scene, an application and the module's panel on real Qt widgets, without a desktop Slicer."""

from __future__ import annotations

import importlib
import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def _usable(name: str) -> bool:
    """Installed for this Python, and its system libraries present (Qt wants those of OpenGL even offscreen)."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


_complete = all(_usable(name) for name in ("PySide6.QtWidgets", "slicer"))
collect_ignore_glob = [] if _complete else ["test_*.py"]

if _complete:
    from panel_fixtures import *  # noqa: F403
