"""The module's folder on the search path, as Slicer puts it there."""

from __future__ import annotations

import sys
from pathlib import Path

MODULE = Path(__file__).resolve().parents[3] / "Xray2MRI"
if str(MODULE) not in sys.path:
    sys.path.append(str(MODULE))
