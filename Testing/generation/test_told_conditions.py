"""What a user tells of the person: it reaches a model that knows it, and is refused by one that does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from Xray2MRILib import cli
from Xray2MRILib.errors import InputError
from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.generation.told_conditions import checked_told
from Xray2MRILib.model_store.assembly import build_components
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

NAMES, SIZES = ("p", "i", "sex", "bmi"), (5, 64, 2, 7)


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows sex and BMI, with guidance as if it had been trained."""
    torch.manual_seed(0)
    pipeline = Xray2MRIPipeline(**build_components("tiny", unet={"condition_names": NAMES, "condition_sizes": SIZES}))
    for weight in pipeline.unet.adaptive_weights:
        torch.nn.init.normal_(weight.output.weight, std=0.3)
    folder = tmp_path_factory.mktemp("models") / "knowing"
    pipeline.save_pretrained(folder, card={"preset": "tiny"})
    return folder


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (1, 256, 256)).astype(np.float32)


def volume(model: Path, crop: np.ndarray, **told: object) -> PseudoMRI:
    pipeline = Xray2MRIPipeline.from_pretrained(model, device="cpu")
    return pipeline(crop, 2, 2, told=told or None)


def test_what_is_told_changes_the_volume_and_nothing_told_is_nothing(knowing: Path, crop: np.ndarray) -> None:
    silent, woman, man = (volume(knowing, crop, **told) for told in ({}, {"sex": "woman"}, {"sex": "man"}))
    assert np.abs(woman.array - man.array).max() > 1e-3
    np.testing.assert_array_equal(silent.array, volume(knowing, crop, sex=None, bmi=None).array)
    assert "told" not in silent.provenance
    assert woman.provenance["told"] == {"sex": "woman"}
    both = volume(knowing, crop, sex="man", bmi=34.0)
    assert np.abs(both.array - man.array).max() > 1e-4
    assert json.loads(json.dumps(both.provenance["told"])) == {"sex": "man", "bmi": 34.0}


def test_more_slices_of_a_volume_are_told_the_same(knowing: Path, crop: np.ndarray) -> None:
    pipeline = Xray2MRIPipeline.from_pretrained(knowing, device="cpu")
    told = {"sex": "man", "bmi": 34.0}
    coarse = pipeline(crop, 2, 2, told=told)
    finer = pipeline.densify(coarse, 3, radiograph=crop)
    assert finer.provenance["told"] == told
    np.testing.assert_allclose(finer.array, pipeline(crop, 3, 2, told=told).array, atol=1e-5)


def test_a_model_refuses_what_it_was_not_trained_with(knowing: Path, tiny_model: Path, crop: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"The model knowing was not trained with the age\.") as caught:
        volume(knowing, crop, age=61)
    assert caught.value.hint == "It takes the sex, the body mass index."
    assert caught.value.field == "age"
    with pytest.raises(InputError, match="was not trained with the sex"):
        volume(tiny_model, crop, sex="man")
    with pytest.raises(InputError, match="no condition named 'weight'"):
        volume(knowing, crop, weight=80)
    with pytest.raises(InputError, match="sex cannot be"):
        volume(knowing, crop, sex="both")


def test_a_great_age_is_recorded_as_90() -> None:
    """Single people of a cohort could be known by it."""
    from types import SimpleNamespace

    model = SimpleNamespace(condition_names=("p", "i", "age"), model_name="old")
    assert checked_told({"age": 97, "sex": None}, model) == {"age": 90.0}
    assert checked_told({"age": 61}, model) == {"age": 61.0}


def test_the_command_tells_and_refuses(
    knowing: Path, tiny_model: Path, knee_radiograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", str(knee_radiograph), "--slices", "2", "--steps", "1", "--sex", "man", "--bmi", "33"]
    assert cli.main([*words, "-o", str(tmp_path / "k.nrrd"), "--model", str(knowing)]) == 0
    record = json.loads((tmp_path / "k.json").read_text(encoding="utf-8"))
    assert record["told"] == {"sex": "man", "bmi": 33.0}
    capsys.readouterr()
    assert cli.main([*words, "-o", str(tmp_path / "n.nrrd"), "--model", str(tiny_model)]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert "was not trained with the sex" in said or "was not trained with the body mass index" in said
    assert not (tmp_path / "n.nrrd").exists()
    assert cli.main([*words[:6], "--age", "12", "-o", str(tmp_path / "n.nrrd")]) == 2
    assert "age cannot be 12" in capsys.readouterr().err


def test_a_request_to_the_worker_carries_it() -> None:
    from Xray2MRILib.worker.protocol import REQUESTS, fault

    message = {
        "type": "generate",
        "job": "1",
        "radiograph": "x",
        "output": "y.nrrd",
        "age": 61,
        "sex": "woman",
        "bmi": 30,
    }
    assert fault(message, REQUESTS) is None
    assert GenerationSettings.from_message(message).told() == {"age": 61, "sex": "woman", "bmi": 30}
    assert GenerationSettings.from_message({**message, "age": None, "sex": None, "bmi": None}).told() == {}
    with pytest.raises(InputError, match="sex cannot be other"):
        GenerationSettings.from_message({**message, "sex": "other"})
