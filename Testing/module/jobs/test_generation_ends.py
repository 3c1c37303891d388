"""How a generation ends early: cancelled, its volume deleted, its worker killed, its scene or the module closed."""

from __future__ import annotations

import os
import sys
import time

import pytest
from scene_content import nodes_and_items
from Xray2MRIModule.failure import JobFailed
from Xray2MRIModule.scene import density_sequence
from Xray2MRIModule.worker.process_runner import kill_process

QUICK = {"slices": 5, "steps": 2, "device": "cpu", "seed": 3}
ENDLESS = {"slices": 500, "steps": 8, "device": "cpu"}


def test_a_cancelled_run_leaves_nothing(warm, finished, until):
    run, _ = finished
    scene = warm.application.scene
    before = nodes_and_items(scene)
    failures = []
    doomed = warm.generate(run.radiographNode, ENDLESS, onError=failures.append)
    until(warm, lambda: doomed.volumeNode is not None)
    assert nodes_and_items(scene) != before
    warm.cancel()
    until(warm, lambda: doomed.isOver, 20)
    assert (doomed.state, failures[0].code) == ("cancelled", "cancelled")
    assert nodes_and_items(scene) == before
    assert not doomed.folder.exists()
    with pytest.raises(JobFailed):
        doomed.wait()


def test_a_volume_deleted_in_mid_run_ends_the_run(warm, finished, until):
    run, _ = finished
    scene = warm.application.scene
    before = nodes_and_items(scene)
    doomed = warm.generate(run.radiographNode, ENDLESS)
    until(warm, lambda: doomed.volumeNode is not None)
    scene.RemoveNode(doomed.volumeNode)
    # at once, not with the next slice; a busy machine takes its time to end the worker
    until(warm, lambda: doomed.request.cancelled_at is not None, 2)
    until(warm, lambda: doomed.isOver, 60)
    assert doomed.state == "cancelled"
    assert {name for name in nodes_and_items(scene) - before if "Display" not in name} == set()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_worker_costs_one_run(warm, finished, until):
    run, _ = finished
    before = nodes_and_items(warm.application.scene)
    failures = []
    doomed = warm.generate(run.radiographNode, ENDLESS, onError=failures.append)
    until(warm, lambda: doomed.volumeNode is not None)
    kill_process(warm.jobs.workerPid)
    until(warm, lambda: doomed.isOver, 60)
    assert failures[0].code == "worker-died"
    assert not warm.isBusy
    assert nodes_and_items(warm.application.scene) == before
    warm.generate(run.radiographNode, {**QUICK, "slices": 3}).wait(300)
    # the memory of the dead worker is lost, its files are not
    warm.densify(run.volumeNode, 3).wait(300)
    assert warm.volumes.density(run.volumeNode) == 3


def test_the_scene_closes_in_mid_run(warm, finished, until):
    """The last test of this file: its scene is gone afterwards."""
    run, _ = finished
    doomed = warm.generate(run.radiographNode, ENDLESS)
    until(warm, lambda: doomed.volumeNode is not None)
    scene = warm.application.scene
    scene.Clear(0)
    assert doomed.volumeNode is None
    until(warm, lambda: doomed.isOver, 20)
    assert doomed.state == "cancelled"
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert scene.GetNumberOfNodesByClass("vtkMRMLSequenceBrowserNode") == 0
    assert warm.runs == []
    assert density_sequence.densities(None) == []


def test_closing_leaves_no_process_and_no_file(logic, radiograph, until):
    doomed = logic.generate(radiograph, ENDLESS)
    until(logic, lambda: doomed.progress is not None)
    pid, folder = logic.jobs.workerPid, doomed.folder.parent
    logic.close()
    logic.close()
    assert doomed.isOver
    assert not folder.exists()
    limit = time.monotonic() + 5
    while time.monotonic() < limit:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail("the worker is still there")
