"""``python -m Xray2MRILib`` is the command ``xray2mri``."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
