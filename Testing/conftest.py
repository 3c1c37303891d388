"""What tests of several parts share: real radiographs and a model small enough for seconds."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# the networks of the tests are small: threads only get in each other's way, above all on a busy machine
os.environ.setdefault("OMP_NUM_THREADS", "1")
# a shell that runs the tests in the background has them ignore Ctrl-C, and so would the programs that they start
signal.signal(signal.SIGINT, signal.default_int_handler)
# a busy machine is no failure
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

RADIOGRAPHS = Path(__file__).parent / "localization" / "radiographs"


@pytest.fixture(scope="session")
def knee_radiograph() -> Path:
    """A real radiograph of one knee (CC BY 4.0, see Testing/localization)."""
    return RADIOGRAPHS / "0075.webp"


@pytest.fixture(scope="session")
def two_knee_radiograph() -> Path:
    """A real radiograph of both knees of a patient."""
    return RADIOGRAPHS / "0052.webp"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained model with a few ten thousand parameters, in the layout of the real ones."""
    import torch

    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.model_store.assembly import build_components

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    pipeline = Xray2MRIPipeline(**build_components("tiny"))
    pipeline.save_pretrained(folder, card={"preset": "tiny", "licence": "Apache-2.0"})
    return folder
