"""The nodes of a generation: slices arrive, the volume becomes complete, or everything is removed."""

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
    notify_voxels_changed,
    read_into,
    remove,
    settle_window,
)
from ..views.uncertainty_overlay import load_deviation
from .job import Job

RADIOGRAPH_ROLE = f"{PREFIX}.radiograph"
Steps = Generator[None, None, bool]


def take_slice(application: Application, job: Job, report: dict[str, Any]) -> bool:
    """Put a slice into the job's volume, which appears with the first one.

    Returns False if the user deleted the volume. Raises OSError and ValueError for a broken slice file.
    """
    volume = job.volumeNode
    if volume is None:
        if job.slicesReceived:
            return False
        volume = _begin(application, job, report["grid"])
    insert_slice(volume, report)
    job.slicesReceived += 1
    Path(report["file"]).unlink(missing_ok=True)
    return True


def _begin(application: Application, job: Job, grid: dict[str, Any]) -> Any:
    scene, radiograph = application.scene, job.radiographNode
    volume = create_streaming_volume(scene, job.name, grid)
    job.remember("volume", volume)
    if radiograph is not None:
        volume.SetNodeReferenceID(RADIOGRAPH_ROLE, radiograph.GetID())
    job.folderItem = subject_folder.create_run_folder(scene, volume.GetName(), radiograph, job.groupItem)
    subject_folder.put(scene, job.folderItem, volume)
    return volume


def finish(application: Application, job: Job) -> Steps:
    """Complete the volume of a finished job in steps: file, provenance, deviation, sequence, folder.

    The last step gives False if the user deleted the volume meanwhile. Raises OSError and ValueError when the files
    cannot be read.
    """
    scene, result, volume = application.scene, job.result, job.volumeNode
    if volume is None and job.slicesReceived:
        return False
    record = json.loads(Path(result["provenance"]).read_text(encoding="utf-8"))
    if volume is None:  # no slice was reported, e.g. for the mean of several samples
        about = record["volume"]
        grid = {name: about[name] for name in ("size", "spacing_mm", "direction_lps", "origin_lps_mm")}
        volume = _begin(application, job, {**grid, **{n: about[n] for n in ("intensity_slope", "intensity_intercept")}})
    yield
    if job.volumeNode is None:
        return False
    # reading a large file takes several times as long as checking that all its slices are here
    if not is_intact(volume, record):
        read_into(volume, result["volume"])
    yield
    if job.volumeNode is None:
        return False
    set_record(volume, record)
    settle_window(volume)
    volume.SetSaveWithScene(True)
    notify_voxels_changed(volume)
    yield
    if job.volumeNode is None:
        return False
    if result.get("deviation"):
        deviation = load_deviation(scene, result["deviation"], volume)
        job.remember("deviation", deviation)
        subject_folder.put(scene, job.folderItem, deviation)
        yield
        if job.volumeNode is None:
            return False
    browser = density_sequence.begin(scene, volume)
    job.remember("browser", browser)
    subject_folder.put(scene, job.folderItem, density_sequence.sequence_of(volume), browser)
    return True


def take_density(application: Application, job: Job) -> Steps:
    """Add a finished density to its volume, then show it. The last step gives False if the volume was deleted."""
    scene, volume = application.scene, job.volumeNode
    if volume is None:
        return False
    record = json.loads(Path(job.result["provenance"]).read_text(encoding="utf-8"))
    other = load_volume(scene, job.result["volume"], "Xray2MRI density")
    try:
        for name in ("synthetic", "content"):
            other.SetAttribute(f"{PREFIX}.{name}", volume.GetAttribute(f"{PREFIX}.{name}"))
        set_record(other, record)
        yield
        if job.volumeNode is None:
            return False
        if density_sequence.browser_of(volume) is None:
            density_sequence.begin(scene, volume)
        density_sequence.add(volume, other)
    finally:
        remove(scene, other)
    yield
    if job.volumeNode is None:
        return False
    return density_sequence.select(volume, job.result["slices"], application.moduleLogic("Sequences"))


def take_back(application: Application, job: Job) -> None:
    """Remove everything that an unfinished generation put into the scene."""
    scene = application.scene
    for role in ("browser", "deviation", "volume"):
        node = job.node(role)
        if node is None:
            continue
        if role == "browser":
            sequence = node.GetMasterSequenceNode()
            subject_folder.remove_node(scene, node)
            subject_folder.remove_node(scene, sequence)
        else:
            remove(scene, node)
    subject_folder.remove_run_folder(scene, job.folderItem)
    job.nodeIds.pop("volume", None)
    job.folderItem = None
