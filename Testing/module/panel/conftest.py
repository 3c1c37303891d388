"""A scene, an application and the module's panel on real Qt widgets, without a desktop Slicer."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

_HERE = Path(__file__).resolve().parent
_MODULE = _HERE.parents[2] / "Xray2MRI"
for _folder in (_HERE, _HERE.parent, _HERE.parent / "mrml", _MODULE):
    if str(_folder) not in sys.path:
        sys.path.append(str(_folder))

# both come from the package index, but not for every Python
_missing = [name for name in ("PySide6", "slicer") if importlib.util.find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if _missing else []

if not _missing:
    from panel_fixtures import *  # noqa: F403
