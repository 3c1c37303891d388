"""Two methods make a model: a stand-in without any network gets volumes, denser ones, and their records."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
from Xray2MRILib.diffusion.sampling_settings import SamplingSettings
from Xray2MRILib.errors import InputError
from Xray2MRILib.generation.cae_pipeline import CaePipeline
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
from Xray2MRILib.generation.volume_sampling import NO_GRADES_NOTE, sample_volume

SAMPLING = SamplingSettings(num_inference_steps=3, seed=5)


class Painter:
    """Paints slice k of S in the grey k / (S - 1), and keeps what it was asked for."""

    model_name, model_card, weights_sha256, uses_grades = "painter", {"licence": "none"}, {"none": "0"}, False
    model_notes = ("drawn by hand",)
    precision = "fp32"
    precision_notes = ()
    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self) -> None:
        self.asked: list[tuple[list[int], SamplingSettings]] = []

    def encode(self, crop: torch.Tensor, koa: KoaProbabilities, told: Any = None) -> Any:
        return crop, koa

    def fill(
        self, slices, indices, conditions, sampling, progress, *, batch_size=None, should_cancel=None
    ) -> list[str]:
        self.asked.append((list(indices), sampling))
        for index in indices:
            slices[index] = index / (len(slices) - 1)
            progress.slice(index, slices[index])
        return ["painted"]


@pytest.fixture
def picture() -> np.ndarray:
    return np.zeros((1, 256, 256), np.float32)


def test_the_volume_says_which_model_made_it_and_how(picture):
    painter = Painter()
    volume = sample_volume(painter, picture, 5, SAMPLING)
    assert volume.depth_slices()[:, 0, 0] == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert painter.asked == [([0, 1, 2, 3, 4], SAMPLING.for_model())]
    record = volume.provenance
    assert record["model"] == {"licence": "none", "name": "painter", "weights_sha256": {"none": "0"}}
    assert (record["sampling"]["steps"], record["sampling"]["seed"], record["sampling"]["num_slices"]) == (3, 5, 5)
    assert record["koa"]["source"] == "uniform"
    assert record["run"]["notes"] == ["drawn by hand", NO_GRADES_NOTE, "painted"]


def test_a_denser_volume_asks_for_the_missing_depths_alone(picture):
    painter = Painter()
    coarse = sample_volume(painter, picture, 5, SAMPLING)
    events: list[dict[str, Any]] = []
    dense = sample_volume(painter, picture, 9, known=coarse, callback=events.append)
    assert painter.asked[-1] == ([1, 3, 5, 7], SAMPLING.for_model())  # with the sampling of the coarse volume
    assert dense.depth_slices()[:, 0, 0] == pytest.approx(np.linspace(0, 1, 9))
    assert dense.provenance["run"]["slices_taken_over"] == 5
    assert dense.provenance["koa"] == coarse.provenance["koa"]
    assert sorted(event["depth_index"] for event in events if event["stage"] == "slice") == list(range(9))
    with pytest.raises(InputError, match="another radiograph"):
        sample_volume(painter, picture + 0.5, 9, known=coarse)


def test_no_model_inherits_from_the_other():
    assert not issubclass(CaePipeline, Xray2MRIPipeline)
    assert not issubclass(Xray2MRIPipeline, CaePipeline)
