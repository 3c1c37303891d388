"""The 3-D rendering: deterministic, the right way round, calm on empty volumes."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage

from Xray2MRILib.rendering.direct_volume_rendering import Viewpoint, render
from Xray2MRILib.volume import geometry

BACKGROUND = (16, 18, 22)
SHAPE = (25, 64, 64)
SPACING = (1.0, 1.0, 1.6)  # a small knee, for speed


def leg() -> np.ndarray:
    """A leg of muscle with a dark bone inside and a bright plate of cartilage, [S, H, W]."""
    depth, row, column = np.meshgrid(*[np.linspace(-1, 1, count) for count in SHAPE], indexing="ij")
    radius = np.hypot(depth * 0.6, column)
    volume = np.where(radius < 0.6, 0.5, 0.0)
    volume[radius < 0.3] = 0.1
    volume[(radius < 0.35) & (np.abs(row) < 0.05)] = 1.0
    return volume.astype(np.float32)


def balls(*centres: tuple[int, int, int], level: float = 1.0) -> np.ndarray:
    volume = np.zeros(SHAPE, np.float32)
    for s, r, c in centres:
        volume[s - 1 : s + 2, r - 2 : r + 3, c - 2 : c + 3] = level
    return volume


def lit(picture: np.ndarray) -> np.ndarray:
    return np.abs(picture.astype(int) - BACKGROUND).sum(axis=-1) > 60


def test_size_type_and_sameness() -> None:
    first = render(leg(), SPACING, size=(200, 150))
    assert first.shape == (200, 150, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, render(leg(), SPACING, size=(200, 150)))


def test_the_knee_fills_the_picture_without_being_cut() -> None:
    seen = lit(render(leg(), SPACING, size=(200, 150)))
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert rows[0] > 0
    assert rows[-1] < 199
    assert columns[0] > 0
    assert columns[-1] < 149
    assert max((rows[-1] - rows[0]) / 200, (columns[-1] - columns[0]) / 150) > 0.85


def test_superior_is_up_and_the_patients_right_is_left_in_the_picture() -> None:
    straight = Viewpoint(lateral=0, above=0)
    # one ball superior on the patient's right, one inferior on the left
    seen = lit(render(balls((12, 10, 10), (12, 50, 50)), SPACING, size=(100, 100), viewpoint=straight))
    assert seen[:50, :50].any()
    assert seen[50:, 50:].any()
    assert not seen[:40, 60:].any()
    assert not seen[60:, :40].any()


@pytest.mark.parametrize("left_knee", [False, True])
def test_the_viewer_stands_in_front_on_the_outer_side_and_above(left_knee: bool) -> None:
    # two balls in line from front to back; whiter is nearer, because what is far recedes into the dark
    picture = render(balls((2, 32, 32), (22, 32, 32)), SPACING, size=(120, 120), left_knee=left_knee)
    labels, count = ndimage.label(lit(picture))
    assert count == 2
    brightness = [picture[labels == ball].mean() for ball in (1, 2)]
    near = int(np.argmax(brightness)) + 1
    far = 3 - near
    (near_row, near_column), (far_row, far_column) = (np.argwhere(labels == ball).mean(axis=0) for ball in (near, far))
    # a viewer on the outer side (picture left of a right knee) sees the front shift to the inner side
    assert (near_column < far_column) == left_knee
    assert near_row > far_row


def test_a_left_knee_is_the_mirror_image_of_a_right_one() -> None:
    lamp_apart = render(leg()[:, :, ::-1], SPACING, size=(120, 120), left_knee=True)[:, ::-1]
    seen, mirrored = lit(render(leg(), SPACING, size=(120, 120))), lit(lamp_apart)
    assert (seen != mirrored).mean() < 0.03


def test_near_tissue_covers_far_tissue() -> None:
    straight = Viewpoint(lateral=0, above=0)
    one, other = np.zeros((2, *SHAPE), np.float32)
    one[3:6] = other[3:6] = 1.0
    one[18:21, 20:40, 20:40] = 0.5
    other[18:21, 25:35, 20:40] = 0.7

    def difference(first: np.ndarray, second: np.ndarray) -> int:
        seen = [render(each, SPACING, size=(100, 100), viewpoint=straight).astype(int) for each in (first, second)]
        return int(np.abs(seen[0] - seen[1]).max())

    assert difference(one, other) <= 3
    # from behind the wall hides nothing
    assert difference(one[::-1], other[::-1]) > 20


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_a_volume_without_content_is_background(level: float) -> None:
    picture = render(np.full(SHAPE, level, np.float32), SPACING, size=(64, 48))
    assert (picture == BACKGROUND).all()


def test_a_dim_volume_looks_like_a_bright_one() -> None:
    bright, dim = render(leg(), SPACING, size=(80, 80)), render(leg() * 0.3, SPACING, size=(80, 80))
    assert np.abs(bright.astype(int) - dim).max() <= 3


def test_two_slices_suffice_and_noise_does_no_harm() -> None:
    rng = np.random.default_rng(1)
    assert lit(render(rng.random((2, 32, 32), dtype=np.float32), (1.0, 1.0, 30.0), size=(64, 64))).any()


def test_full_size_takes_seconds() -> None:
    volume = np.repeat(np.repeat(np.repeat(leg(), 2, axis=0), 4, axis=1), 4, axis=2)
    started = time.process_time()
    render(volume, geometry.spacing_mm(*volume.shape), size=(430, 430))
    assert time.process_time() - started < 6  # about 1 s on one idle core
