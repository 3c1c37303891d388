"""The pipeline of the tiny preset with awakened conditions, a crop of noise, and model folders of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from Xray2MRILib.conditions.koa_probabilities import KoaProbabilities
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
from Xray2MRILib.model_store.assembly import build_components

FAST = {"num_slices": 5, "num_inference_steps": 2, "koa": KoaProbabilities.reader(2)}
NETWORKS = ("autoencoder", "unet", "radiograph_encoder")


@dataclass
class Prepared:
    """What preparation.joint_crop hands over, with a picture of noise."""

    image: np.ndarray
    mirrored: bool = False
    record: dict = field(default_factory=dict)


def built(**changes) -> Xray2MRIPipeline:
    torch.manual_seed(0)
    parts = build_components("tiny", **changes)
    with torch.no_grad():
        for name, parameter in parts["unet"].named_parameters():
            if name.startswith(("depth_embedding.heads", "adaptive_weights")) and not parameter.any():
                parameter.normal_(std=0.3)
    return Xray2MRIPipeline(**parts)


@pytest.fixture(scope="module")
def pipeline() -> Xray2MRIPipeline:
    return built().on_device("cpu")


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (1, 256, 256)).astype(np.float32)


@pytest.fixture(scope="module")
def reference(pipeline, picture):
    return pipeline(picture, **FAST)


@pytest.fixture(scope="module")
def saved(pipeline, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    pipeline.save_pretrained(folder, card={"preset": "tiny", "trained_on": "nothing"})
    return folder


@pytest.fixture
def copied(saved, tmp_path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "copy"))
