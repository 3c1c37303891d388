"""Contents and origin of a folder of simulated pairs: ``manifest.json`` and the table ``knees.csv``.

Both are rewritten from the pair files at the beginning and at the end of a run; after a killed run they may lack its
last pairs. docs/simulated-pairs.md describes every entry.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import io
import json
import platform
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import InputError
from ...files.atomic_write import AtomicFiles
from ..mr import flash_mri
from ..radiograph import drr
from .pair_store import FORMAT_VERSION, pair_files, read_record

MANIFEST, TABLE = "manifest.json", "knees.csv"
_PACKAGES = ("numpy", "scipy", "torch", "SimpleITK", "pillow")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of ``folder``, None when there is none. Raises InputError when it is unreadable."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"The {MANIFEST} of {folder.name} is not readable.",
            code="bad-manifest",
            hint="Delete it; it is made again from the pairs, as long as the same seed and label maps are given.",
        )
    return found


def check_same_population(folder: Path, seed: int, label_maps: dict[str, str]) -> None:
    """Refuse to mix populations: InputError when the folder's pairs have another format, seed or label maps.

    ``label_maps`` is {name: hash}.
    """
    found = read_manifest(folder)
    if found is None:
        return
    wanted = {"format": FORMAT_VERSION, "seed": seed, "label_maps": label_maps}
    for name, value in wanted.items():
        if found.get(name) != value:
            raise InputError(
                f"The folder {folder.name} holds pairs of another {name.replace('_', ' ')}.",
                code="other-population",
                hint="Choose an empty folder, or give the options with which it was begun.",
            )


def write_manifest(folder: Path, seed: int, label_maps: dict[str, str]) -> dict[str, Any]:
    """Write manifest and table for all pairs that the folder holds; returns the manifest.

    Hashes of files that did not change since the last manifest (same size and time of change) are taken over.
    """
    known = {entry["file"]: entry for entry in (read_manifest(folder) or {}).get("pairs", [])}
    entries, rows = [], []
    for path in pair_files(folder):
        status = path.stat()
        entry = known.get(path.name)
        if entry is None or (entry["bytes"], entry["changed_ns"]) != (status.st_size, status.st_mtime_ns):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            entry = {"file": path.name, "bytes": status.st_size, "changed_ns": status.st_mtime_ns, "sha256": digest}
        entries.append(entry)
        record = read_record(path)
        truth = {f"true_joint_space_{side}_mm": width for side, width in record["joint_space_mm"].items()}
        drawn = {**record.get("person", {}), **record.get("template", {})}
        rows.append({"file": path.name, **_flat(record["parameters"]), **drawn, **truth})
    manifest = {
        "what": "Simulated pairs of knee radiograph and MR volume. Synthetic, not for diagnosis.",
        "format": FORMAT_VERSION,
        "seed": seed,
        "label_maps": label_maps,
        "geometry": {
            "volume": [flash_mri.SLICES, flash_mri.SIZE, flash_mri.SIZE],
            "pixel_mm": flash_mri.PIXEL_MM,
            "pitch_mm": flash_mri.PITCH_MM,
            "joint_row": flash_mri.JOINT_ROW,
            "film": [drr.RADIOGRAPH_PIXELS, drr.RADIOGRAPH_PIXELS],
            "film_mm": drr.RADIOGRAPH_MM,
        },
        "made_by": {
            "xray2mri": __version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "count": len(entries),
        "pairs": entries,
    }
    with AtomicFiles() as files:
        files.stage(folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        files.stage(folder / TABLE).write_text(_table(rows), encoding="utf-8")
    return manifest


def damaged_pairs(folder: Path) -> list[str]:
    """Names of files that the manifest lists and that are missing or have other content."""
    found = read_manifest(folder) or {"pairs": []}
    return [
        entry["file"]
        for entry in found["pairs"]
        if not (folder / entry["file"]).is_file()
        or hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() != entry["sha256"]
    ]


def _flat(parameters: dict[str, Any]) -> dict[str, Any]:
    """Nested parameters as columns: lists get ``_0``, ``_1``, ..., objects the names of their entries."""
    flat: dict[str, Any] = {}
    for name, value in parameters.items():
        if isinstance(value, list):
            flat |= {f"{name}_{k}": v for k, v in enumerate(value)}
        elif isinstance(value, dict):
            flat |= {f"{name}_{k}": v for k, v in value.items()}
        else:
            flat[name] = value
    return flat


def _table(rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _version(package: str) -> str | None:
    """Version of an installed package; None for SimpleITK where templates were brought along instead of label maps."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
