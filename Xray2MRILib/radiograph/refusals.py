"""The sentences by which every file reader refuses, and the limits of size that they share."""

from __future__ import annotations

from ..errors import InputError

SMALLEST_EDGE = 32
LARGEST_EDGE = 12_000
MOST_PIXELS = 100_000_000


def unreadable(name: str, fault: str, hint: str = "", code: str = "unreadable-radiograph") -> InputError:
    """The error for a file that cannot be used: ``fault`` continues the sentence "The radiograph NAME ..."."""
    printable = "".join(sign if sign.isprintable() else "?" for sign in name)
    return InputError(f"The radiograph {printable} {fault}.", code=code, hint=hint)


def damaged(name: str, format_name: str) -> InputError:
    """The error for a file that stops or goes wrong while it is decoded."""
    return unreadable(
        name, f"is damaged or incomplete ({format_name})", "Copy or export it again.", "damaged-radiograph"
    )


def lacking(name: str, keyword: str) -> InputError:
    """The error for a DICOM file without an attribute that its picture cannot be read without."""
    hint = "Export it again with complete image attributes, or as PNG or TIFF."
    return unreadable(name, f"lacks the DICOM attribute {keyword}", hint, "missing-attribute")


def check_size(rows: int, columns: int, name: str) -> None:
    """Refuse radiographs that are too small to show a knee or too large to be one; to be asked before decoding."""
    if min(rows, columns) < SMALLEST_EDGE:
        raise unreadable(
            name,
            f"has only {columns} x {rows} pixels",
            f"Export it at full size, with at least {SMALLEST_EDGE} pixels along each edge.",
            "radiograph-too-small",
        )
    if max(rows, columns) > LARGEST_EDGE or rows * columns > MOST_PIXELS:
        raise unreadable(
            name,
            f"has {columns} x {rows} pixels, too many for a radiograph",
            f"Scale it down to at most {LARGEST_EDGE} pixels along each edge.",
            "radiograph-too-large",
        )
