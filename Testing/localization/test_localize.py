"""The shipped detector on real radiographs (CC BY, see films/README.md) and on pictures that are no radiographs."""

from __future__ import annotations

import json
import math
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.errors import InputError, ProcessingError
from Xray2MRILib.files.resources import resource_path
from Xray2MRILib.localization.knee_box import KneeBox
from Xray2MRILib.localization.localize import localize_knees, name_sides, suppress_overlaps
from Xray2MRILib.training.data.box_annotations import read_grey, score_boxes

HERE = Path(__file__).parent
RADIOGRAPHS = {
    radiograph["file"]: (
        read_grey(HERE / "radiographs" / radiograph["file"]).astype(np.float32),
        [KneeBox(*knee["box"], 1.0, knee.get("side")) for knee in radiograph["knees"]],
    )
    for radiograph in json.loads((HERE / "knee_boxes.json").read_text(encoding="utf-8"))["films"]
    if (HERE / "radiographs" / radiograph["file"]).exists()
}
BILATERAL = [name for name, (_, knees) in RADIOGRAPHS.items() if len(knees) == 2]
SINGLE = [name for name, (_, knees) in RADIOGRAPHS.items() if len(knees) == 1]


def test_precision_recall_and_placement_on_real_radiographs() -> None:
    assert len(BILATERAL) == len(SINGLE) == 4
    found = [localize_knees(pixels) for pixels, _ in RADIOGRAPHS.values()]
    score = score_boxes(found, [knees for _, knees in RADIOGRAPHS.values()])
    assert score["knees"] == 12
    assert score["precision"] == score["recall"] == 1
    assert score["mean_iou"] > 0.8
    assert score["centre_error"] < 6
    for boxes in found:
        assert boxes == sorted(boxes, key=lambda box: -box.confidence)
        assert all(box.width == box.height and 0.3 <= box.confidence <= 1 for box in boxes)


@pytest.mark.parametrize("name", BILATERAL)
def test_sides_follow_radiological_convention(name: str) -> None:
    right, left = sorted(localize_knees(RADIOGRAPHS[name][0]), key=lambda box: box.x)
    assert (right.side, left.side) == ("right", "left")


@pytest.mark.parametrize("name", SINGLE)
def test_single_knee_has_no_side(name: str) -> None:
    assert [box.side for box in localize_knees(RADIOGRAPHS[name][0])] == [None]


@pytest.mark.parametrize("name", [*BILATERAL[:2], SINGLE[0]])
def test_mirroring_the_radiograph_mirrors_the_boxes(name: str) -> None:
    pixels, knees = RADIOGRAPHS[name]
    mirrored = [KneeBox(pixels.shape[1] - k.x - k.width, k.y, k.width, k.height, 1.0) for k in knees]
    assert score_boxes([localize_knees(pixels[:, ::-1])], [mirrored])["recall"] == 1


@pytest.mark.parametrize("name", BILATERAL[:2])
def test_units_and_resolution_do_not_matter(name: str) -> None:
    pixels, _ = RADIOGRAPHS[name]
    once = localize_knees(pixels)
    for box, same in zip(once, localize_knees(pixels * 16.0 + 1000), strict=True):
        assert box.iou(same) > 0.99
    for box, large in zip(once, localize_knees(np.kron(pixels, np.ones((3, 3), np.float32))), strict=True):
        assert box.iou(KneeBox(large.x / 3, large.y / 3, large.width / 3, large.height / 3, 1.0)) > 0.9


@pytest.mark.parametrize("name", BILATERAL)
def test_ready_crop_gives_about_the_whole_picture(name: str) -> None:
    pixels, knees = RADIOGRAPHS[name]
    for knee in knees:
        # crops as preparation cuts them: edge rows repeat where the box leaves the radiograph
        rows = np.clip(np.arange(round(knee.y), round(knee.y + knee.height)), 0, pixels.shape[0] - 1)
        columns = np.clip(np.arange(round(knee.x), round(knee.x + knee.width)), 0, pixels.shape[1] - 1)
        boxes = localize_knees(pixels[np.ix_(rows, columns)])
        assert len(boxes) == 1
        assert boxes[0].iou(KneeBox(0, 0, len(columns), len(rows), 1.0)) > 0.6
        assert boxes[0].side is None


