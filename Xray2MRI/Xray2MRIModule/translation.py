"""Slicer's translation for files that also run without Slicer, where sentences remain English.

Files that always need Slicer import ``slicer.i18n`` themselves.
"""

from __future__ import annotations

import sys


def _untranslated(text: str) -> str:
    return text


tr = _untranslated
if "slicer" in sys.modules:  # only in Slicer: the package of the same name takes a second to load
    try:
        # the very function, since it finds the file of the sentence by its caller
        import slicer.i18n

        tr = slicer.i18n.tr
    except ImportError:  # MRML without the application
        pass
