"""Slices of several radiographs in one batch are those of separate batches, up to rounding."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from tiny_pipeline import built

from Xray2MRILib.cohort.shared_batches import SharedBatches, shares
from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
from Xray2MRILib.diffusion.sampling_settings import SamplingSettings
from Xray2MRILib.generation.settings import GenerationSettings

SAMPLING = SamplingSettings(2, 3, noise="drifting", guidance_scale=2.0)


@pytest.fixture(scope="module")
def pipeline():
    return built().on_device("cpu")


def test_three_threads_share_a_batch(pipeline):
    crops = np.random.default_rng(0).uniform(-1, 1, (4, 1, 256, 256)).astype(np.float32)
    grades = [KoaProbabilities.reader(grade) for grade in (0, 2, 4, 1)]
    alone = [pipeline.volume(crop, 3, SAMPLING, koa=koa) for crop, koa in zip(crops, grades, strict=True)]
    shared = SharedBatches(pipeline, 3)
    found: dict[int, object] = {}

    def make(number: int) -> None:
        found[number] = shared.as_model().volume(crops[number], 3, SAMPLING, koa=grades[number])

    shared._turn.acquire()  # all come while another one computes
    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while len(shared._waiting) < 4:
        threading.Event().wait(0.05)
    shared._turn.release()
    for thread in threads:
        thread.join()
    assert sorted(shared.groups) == [1, 3], "three at a time, and the fourth by itself"
    for number, volume in enumerate(alone):
        np.testing.assert_allclose(found[number].array, volume.array, atol=2e-5)
        assert found[number].provenance["koa"] == volume.provenance["koa"]
    assert np.abs(alone[0].array - alone[1].array).max() > 1e-3, "the radiographs differ"


def test_a_fault_reaches_everybody_who_waits(pipeline):
    class Broken:
        def __getattr__(self, name):
            return getattr(pipeline, name)

        def fill(self, *arguments):
            raise RuntimeError("broken")

    crop = np.zeros((1, 256, 256), np.float32)
    with pytest.raises(RuntimeError, match="broken"):
        SharedBatches(Broken(), 3).as_model().volume(crop, 3, SAMPLING, koa=KoaProbabilities.uniform())


def test_it_pays_only_where_two_volumes_fit_into_a_batch(pipeline):
    assert shares(pipeline, GenerationSettings(slices=5))
    assert not shares(pipeline, GenerationSettings(slices=6))
    assert not shares(pipeline, GenerationSettings(slices=50))
    assert not shares(pipeline, GenerationSettings(slices=5, samples=2))
    assert not shares(object(), GenerationSettings(slices=5))
