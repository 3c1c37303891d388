"""What the shipped model draws of two real radiographs: muscle behind the knee, its own joint line.

Weights that draw noise, or that overlook their radiograph, would pass all tests of shapes and checksums.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
from Xray2MRILib.generation.prepared_knee import prepare_knee
from Xray2MRILib.generation.settings import GenerationSettings
from Xray2MRILib.preparation.joint_crop import PreparedRadiograph
from Xray2MRILib.radiograph.reading import read_radiograph
from Xray2MRILib.reprojection.bone_projection import volume_outline
from Xray2MRILib.reprojection.consistency import compare_outlines
from Xray2MRILib.reprojection.knee_outline import JOINT_LINE, KneeOutline
from Xray2MRILib.reprojection.outline_distance import curve_distances
from Xray2MRILib.reprojection.radiograph_outline import radiograph_outline
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

SAMPLES = Path(__file__).resolve().parents[2] / "Resources" / "samples"
KNEES = ("knee_single", "kl2_right")
JOINT_LINE_MM = 1.5
MUSCLE = 0.5  # grey; marrow and fat lie near 0.2, muscle near 0.8
BELOW_THE_JOINT = slice(170, 256)  # rows; the joint line lies near row 150


@pytest.fixture(scope="module")
def radiographs() -> dict[str, PreparedRadiograph]:
    return {
        name: prepare_knee(read_radiograph(SAMPLES / f"{name}.webp"), GenerationSettings()).prepared for name in KNEES
    }


@pytest.fixture(scope="module")
def on_radiograph(radiographs: dict[str, PreparedRadiograph]) -> dict[str, KneeOutline]:
    return {name: radiograph_outline(radiograph.image[0]) for name, radiograph in radiographs.items()}


@pytest.fixture(scope="module")
def volumes(radiographs: dict[str, PreparedRadiograph]) -> dict[str, PseudoMRI]:
    shipped = Xray2MRIPipeline.from_pretrained("compact", device="cpu")
    return {name: shipped(radiograph, num_slices=8, num_inference_steps=4) for name, radiograph in radiographs.items()}


def test_the_joint_lines_of_the_two_radiographs_are_told_apart(on_radiograph: dict[str, KneeOutline]) -> None:
    """They lie so far apart that a volume within the limit of one is beyond the limit of the other."""
    apart = curve_distances(on_radiograph[KNEES[0]], on_radiograph[KNEES[1]], JOINT_LINE)
    assert np.median(apart) > 2 * JOINT_LINE_MM


@pytest.mark.parametrize(("name", "other"), [KNEES, KNEES[::-1]])
def test_the_joint_line_of_a_volume_is_that_of_its_own_radiograph(
    volumes: dict[str, PseudoMRI], on_radiograph: dict[str, KneeOutline], name: str, other: str
) -> None:
    in_volume = volume_outline(volumes[name].depth_slices())
    assert in_volume.share(JOINT_LINE) > 0.9
    own, foreign = (
        compare_outlines(on_radiograph[radiograph], in_volume)["as_placed"]["joint_line_mm"]
        for radiograph in (name, other)
    )
    assert own < JOINT_LINE_MM
    assert own < foreign


@pytest.mark.parametrize("name", KNEES)
def test_the_muscle_of_the_calf_lies_behind_the_knee(volumes: dict[str, PseudoMRI], name: str) -> None:
    """In the file the most posterior slices come last. In front of them a calf shows bone and fat."""
    muscle = (volumes[name].array[:, BELOW_THE_JOINT] > MUSCLE).mean(axis=(1, 2))
    assert muscle[-3:].max() > 0.2
    assert muscle[:5].max() < 0.1
