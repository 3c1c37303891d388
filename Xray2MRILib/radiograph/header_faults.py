"""What in the header of a NRRD, MetaImage or NIfTI file the decoder does not know, in words: not all it refuses is
damaged."""

from __future__ import annotations

import struct
from pathlib import Path

from ..errors import InputError
from .nifti_header import read_nifti_header
from .refusals import damaged, unreadable

LARGEST_SHEAR = 1.0  # degrees
_FRAME_HINT = "Resample it to perpendicular axes, or save it as PNG or TIFF."
_HINT = "Save it as PNG or TIFF, or uncompressed."
_NRRD_ENCODINGS = ("raw", "gzip", "gz", "hex", "ascii", "text", "txt")
_NIFTI_TYPES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 2304)


def header_fault(path: Path, format_name: str, name: str) -> InputError:
    """The error for a file that the decoder refused: the field that it does not know, or damage."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    fault = {"NRRD": _nrrd_fault, "MetaImage": _meta_image_fault}.get(format_name, lambda head: None)(head)
    if fault is not None:
        return unreadable(name, fault, _HINT, "no-decoder")
    return _nifti_fault(path, name) if format_name == "NIfTI" else damaged(name, format_name)


def sheared(angle: float, name: str, where: str = "") -> InputError:
    """The error for axes that meet at another angle than 90 degrees."""
    fault = f"lies in a sheared frame{where}: two of its axes meet at {angle:.0f} degrees"
    return unreadable(name, fault, _FRAME_HINT, "bad-frame")


def _nrrd_fault(head: bytes) -> str | None:
    lines = head.split(b"\n\n")[0].decode("ascii", "replace").lower().splitlines()
    fields = {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    if fields.get("encoding", "raw") not in _NRRD_ENCODINGS:
        return f"has the NRRD encoding {_short(fields['encoding'])}, which nothing here decodes"
    if fields.get("type") == "block":
        return "has the NRRD type block, which is no number"
    one_byte = fields.get("type", "").replace("unsigned ", "u").removesuffix("_t") in ("uchar", "char", "int8", "uint8")
    if "endian" not in fields and "type" in fields and not one_byte:
        return "lacks the NRRD field endian, which tells the order of bytes"
    return None


def _meta_image_fault(head: bytes) -> str | None:
    lines = head.decode("ascii", "replace").splitlines()
    fields = {name.strip(): value.strip() for name, equals, value in (line.partition("=") for line in lines) if equals}
    if fields.get("BinaryData", "True").lower() == "false":
        return "holds its pixels as text (BinaryData = False)"
    return None


def _nifti_fault(path: Path, name: str) -> InputError:
    try:
        header = read_nifti_header(path)
    except (ValueError, struct.error):
        return damaged(name, "NIfTI")
    if header.datatype not in _NIFTI_TYPES:
        fault = f"has the NIfTI datatype {header.datatype}, which nothing here decodes"
        return unreadable(name, fault, "Save it with 16 or 32 bits, or as PNG or TIFF.", "no-decoder")
    if not header.sform or header.qform:
        return damaged(name, "NIfTI")
    angle = header.angle()
    if angle is None:
        fault = "has an orientation (sform) whose axes have no length"
        return unreadable(name, fault, _FRAME_HINT, "bad-frame")
    return sheared(angle, name, " (sform)") if abs(angle - 90) > LARGEST_SHEAR else damaged(name, "NIfTI")


def _short(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:20])
