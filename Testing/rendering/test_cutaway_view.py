"""The 3-D view: sections show the volume's own values, the right way round, calm on empty and noisy volumes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from Xray2MRILib.rendering.cutaway_view import Cut, Viewpoint, cutaway_view

BACKGROUND = (16, 18, 22)
SHAPE = (26, 96, 96)
SPACING = (1.0, 1.0, 2.0)  # a small knee, for speed
STRAIGHT = Viewpoint(lateral=0, above=0)


def leg(seed: int = 0) -> np.ndarray:
    """A leg of fat, in it muscle of uneven grey, a dark bone down to the lower end and a bright joint line."""
    depth, row, column = np.meshgrid(*[np.linspace(-1, 1, count) for count in SHAPE], indexing="ij")
    radius = np.hypot(depth * 0.7, column + 0.15 * row)  # it leans, so that mirror images differ
    grain = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 3.0)
    volume = np.where(radius < 0.7, 0.2, 0.0)
    volume = np.where(radius < 0.6, 0.5 + 0.1 * grain / grain.std(), volume)
    volume[radius < 0.35] = 0.14
    volume[(radius < 0.35) & (np.abs(row) < 0.05)] = 1.0
    return volume.clip(0, 1).astype(np.float32)


def lit(picture: np.ndarray) -> np.ndarray:
    return np.abs(picture.astype(int) - BACKGROUND).sum(axis=-1) > 12


def skin(picture: np.ndarray) -> np.ndarray:
    """Where the picture is not grey; at the outline, where it goes over into the background, it may be neither."""
    inner = ndimage.binary_erosion(lit(picture), iterations=3)
    return inner & (picture[..., 0].astype(int) - picture[..., 2] > 8)


def test_size_type_and_sameness() -> None:
    first = cutaway_view(leg(), SPACING, size=(200, 150))
    assert first.shape == (200, 150, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, cutaway_view(leg(), SPACING, size=(200, 150)))


def test_the_knee_fills_the_picture_without_being_cut() -> None:
    seen = lit(cutaway_view(leg(), SPACING, size=(200, 150)))
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    assert rows[0] > 0
    assert rows[-1] < 199
    assert columns[0] > 0
    assert columns[-1] < 149
    assert max((rows[-1] - rows[0]) / 200, (columns[-1] - columns[0]) / 150) > 0.85


@pytest.mark.parametrize("depth", [0.5, 0.6, 0.7])
def test_a_section_seen_from_the_front_is_the_coronal_slice_there(depth: float) -> None:
    """With all in front of a slice taken away: upright, the patient's right at the left, every grey in its place."""
    volume = leg()
    picture = cutaway_view(volume, SPACING, size=(300, 300), viewpoint=STRAIGHT, cut=Cut(depth, width=1.0))
    assert not skin(picture).any()
    body = np.flatnonzero((volume > 0.1).any(axis=(1, 2)))
    place = body[0] + depth * len(body) + 0.5  # sections are read half a slice behind the cut
    shown = picture[..., 1] / 255.0
    scores = {}
    for slice_ in range(SHAPE[0]):
        expected = volume[slice_]
        rows, columns = (np.flatnonzero((expected > 0.1).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            continue
        seen = lit(picture)
        found = shown[np.ix_(seen.any(axis=1), seen.any(axis=0))]
        part = expected[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        zoom = [big / small for big, small in zip(found.shape, part.shape, strict=True)]
        scores[slice_] = np.corrcoef(ndimage.zoom(part, zoom, order=1).ravel(), found.ravel())[0, 1]
    best = max(scores, key=lambda slice_: scores[slice_])
    assert abs(best - place) <= 1
    assert scores[best] > 0.97


@pytest.mark.parametrize("left_knee", [False, True])
def test_the_viewer_stands_in_front_on_the_outer_side_and_above(left_knee: bool) -> None:
    """The skin of the outer side is lit, the upper end is seen and the lower one is not."""
    picture = cutaway_view(leg(), SPACING, size=(200, 200), left_knee=left_knee, cut=None)
    columns = np.nonzero(skin(picture) & (picture[..., 0] > 100))[1]
    assert (np.median(columns) > 100) == left_knee
    joint = cutaway_view(leg(), SPACING, size=(200, 200), left_knee=left_knee)
    assert (np.median(np.nonzero(joint[..., 2] > 200)[1]) < 100) == left_knee  # the section faces the outer side
    upper, lower = (leg() for _ in range(2))
    upper[:, :3], lower[:, -3:] = (np.where(end > 0.1, 0.9, end) for end in (upper[:, :3], lower[:, -3:]))
    ends = [cutaway_view(v, SPACING, size=(200, 200), left_knee=left_knee, cut=None) for v in (upper, lower)]
    bright = [int((end[..., 2] > 180).sum()) for end in ends]
    assert bright[0] > 3 * bright[1]


def test_a_left_knee_is_the_mirror_image_of_a_right_one() -> None:
    mirrored = cutaway_view(leg()[:, :, ::-1], SPACING, size=(120, 120), left_knee=True)[:, ::-1]
    assert np.array_equal(cutaway_view(leg(), SPACING, size=(120, 120)), mirrored)


def test_what_lies_behind_a_section_is_not_seen() -> None:
    volume, other = leg(), leg()
    other[16:20, 20:80, 35:60] = 0.5
    seen = [cutaway_view(v, SPACING, size=(100, 100), viewpoint=STRAIGHT, cut=Cut(0.4, 1.0)) for v in (volume, other)]
    assert np.abs(seen[0].astype(int) - seen[1]).max() <= 2  # the bright level moves a little
    opened = [
        cutaway_view(v, SPACING, size=(100, 100), viewpoint=STRAIGHT, cut=Cut(0.75, 1.0)) for v in (volume, other)
    ]
    assert np.abs(opened[0].astype(int) - opened[1]).max() > 40


def test_dark_bone_that_reaches_the_end_of_the_volume_is_no_hole() -> None:
    """Marrow is nearly as dark as air; its section must not show the inside of the skin."""
    volume = leg()
    volume[volume == np.float32(0.14)] = 0.02
    picture = cutaway_view(volume, SPACING, size=(200, 200), viewpoint=STRAIGHT, cut=Cut(0.5, 1.0))
    assert not skin(picture).any()
    end = np.flatnonzero(lit(picture)[185])
    marrow = picture[185, (end[0] + end[-1]) // 2].astype(int)
    assert np.ptp(marrow) <= 2  # grey; skin and background are not
    assert marrow.max() < 12


@pytest.mark.parametrize("level", [0.0, 0.4])
def test_a_volume_without_content_is_background(level: float) -> None:
    picture = cutaway_view(np.full(SHAPE, level, np.float32), SPACING, size=(64, 48))
    assert (picture == BACKGROUND).all()


def test_a_dim_volume_looks_like_a_bright_one() -> None:
    bright, dim = (cutaway_view(leg() * gain, SPACING, size=(80, 80)) for gain in (1.0, 0.3))
    assert np.abs(bright.astype(int) - dim).max() <= 3


def test_scanner_noise_leaves_the_outline_where_it_is() -> None:
    volume = leg()
    noise = np.random.default_rng(1).normal(0, 0.03, (2, *SHAPE))
    noisy = np.hypot(volume + noise[0], noise[1])
    seen = [lit(cutaway_view(v, SPACING, size=(200, 200))) for v in (volume, noisy)]
    assert (seen[0] != seen[1]).mean() < 0.02


def test_ten_times_as_many_slices_look_alike() -> None:
    volume = leg()
    dense = np.repeat(volume, 10, axis=0)
    spacing = (*SPACING[:2], SPACING[2] / 10)
    few, many = (cutaway_view(v, s, size=(150, 150)).astype(int) for v, s in ((volume, SPACING), (dense, spacing)))
    assert np.abs(few - many).mean() < 4


def test_two_slices_suffice() -> None:
    rng = np.random.default_rng(1)
    assert lit(cutaway_view(rng.random((2, 32, 32), dtype=np.float32), (1.0, 1.0, 30.0), size=(64, 64))).any()
