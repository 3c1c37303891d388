"""What a running generation does in the scene: slices come in, the volume becomes complete, or everything goes away."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ..application import Application
from ..scene import density_sequence, subject_folder
from ..scene.provenance_attributes import PREFIX, is_intact, set_record
from ..scene.volume_nodes import (
    create_streaming_volume,
    insert_slice,
    load_volume,
    read_into,
    remove,
    slices_inserted,
)
from ..views.uncertainty_overlay import load_deviation
from .run import Run

RADIOGRAPH_ROLE = f"{PREFIX}.radiograph"
Steps = Generator[None, None, bool]


def take_slice(application: Application, run: Run, report: dict[str, Any]) -> bool:
    """Put a slice into the run's volume, which appears with the first one.

    Returns False when the user deleted the volume. Raises OSError and ValueError for a broken slice file.
    """
    volume = run.volumeNode
    if volume is None:
        if run.inserted:
            return False
        volume = _begin(application, run, report["grid"])
    insert_slice(volume, report)
    run.inserted += 1
    Path(report["file"]).unlink(missing_ok=True)
    return True


def _begin(application: Application, run: Run, grid: dict[str, Any]) -> Any:
    scene, radiograph = application.scene, run.radiographNode
    volume = create_streaming_volume(scene, run.name, grid)
    run.remember("volume", volume)
    if radiograph is not None:
        volume.SetNodeReferenceID(RADIOGRAPH_ROLE, radiograph.GetID())
    run.folderItem = subject_folder.create_run_folder(scene, volume.GetName(), radiograph)
    subject_folder.put(scene, run.folderItem, volume)
    return volume


def finish(application: Application, run: Run) -> Steps:
    """Make the volume of a finished job complete, step by step: file, provenance, deviation, sequence, folder.

    The last step gives False when the user deleted the volume meanwhile. Raises OSError and ValueError when the files
    cannot be read.
    """
    scene, result, volume = application.scene, run.result, run.volumeNode
    if volume is None and run.inserted:
        return False
    record = json.loads(Path(result["provenance"]).read_text(encoding="utf-8"))
    if volume is None:  # no slice was reported, e.g. for the mean of several samples
        about = record["volume"]
        grid = {name: about[name] for name in ("size", "spacing_mm", "direction_lps", "origin_lps_mm")}
        volume = _begin(application, run, {**grid, **{n: about[n] for n in ("intensity_slope", "intensity_intercept")}})
    yield
    if run.volumeNode is None:
        return False
    # reading a large file takes several times as long as looking whether its slices are all here
    if not is_intact(volume, record):
        read_into(volume, result["volume"])
    yield
    if run.volumeNode is None:
        return False
    set_record(volume, record)
    volume.SetSaveWithScene(True)
    slices_inserted(volume)
    yield
    if run.volumeNode is None:
        return False
    if result.get("deviation"):
        deviation = load_deviation(scene, result["deviation"], volume)
        run.remember("deviation", deviation)
        subject_folder.put(scene, run.folderItem, deviation)
        yield
        if run.volumeNode is None:
            return False
    browser = density_sequence.begin(scene, volume)
    run.remember("browser", browser)
    subject_folder.put(scene, run.folderItem, density_sequence.sequence_of(volume), browser)
    return True


def take_density(application: Application, run: Run) -> Steps:
    """Add a finished density to its volume, then show it. The last step gives False when the volume is gone."""
    scene, volume = application.scene, run.volumeNode
    if volume is None:
        return False
    record = json.loads(Path(run.result["provenance"]).read_text(encoding="utf-8"))
    other = load_volume(scene, run.result["volume"], "Xray2MRI density")
    try:
        for name in ("synthetic", "content"):
            other.SetAttribute(f"{PREFIX}.{name}", volume.GetAttribute(f"{PREFIX}.{name}"))
        set_record(other, record)
        yield
        if run.volumeNode is None:
            return False
        if density_sequence.browser_of(volume) is None:
            density_sequence.begin(scene, volume)
        density_sequence.add(volume, other)
    finally:
        remove(scene, other)
    yield
    if run.volumeNode is None:
        return False
    return density_sequence.select(volume, run.result["slices"], application.moduleLogic("Sequences"))


def take_back(application: Application, run: Run) -> None:
    """Remove everything that an unfinished generation put into the scene."""
    scene = application.scene
    for role in ("browser", "deviation", "volume"):
        node = run.node(role)
        if node is None:
            continue
        if role == "browser":
            sequence = node.GetMasterSequenceNode()
            subject_folder.remove_node(scene, node)
            subject_folder.remove_node(scene, sequence)
        else:
            remove(scene, node)
    subject_folder.remove_run_folder(scene, run.folderItem)
    run.nodeIds.pop("volume", None)
    run.folderItem = None
