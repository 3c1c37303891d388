"""Which knee: words in names, and the order user, header, file name, picture, assumption."""

from __future__ import annotations

import numpy as np
import pytest
from radiograph_files import sample_path, sample_pixels, write_dicom

from Xray2MRILib.errors import InputError
from Xray2MRILib.preparation import laterality
from Xray2MRILib.preparation.joint_crop import prepare_radiograph
from Xray2MRILib.preparation.laterality import decide_side
from Xray2MRILib.radiograph.laterality import side_from_words
from Xray2MRILib.radiograph.reading import Radiograph, read_radiograph


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("9003175L", "left"),
        ("9003175R", "right"),
        ("knee_r", "right"),
        ("KNEE-RT-PA", "right"),
        ("Knee LT", "left"),
        ("LeftKnee", "left"),
        ("kneeR", "right"),
        ("knee right 2", "right"),
        ("right-01", "right"),
        ("R", "right"),
        ("radiograph (L)", "left"),
        ("Knie_rt.2019", "right"),
        ("left_and_right", None),
        ("R+L knee", None),
        ("bright", None),
        ("upright", None),
        ("alert", None),
        ("cleft", None),
        ("L5 spine", None),
        ("film", None),
        ("0792", None),
        ("model", None),
        ("", None),
    ],
)
def test_words(text, side):
    assert side_from_words(text) == side


@pytest.fixture
def radiograph_and_crop():
    radiograph = read_radiograph(sample_path("knee_single.webp"))
    return radiograph, prepare_radiograph(radiograph, None, "right", "none").image


@pytest.fixture
def blind(monkeypatch):
    """An installation without the network that sees the side."""
    monkeypatch.setitem(__import__("sys").modules, "Xray2MRILib.preparation.view_check", None)


def test_user_decides(radiograph_and_crop, blind):
    assert decide_side(*radiograph_and_crop, "left")[:3] == ("left", "user", 1.0)


def test_header_before_name(tmp_path, radiograph_and_crop, blind):
    path = write_dicom(tmp_path / "knee_left.dcm", sample_pixels("knee_single.webp"), ImageLaterality="R")
    assert decide_side(read_radiograph(path), radiograph_and_crop[1])[:2] == ("right", "header")


def test_user_against_header_is_refused(tmp_path, radiograph_and_crop, blind):
    radiograph = read_radiograph(write_dicom(tmp_path / "film", sample_pixels(), Laterality="R"))
    with pytest.raises(InputError) as refusal:
        decide_side(radiograph, radiograph_and_crop[1], "left")
    assert refusal.value.code == "side-against-header"
    assert "says right (Laterality)" in refusal.value.message
    assert refusal.value.field == "side"
    assert decide_side(radiograph, radiograph_and_crop[1], "right").source == "user"


def test_user_against_a_description_is_warned(tmp_path, radiograph_and_crop, blind):
    radiograph = read_radiograph(write_dicom(tmp_path / "film", sample_pixels(), SeriesDescription="Knee RT"))
    decision = decide_side(radiograph, radiograph_and_crop[1], "left")
    assert decision.side == "left"
    assert len(decision.warnings) == 1


def test_file_name(radiograph_and_crop, blind):
    decision = decide_side(read_radiograph(sample_path("kl2_left.webp")), radiograph_and_crop[1])
    assert decision == ("left", "file name", 0.95, [])


def test_nothing_known(radiograph_and_crop, blind):
    decision = decide_side(*radiograph_and_crop)
    assert decision[:3] == ("right", "assumed", 0.5)
    assert "right was assumed" in decision.warnings[0]
    assert decision.warnings[0].field == "side"


@pytest.mark.parametrize(
    ("probability", "side", "confidence", "warned"),
    [(0.99, "left", 0.99, False), (0.02, "right", 0.98, False), (0.6, "left", 0.6, True), (0.5, "right", 0.5, True)],
)
def test_picture(radiograph_and_crop, monkeypatch, probability, side, confidence, warned):
    monkeypatch.setattr(laterality, "_left_probability", lambda image: probability)
    decision = decide_side(*radiograph_and_crop)
    assert decision[:3] == (side, "image", pytest.approx(confidence))
    assert bool(decision.warnings) == warned


def test_picture_against_what_is_written_is_a_warning(radiograph_and_crop, monkeypatch):
    monkeypatch.setattr(laterality, "_left_probability", lambda image: 0.999)
    radiograph = Radiograph(radiograph_and_crop[0].pixels, side="right", side_source="header")
    decision = decide_side(radiograph, radiograph_and_crop[1])
    assert decision.side == "right"
    assert "looks like a left knee" in decision.warnings[0]


def test_shipped_network_sees_the_fibula():
    """Ten single radiographs and their mirror images, cut by the shipped detector."""
    from Xray2MRILib.localization.localize import localize_knees

    right = 0
    paths = sorted(sample_path().parent.glob("kl*.webp"))
    for path in paths:
        radiograph = read_radiograph(path)
        radiograph.side, radiograph.side_source = None, "none"
        box = next(iter(localize_knees(radiograph.pixels)), None)
        crop = prepare_radiograph(radiograph, box, "right", "none").image
        side = path.stem.split("_")[1]
        seen = decide_side(radiograph, crop), decide_side(radiograph, np.ascontiguousarray(crop[..., ::-1]))
        assert all(decision.source == "image" for decision in seen)
        right += (seen[0].side == side) + (seen[1].side != side)
    assert right >= 1.7 * len(paths)


@pytest.mark.parametrize("side", ["both", "LEFT", None])
def test_unknown_side(radiograph_and_crop, side):
    with pytest.raises(InputError):
        decide_side(*radiograph_and_crop, side)
