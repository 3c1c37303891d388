"""The grade classifier: its symmetry, its shipped weights, what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from Xray2MRILib.conditions.koa_classifier import KneeGradeNetwork, classify_koa, load_classifier
from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.localization.knee_box import KneeBox
from Xray2MRILib.preparation.joint_crop import normalise_crop
from Xray2MRILib.training.data.box_annotations import read_grey
from Xray2MRILib.training.data.graded_radiographs import box_crop

SHIPPED = resource_path("models/koa_classifier")


RADIOGRAPHS = Path(__file__).parents[1] / "localization" / "radiographs"
BOXES = json.loads((RADIOGRAPHS.parent / "knee_boxes.json").read_text(encoding="utf-8"))["films"]


def _prepared(name: str) -> np.ndarray:
    box = next(radiograph["knees"][0]["box"] for radiograph in BOXES if radiograph["file"] == name)
    return normalise_crop(box_crop(read_grey(RADIOGRAPHS / name).astype(np.float32), KneeBox(*box, 1.0)))[None]


@pytest.fixture(scope="module")
def knee(knee_radiograph: Path) -> np.ndarray:
    return _prepared(knee_radiograph.name)


def test_shared_branch_treats_lateral_and_medial_alike() -> None:
    """Without the stage over the whole joint, a crop and its mirror image get the same logits (7.2)."""
    torch.manual_seed(0)
    network = KneeGradeNetwork(64, 32, (8, 8, 8, 8, 8), (1, 1, 1, 1)).eval()
    with torch.no_grad():
        network.grades.weight[:, 24:] = 0
        images = torch.rand(3, 1, 64, 64) * 2 - 1
        assert torch.allclose(network(images), network(images.flip(-1)), atol=1e-6)
        network.grades.weight[:, 24:] = 1
        assert not torch.allclose(network(images), network(images.flip(-1)), atol=1e-4)


def test_shipped_network_is_small_and_documented() -> None:
    network, temperature = load_classifier()
    assert sum(parameter.numel() for parameter in network.parameters()) < 1.6e6
    assert (SHIPPED / "diffusion_pytorch_model.safetensors").stat().st_size < 3.2e6
    assert 0.3 < temperature < 3
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(words in card for words in ("10.17632/56rmx5bjcr.1", "Quadratic kappa", "not for diagnosis"))


def test_probabilities_of_a_real_knee(knee: np.ndarray) -> None:
    found = classify_koa(knee)
    assert found.source == "classifier"
    assert sum(found.values) == pytest.approx(1, abs=1e-6)
    assert min(found.values) >= 0
    assert classify_koa(knee[:, :, ::-1].copy()).values == pytest.approx(found.values, abs=1e-6)


@pytest.mark.parametrize("name", ["0075.webp", "0340.webp", "1235.webp", "1375.webp"])
def test_grade_rises_when_the_joint_space_closes(name: str) -> None:
    """16 rows (a good centimetre) of the joint space are taken out of a real radiograph: the expected grade must
    rise."""
    whole = _prepared(name)
    rows = np.concatenate([np.arange(0, 128), np.arange(144, 256)])
    narrowed = normalise_crop(np.pad(whole[0][rows], ((8, 8), (0, 0)), mode="edge"))[None]
    before, after = (np.dot(np.arange(5), classify_koa(image).values) for image in (whole, narrowed))
    assert after > before + 0.3


@pytest.mark.parametrize("shape", [(256, 256), (2, 256, 256), (1, 16, 16), (0,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError) as caught:
        classify_koa(np.zeros(shape, np.float32))
    assert caught.value.code == "bad-image"


def test_values_that_are_not_finite_are_refused(knee: np.ndarray) -> None:
    knee = knee.copy()
    knee[0, 3, 3] = np.nan
    with pytest.raises(InputError):
        classify_koa(knee)


@pytest.mark.parametrize("damage", ["missing", "truncated", "altered", "no checksums", "altered config"])
def test_damaged_weights_are_refused_in_one_sentence(tmp_path: Path, knee: np.ndarray, damage: str) -> None:
    folder = tmp_path / "koa_classifier"
    shutil.copytree(SHIPPED, folder)
    weights = folder / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    if damage == "missing":
        weights.unlink()
    elif damage == "truncated":
        weights.write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "no checksums":
        (folder / "checksums.json").unlink()
    else:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | {"temperature": 2.5}), encoding="utf-8")
    with pytest.raises(ProcessingError) as caught:
        classify_koa(knee, folder)
    assert caught.value.code in ("missing-weights", "tampered-weights")
    assert "koa_classifier" in caught.value.message
    assert "\n" not in caught.value.sentence()
