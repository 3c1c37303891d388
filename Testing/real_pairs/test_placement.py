"""The place of a scan on its radiograph, for drawn knees whose place is known."""

from __future__ import annotations

import drawn_knee
import numpy as np
import pytest

from Xray2MRILib.errors import InputError
from Xray2MRILib.real_pairs.placement import ScanPlacement, find_placement, frame_of, from_knee
from Xray2MRILib.reprojection.similarity import Similarity
from Xray2MRILib.simulation.pairs.crop_frame import on_knee, placed_volume


def inverse(place: Similarity) -> Similarity:
    back = Similarity((0.0, 0.0), -place.turn_rad, 1 / place.scale)
    x, z = -back(np.array([place.shift_mm]))[0]
    return Similarity((float(x), float(z)), -place.turn_rad, 1 / place.scale)


@pytest.mark.parametrize(
    ("shift", "turn", "scale"),
    [((0.0, 0.0), 0.0, 1.0), ((4.0, -3.0), 0.03, 0.92), ((-9.0, 8.0), -0.05, 0.88), ((12.0, -12.0), 0.0, 1.1)],
)
def test_the_place_is_found(shift: tuple[float, float], turn: float, scale: float) -> None:
    true = Similarity(shift, turn, scale)
    scan = placed_volume(drawn_knee.volume(50), frame_of(inverse(true)))
    found = find_placement(scan, drawn_knee.radiograph()).similarity
    # an edge on the radiograph and cortex in the scan are not the same line: 2 to 4 % of the scale
    assert np.abs(np.subtract(found.shift_mm, shift)).max() < 0.8
    assert abs(found.turn_rad - turn) < np.radians(1.2)
    assert found.scale == pytest.approx(0.97 * scale, rel=0.03)


def test_a_placed_scan_lies_in_the_frame_of_the_crop() -> None:
    """A scan that was moved by a similarity and is placed by it is the scan again."""
    true = Similarity((3.0, -2.0), 0.04, 0.9)
    once = placed_volume(drawn_knee.volume(50), frame_of(inverse(true)))
    back = placed_volume(once, frame_of(true))
    assert np.abs(back - drawn_knee.volume(50))[:, 60:200, 60:200].mean() < 0.01


def test_places_on_the_knee_and_in_the_crop_are_inverse() -> None:
    import torch

    place = Similarity((3.0, -2.0), 0.04, 0.9)
    a, b = torch.tensor([0.0, 0.2, -0.4]), torch.tensor([0.1, -0.3, 0.25])
    x, z = from_knee(place, *on_knee(a, b, frame_of(place), None))
    torch.testing.assert_close(x, b * 91, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(z, a * 91, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("scan", ["noise", "empty", "one plane"])
def test_what_shows_no_knee_is_refused(scan: str) -> None:
    volume = {
        "noise": np.random.default_rng(0).random((50, 256, 256), np.float32),
        "empty": np.zeros((50, 256, 256), np.float32),
        "one plane": np.tile(np.linspace(0, 1, 256, dtype=np.float32), (50, 256, 1)),
    }[scan]
    with pytest.raises(InputError, match="cannot be laid over each other"):
        find_placement(volume, drawn_knee.radiograph())
    with pytest.raises(InputError, match="cannot be laid over each other"):
        find_placement(drawn_knee.volume(50), np.full((256, 256), -0.5, np.float32))


def test_a_record_keeps_the_place() -> None:
    place = ScanPlacement(Similarity((1.25, -3.5), 0.031, 0.94), 0.8, 0.5, None)
    assert ScanPlacement.from_record(place.record()) == place
