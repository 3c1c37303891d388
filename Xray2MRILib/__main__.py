"""``python -m Xray2MRILib`` is the command ``xray2mri``."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn


def program() -> int:
    """Run the command with the arguments of this process. Ctrl-C gives one line from the first moment on."""
    # a shell that runs the program in the background has it ignore Ctrl-C
    heeds = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeds:
        signal.signal(signal.SIGINT, _cancelled)
    from .cli import main

    try:
        if heeds:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return main()
    except KeyboardInterrupt:
        _cancelled()
    finally:
        if heeds:
            signal.signal(signal.SIGINT, _cancelled)


def _cancelled(*_: object) -> NoReturn:
    """Say so and end at once: nothing was begun, or all is done."""
    try:
        os.write(2, b"xray2mri: Cancelled.\n")
    finally:
        os._exit(130)


if __name__ == "__main__":
    sys.exit(program())
