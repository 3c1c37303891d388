"""Real MRML and the real worker, see stand_ins/mrml_fixtures.py."""

import pytest
from mrml_fixtures import *  # noqa: F403

QUICK = {"slices": 5, "steps": 2, "device": "cpu", "seed": 3}


@pytest.fixture(scope="module")
def finished(warm, knee_radiograph):
    """One run, with everything that was heard of it."""
    radiograph = warm.application.loadVolume(str(knee_radiograph), "Film")
    warm.application.scene.GetSubjectHierarchyNode().CreateItem(
        warm.application.scene.GetSubjectHierarchyNode().GetSceneItemID(), radiograph
    )
    heard = {"slices": [], "progress": [], "done": [], "saved": []}

    def on_slice(report):
        heard["slices"].append(report["file_index"])
        heard["saved"].append(warm.currentRun.volumeNode.GetSaveWithScene())

    run = warm.generate(
        radiograph, QUICK, onSlice=on_slice, onProgress=heard["progress"].append, onDone=heard["done"].append
    )
    assert run.state in ("waiting", "running")
    assert warm.isBusy
    run.wait(300)
    return run, heard
