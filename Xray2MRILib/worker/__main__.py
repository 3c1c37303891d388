"""``python -m Xray2MRILib.worker``: see worker/startup.py."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    try:
        from .startup import main

        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.stderr.flush()
    # exit at once: torch's own threads may need seconds to stop
    os._exit(code)
