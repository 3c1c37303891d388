"""Provenance of a volume: a plain dictionary for the file header and the JSON side-car.

It must show a reader that the volume is synthetic, and make the volume reproducible, without identifying the patient.
"""

from __future__ import annotations

import datetime
import json
import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

SCHEMA = "xray2mri-provenance"
SCHEMA_VERSION = 1
_LIBRARIES = ("torch", "diffusers", "numpy", "SimpleITK")
# longest list in the file header; longer ones (a histogram, the list of depths) are in the side-car only
_LONGEST_LIST = 16
# keys that could identify a person, place or file: a key that contains one of the words, or equals one of the keys
_IDENTIFYING_WORDS = frozenset(
    "path filename folder directory patient accession institution physician operator study series uid birth address "
    "hostname".split()
)
_IDENTIFYING_KEYS = frozenset(("file", "file_name", "host", "user", "comment", "comments", "description"))
_LOOKS_LIKE_PATH = re.compile(r"^(/|~|[A-Za-z]:[\\/]|\\\\|file:)")


def notice() -> str:
    """The sentence that every product carries."""
    return "Synthetic image computed from one radiograph: a plausible guess for research use, not for diagnosis."


def library_versions() -> dict[str, str | None]:
    """Versions of Python, this package and the libraries that affect the result; None if not installed."""
    from .. import __version__

    versions: dict[str, str | None] = {"python": platform.python_version(), "xray2mri": __version__}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def creation_time() -> str:
    """The current time in UTC, e.g. "2026-01-31T12:00:00Z"."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_provenance(
    *,
    model: Mapping[str, Any],
    sampling: Mapping[str, Any],
    radiograph: Mapping[str, Any],
    koa: Mapping[str, Any],
    plausibility: Mapping[str, Any] | None = None,
    identifiers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The provenance of one volume.

    Parameters
    ----------
    model
        ``name``, ``version``, ``weights_sha256`` (one text, or one per network) and the other entries of the model
        card. Of a path as name only the last component is kept.
    sampling
        ``seed`` (or ``seeds``), ``steps``, ``sampler``, ``num_slices``, ``guidance_scale``, ``guidance_share``,
        ``noise``, ``noise_scale``, ``renewed_noise``.
    radiograph
        Record of the preparation: ``box`` in radiograph pixels and its source, ``side`` and ``side_source``, and the
        normalisation.
    koa
        ``values`` (five probabilities) and ``source``: classifier, reader, given or uniform.
    plausibility
        ``plausible``, ``score``, ``reasons``; None when it was not checked.
    identifiers
        Entries that identify the patient, e.g. the name of the radiograph. They stay in memory and are only written to
        a file with ``keep_identifiers=True``.
    """
    named = dict(model)
    if _is_path(named.get("name")):
        named["name"] = re.split(r"[\\/]", named["name"].rstrip("\\/"))[-1]
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "notice": notice(),
        "created_utc": creation_time(),
        "model": named,
        "sampling": dict(sampling),
        "radiograph": dict(radiograph),
        "koa": dict(koa),
        "plausibility": None if plausibility is None else dict(plausibility),
        "libraries": library_versions(),
    }
    if identifiers:
        record["identifiers"] = dict(identifiers)
    return record


def plain(value: Any) -> Any:
    """The value as plain JSON types: numpy numbers and arrays become Python ones, NaN and infinities None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Sequence) or isinstance(value, (set, frozenset)):
        return [plain(item) for item in value]
    return str(value)


def remove_identifiers(record: Mapping[str, Any]) -> dict[str, Any]:
    """A plain copy without the section ``identifiers``, without keys that name a person, place or file, without paths.

    This is a second safeguard; the program's records should not contain such entries in the first place.
    """
    kept = {key: value for key, value in record.items() if key != "identifiers"}
    return _scrub(plain(kept))


def _scrub(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _scrub(item) for key, item in value.items() if not _is_identifying_key(key) and not _is_path(item)}
    if isinstance(value, list):
        return [_scrub(item) for item in value if not _is_path(item)]
    return value


def _is_identifying_key(key: str) -> bool:
    """True for e.g. PatientName, patient_id, StudyInstanceUID, source_path, file_name."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", key)]
    return "_".join(words) in _IDENTIFYING_KEYS or not _IDENTIFYING_WORDS.isdisjoint(words)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and _LOOKS_LIKE_PATH.match(value) is not None


def header_fields(record: Mapping[str, Any]) -> dict[str, str]:
    """The record as flat texts for a file header, e.g. ``Xray2MRI.sampling.seed`` -> ``0``.

    3D Slicer uses the same names as node attributes. Lists are JSON; long lists are only in the side-car.
    """
    fields: dict[str, str] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                add(f"{name}.{key}", item)
        elif isinstance(value, list):
            if len(value) <= _LONGEST_LIST:
                fields[name] = json.dumps(value)
        elif value is None:
            fields[name] = "unknown"
        elif isinstance(value, bool):
            fields[name] = "true" if value else "false"
        else:
            fields[name] = " ".join(str(value).split())[:1000]

    add("Xray2MRI", plain(record))
    return fields
