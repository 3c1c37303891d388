"""Margins without picture are found; bone that touches the border is not one."""

from __future__ import annotations

import numpy as np
from radiograph_files import sample_pixels

from Xray2MRILib.radiograph.collimation import border_regions, collimated_margins


def radiograph():
    """The joint alone, without air beside the knee."""
    return sample_pixels("kl2_right.webp")[10:150, 60:220].astype(np.float32) + 20


def test_black_bands_and_tilted_collimation():
    picture = radiograph()
    assert collimated_margins(picture).mean() < 0.02
    rows, columns = np.indices(picture.shape)
    shadow = (columns < 12) | (rows - 0.1 * columns > 128)
    picture[shadow] = 0
    margins = collimated_margins(picture)
    assert margins[shadow].all()
    assert margins[~shadow].mean() < 0.04  # the blurred edge


def test_compressed_black_is_still_black():
    picture = radiograph()
    picture[:15] = np.random.default_rng(0).uniform(0, 2, (15, picture.shape[1]))
    assert collimated_margins(picture)[:15].mean() > 0.99


def test_white_frame_but_not_white_bone():
    picture = radiograph()
    framed = np.pad(picture, 10, constant_values=255)
    margins = collimated_margins(framed)
    assert margins[:10].all()
    assert margins[:, :10].all()
    picture[:40, 50:110] = picture.max()  # an over-exposed shaft that reaches the upper edge
    assert collimated_margins(picture)[:40, 50:110].mean() < 0.02


def test_hot_pixel_does_not_blacken_the_radiograph():
    picture = radiograph()
    picture[70, 80] = 1e6
    assert collimated_margins(picture).mean() < 0.02


def test_constant_picture_has_no_margins():
    assert not collimated_margins(np.ones((40, 40))).any()


def test_border_regions():
    mask = np.zeros((100, 100), bool)
    mask[:10, :10] = mask[40:60, 40:60] = mask[99, 50] = True
    found = border_regions(mask)
    assert found[:10, :10].all()
    assert not found[40:60, 40:60].any()  # does not touch
    assert not found[99, 50]  # too small
