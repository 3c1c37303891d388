"""Tell a radiograph's file format from its first bytes, and name the foreign formats that people try."""

from __future__ import annotations

import gzip
import stat
import zlib
from pathlib import Path

from ..errors import InputError
from .refusals import damaged, unreadable

FORMATS = ("DICOM", "PNG", "JPEG", "TIFF", "WebP", "NRRD", "NIfTI", "MetaImage")
_ACCEPTED = "Give a DICOM, PNG, JPEG, TIFF, WebP, NRRD, NIfTI or MHA file."
_HEAD = 4096
_LOCKED_HINT = "Save a copy without a password."

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"NRRD", "NRRD"),
)
_FOREIGN = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or office document"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"SQLite format 3", "a database"),
    (b"{\\rtf", "a text document"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
# object identifier 1.2.840.113549.1.7: a cryptographic message, as encrypted DICOM files on media are
_CRYPTOGRAPHIC_MESSAGE = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"


def open_regular_file(path: Path) -> bytes:
    """The first bytes of a file. Raises InputError when it is missing, a folder, empty, or must not be read."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise unreadable(path.name or str(path), "is a folder", "Choose a file in it.")
        if not stat.S_ISREG(status.st_mode):
            raise unreadable(path.name, "is not a regular file", _ACCEPTED)
        if status.st_size == 0:
            raise unreadable(path.name, "is empty", "Copy or export it again.")
        with path.open("rb") as stream:
            return stream.read(_HEAD)
    except FileNotFoundError:
        raise unreadable(path.name, "does not exist", "Check its name and folder.") from None
    except PermissionError:
        raise unreadable(path.name, "cannot be read: permission denied", "Ask for permission to read it.") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        fault = getattr(error, "strerror", None) or "its name is not valid"
        raise unreadable(path.name, f"cannot be opened ({fault})", "Copy it to another place.") from None


def detect_format(path: Path) -> str:
    """One of FORMATS, from the content; the ending of the name does not matter.

    Raises InputError that names the fault for any other file.
    """
    head = open_regular_file(path)
    if head[128:132] == b"DICM":  # whatever the preamble holds: PS3.10 allows the head of another format there
        return "DICOM"
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if _is_dicom_without_preamble(head):
        return "DICOM"
    if _is_nifti(head) or (head.startswith(b"\x1f\x8b") and _is_nifti(_inflated(head))):
        return "NIfTI"
    if _is_meta_image(head):
        return "MetaImage"
    raise _refusal(path, head)


def _is_dicom_without_preamble(head: bytes) -> bool:
    # without preamble a file begins with an element of group 0002 or 0008 of modest length
    group, element, length = (int.from_bytes(head[i : i + n], "little") for i, n in ((0, 2), (2, 2), (4, 4)))
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return len(head) >= 132 and group in (2, 8) and element < 0x0100 and (explicit or 0 < length < 256)


def _is_nifti(head: bytes) -> bool:
    # the pair of header and image file (ni1) is left out: its pixels are elsewhere
    return head[344:348] == b"n+1\0" or head[4:12] == b"n+2\0\r\n\x1a\n"


def _is_meta_image(head: bytes) -> bool:
    first_lines = head[:512].split(b"\n")[:8]
    return any(line.split(b"=")[0].strip() in (b"ObjectType", b"NDims") for line in first_lines)


def _inflated(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 512)
    except zlib.error:
        return b""


def _refusal(path: Path, head: bytes) -> InputError:
    kind = next((kind for signature, kind in _FOREIGN if head.startswith(signature)), None) or _phone_format(head)
    if kind == "a gzip archive":
        try:
            with gzip.open(path) as stream:
                stream.read(1)
        except (OSError, EOFError, zlib.error):
            return damaged(path.name, "gzip")
    if head.startswith(b"PK\x03\x04") and len(head) > 6 and head[6] & 1:
        return unreadable(path.name, "is a password-protected zip archive", _LOCKED_HINT, "protected-radiograph")
    if head.startswith(b"%PDF") and _mentions(path, b"/Encrypt"):
        return unreadable(path.name, "is a password-protected PDF document", _LOCKED_HINT, "protected-radiograph")
    if head[:1] == b"\x30" and _CRYPTOGRAPHIC_MESSAGE in head[:64]:
        return unreadable(path.name, "is encrypted", _LOCKED_HINT, "protected-radiograph")
    if kind is None and head[344:348] == b"ni1\0":
        return unreadable(path.name, "stores its pixels in a second file", "Convert it to one .nii.gz file.")
    if kind is None:
        text = not any(byte < 9 for byte in head[:512])
        kind = "a text file" if text else "of an unknown type"
    return unreadable(path.name, f"is {kind}, not a radiograph", _ACCEPTED, "not-a-radiograph")


def _phone_format(head: bytes) -> str | None:
    """The pictures of phones that are stored as films are."""
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis"):
        return "a HEIC photograph"
    if brand in (b"avif", b"avis"):
        return "an AVIF image"
    return "a video" if brand else None


def _mentions(path: Path, word: bytes) -> bool:
    with path.open("rb") as stream:
        content = stream.read(4_000_000)
        stream.seek(max(0, path.stat().st_size - 65_536))
        return word in content or word in stream.read()
