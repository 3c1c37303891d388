"""Keep decoders written in C from printing to stderr, where users expect one sentence of ours."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_decoding() -> Iterator[None]:
    """Send what libtiff, libpng and MetaIO print about damaged files to nowhere.

    They write to file descriptor 2 themselves. The descriptor belongs to the process, so other threads are silenced as
    well for the few milliseconds of a decode. Without such a descriptor (a windowed program) nothing happens.
    """
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, ValueError):
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