def test_huge_radiograph_is_searched_at_once() -> None:
    pixels, knees = RADIOGRAPHS[BILATERAL[0]]
    factor = 20
    view = np.broadcast_to(pixels[:, None, :, None], (pixels.shape[0], factor, pixels.shape[1], factor))
    huge = view.reshape(pixels.shape[0] * factor, pixels.shape[1] * factor)  # 3,220 x 12,800
    started = time.perf_counter()
    boxes = localize_knees(huge)
    assert time.perf_counter() - started < 5
    scaled = [KneeBox(k.x * factor, k.y * factor, k.width * factor, k.height * factor, 1.0) for k in knees]
    assert score_boxes([boxes], [scaled])["recall"] == 1


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (15, 400), (1, 5000), (16, 16), (20, 20000)])
def test_tiny_and_thread_like_pictures_hold_no_knee(shape: tuple[int, int]) -> None:
    assert localize_knees(np.random.default_rng(0).random(shape)) == []


def test_blank_noise_and_ramps_hold_no_knee() -> None:
    rng = np.random.default_rng(0)
    assert localize_knees(np.full((300, 400), 3.0)) == []
    assert localize_knees(rng.random((300, 400))) == []
    assert localize_knees(np.add.outer(np.arange(300.0), np.arange(400.0))) == []
    assert localize_knees(np.kron(rng.random((15, 20)), np.ones((20, 20)))) == []


def test_integer_radiographs_are_accepted() -> None:
    pixels, knees = RADIOGRAPHS[SINGLE[0]]
    assert score_boxes([localize_knees(pixels.astype(np.uint16))], [knees])["recall"] == 1


NO_RADIOGRAPHS = [np.zeros((3, 40, 40)), np.zeros(50), np.zeros((40, 40), complex), [["a"] * 20] * 20]


@pytest.mark.parametrize("pixels", NO_RADIOGRAPHS)
def test_what_is_no_radiograph_is_refused(pixels) -> None:
    with pytest.raises(InputError, match="array"):
        localize_knees(pixels)


def test_values_that_are_not_finite_are_refused() -> None:
    radiograph = np.ones((100, 100))
    radiograph[50, 50] = math.nan
    with pytest.raises(InputError, match="finite"):
        localize_knees(radiograph)


def test_overlap_suppression_keeps_the_better_box() -> None:
    better, worse, apart = KneeBox(0, 0, 10, 10, 0.9), KneeBox(1, 1, 10, 10, 0.8), KneeBox(30, 0, 10, 10, 0.4)
    assert better.iou(worse) == pytest.approx(81 / 119)
    assert suppress_overlaps([apart, worse, better], 0.3) == [better, apart]


def test_knees_above_each_other_get_no_side() -> None:
    assert [box.side for box in name_sides([KneeBox(0, 0, 10, 10, 0.9), KneeBox(2, 40, 10, 10, 0.8)])] == [None, None]


@pytest.mark.parametrize("file", ["diffusion_pytorch_model.safetensors", "config.json", "checksums.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "altered"])
def test_damaged_weights_are_refused(tmp_path: Path, file: str, damage: str) -> None:
    folder = tmp_path / "knee_localizer"
    shutil.copytree(resource_path("models/knee_localizer"), folder)
    content = bytearray((folder / file).read_bytes())
    (folder / file).unlink()
    if damage == "truncated":
        (folder / file).write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        content[len(content) // 2] ^= 1
        (folder / file).write_bytes(content)
    with pytest.raises(ProcessingError) as refusal:
        localize_knees(RADIOGRAPHS[SINGLE[0]][0], folder)
    assert refusal.value.message.count(".") <= 3
    assert refusal.value.hint


def test_scores_by_hand() -> None:
    truth = [[KneeBox(0, 0, 100, 100, 1.0), KneeBox(200, 0, 100, 100, 1.0)], []]
    found = [[KneeBox(10, 0, 100, 100, 0.9), KneeBox(12, 0, 100, 100, 0.8)], [KneeBox(0, 0, 5, 5, 0.4)]]
    score = score_boxes(found, truth)
    assert score["precision"] == pytest.approx(1 / 3)
    assert score["recall"] == 1 / 2
    assert score["mean_iou"] == pytest.approx(90 / 110)
    assert score["centre_error"] == pytest.approx(10)
    assert score["side_bias"] == pytest.approx(0)
