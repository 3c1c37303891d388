"""The radiograph check on real knees and on pictures of kinds that it was never trained on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.localization.knee_box import KneeBox
from Xray2MRILib.preparation.joint_crop import normalise_crop
from Xray2MRILib.preparation.view_check import frontal_probability, left_probability, load_view_classifier
from Xray2MRILib.training.data.box_annotations import read_grey
from Xray2MRILib.training.data.graded_radiographs import box_crop
from Xray2MRILib.training.data.negative_examples import (
    HELD_OUT_DRAWN,
    HELD_OUT_PHOTOGRAPHS,
    photograph,
    rearranged_knee,
    turned_knee,
)

SHIPPED = resource_path("models/film_check")
RADIOGRAPHS = Path(__file__).parents[1] / "localization" / "radiographs"
BOXES = json.loads((RADIOGRAPHS.parent / "knee_boxes.json").read_text(encoding="utf-8"))["films"]


def _crops() -> list[tuple[str, np.ndarray, str | None]]:
    """Name, prepared crop and side of every knee on the real radiographs that the tests carry."""
    crops = []
    for radiograph in BOXES:
        if (RADIOGRAPHS / radiograph["file"]).exists():
            pixels = read_grey(RADIOGRAPHS / radiograph["file"]).astype(np.float32)
            for knee in radiograph["knees"]:
                crop = normalise_crop(box_crop(pixels, KneeBox(*knee["box"], 1.0)))
                crops.append((radiograph["file"], crop[None], knee.get("side")))
    return crops


KNEES = _crops()


def _share_flagged(drawing: Callable[[np.random.Generator], np.ndarray], count: int = 12) -> float:
    rng = np.random.default_rng(7)
    _, threshold = load_view_classifier()
    crops = [normalise_crop(np.ascontiguousarray(drawing(rng), np.float32))[None] for _ in range(count)]
    return float(np.mean([frontal_probability(crop) < threshold for crop in crops]))


def test_shipped_network_is_small_and_documented() -> None:
    network, threshold = load_view_classifier()
    assert sum(parameter.numel() for parameter in network.parameters()) < 3e5
    assert 0.05 <= threshold <= 0.5
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(kind in card for kind in ("hand phantom", "lateral projection", "not for diagnosis"))


def test_real_frontal_knees_pass() -> None:
    _, threshold = load_view_classifier()
    assert len(KNEES) >= 10
    low = [name for name, crop, _ in KNEES if frontal_probability(crop) < threshold]
    assert low == []


def test_the_side_is_read_from_the_picture() -> None:
    """Radiographs of both knees: the patient's right knee lies at image left."""
    known = [(left_probability(crop) > 0.5, side == "left") for _, crop, side in KNEES if side]
    assert len(known) >= 6
    assert np.mean([found == side for found, side in known]) >= 0.8


def test_mirroring_swaps_the_side_and_nothing_else() -> None:
    for _, crop, _ in KNEES[:4]:
        mirrored = crop[:, :, ::-1].copy()
        assert left_probability(crop) + left_probability(mirrored) == pytest.approx(1, abs=1e-5)
        assert frontal_probability(crop) == pytest.approx(frontal_probability(mirrored), abs=1e-5)


@pytest.mark.parametrize("kind", sorted(HELD_OUT_DRAWN))
def test_phantoms_of_held_out_body_parts_are_flagged(kind: str) -> None:
    assert _share_flagged(HELD_OUT_DRAWN[kind]) >= 0.75


def test_held_out_photographs_are_flagged() -> None:
    assert _share_flagged(lambda rng: photograph(HELD_OUT_PHOTOGRAPHS, rng)) >= 0.75


@pytest.mark.parametrize("change", [turned_knee, rearranged_knee])
def test_real_knees_in_the_wrong_order_are_flagged(
    change: Callable[[np.ndarray, np.random.Generator], np.ndarray],
) -> None:
    assert _share_flagged(lambda rng: change(KNEES[rng.integers(len(KNEES))][1][0], rng), 20) >= 0.6


@pytest.mark.parametrize("shape", [(3, 256, 256), (1, 8, 8), (256,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError):
        frontal_probability(np.zeros(shape, np.float32))


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "film_check"
    shutil.copytree(SHIPPED, folder)
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"abcd")
    with pytest.raises(ProcessingError) as caught:
        left_probability(KNEES[0][1], folder)
    assert caught.value.code == "tampered-weights"
