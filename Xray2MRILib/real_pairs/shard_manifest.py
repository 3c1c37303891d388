"""``manifest.json`` of a folder of real pairs: what the pairs are, for training and for the cards of models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from .. import __version__
from ..files.json_files import write_json
from ..volume.geometry import OAI_FIELD
from .cohort_settings import CohortSettings
from .pair_file import FORMAT_VERSION, KIND, read_pair_record

MANIFEST = "manifest.json"


def write_shard_manifest(folder: Path, part: str, settings: CohortSettings) -> dict[str, Any]:
    """Write the manifest of all pairs in a folder; hashes of files that did not change are taken over."""
    known = {entry["file"]: entry for entry in read_shard_manifest(folder).get("pairs", [])}
    entries, participants, grades = [], set(), dict.fromkeys(("0", "1", "2", "3", "4", "unknown"), 0)
    for path in sorted(folder.glob("knee-*.npz")):
        status = path.stat()
        entry = known.get(path.name)
        if entry is None or (entry["bytes"], entry["changed_ns"]) != (status.st_size, status.st_mtime_ns):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            entry = {"file": path.name, "bytes": status.st_size, "changed_ns": status.st_mtime_ns, "sha256": digest}
        entries.append(entry)
        record = read_pair_record(path)
        participants.add(record["participant"])
        grades["unknown" if record["kl_grade"] is None else str(record["kl_grade"])] += 1
    manifest = {
        "what": "Pairs of knee radiograph and MR scan of real people. Data of persons: keep them as the archive's "
        "terms of use ask.",
        "kind": KIND,
        "format": FORMAT_VERSION,
        "source": _source(settings.source, len(entries), len(participants)),
        "part": part,
        "frame": settings.frame,
        "first_slice": settings.first_slice,
        "geometry": {"volume": list(OAI_FIELD.shape), "pixel_mm": OAI_FIELD.pixel_mm},
        "kl_grades": grades,
        "participants": len(participants),
        "made_by": {"xray2mri": __version__},
        "count": len(entries),
        "pairs": entries,
    }
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_shard_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder; empty when there is none that can be read."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _source(name: str, pairs: int, participants: int) -> str:
    """The sentence that a model's card shows as its training data."""
    people = "1 person" if participants == 1 else f"{participants} people"
    knees = "1 pair" if pairs == 1 else f"{pairs} pairs"
    return f"{knees} of knee radiograph and MR scan of {people}" + (f" ({name})" if name else "")
