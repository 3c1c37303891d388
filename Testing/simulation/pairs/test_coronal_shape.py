"""The warp towards real radiographs: zero by default, the same at all depths, of the drawn size, without folds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters
from Xray2MRILib.simulation.anatomy.radiograph_population import radiograph_population
from Xray2MRILib.simulation.anatomy.template_regions import lattice_points
from Xray2MRILib.simulation.pairs.coronal_shape import REACH_MM, control_points, coronal_warp
from Xray2MRILib.simulation.pairs.template_library import LABEL_MAPS, MULTI_ECHO

KNEE = KneeParameters(seed=3, kl_grade=0, template="dess_knee+multi_echo_knee", coronal_share=1.0)


def test_every_outline_has_its_way_to_the_population() -> None:
    means = radiograph_population().towards_mm
    assert set(means) == {MULTI_ECHO, *LABEL_MAPS}
    assert max(float(np.abs(mean).max()) for mean in means.values()) < 6.0


def test_older_knees_and_unknown_outlines_stay_as_they_are() -> None:
    assert not coronal_warp(replace(KNEE, coronal_share=0.0)).any()
    assert not coronal_warp(replace(KNEE, template="someone")).any()


def test_an_outline_goes_its_share_of_the_way() -> None:
    mean = radiograph_population().towards_mm["dess_knee"]
    assert control_points(KNEE) == pytest.approx(mean)
    assert control_points(replace(KNEE, coronal_share=0.5)) == pytest.approx(mean / 2)


def test_the_drawn_part_is_of_the_seed_and_of_the_given_size() -> None:
    alone = replace(KNEE, template="someone", coronal_mm=0.8)
    drawn = np.stack([control_points(replace(alone, seed=seed)) for seed in range(60)])
    assert np.array_equal(drawn[3], control_points(alone))
    assert not np.array_equal(drawn[3], drawn[4])
    assert drawn.std() == pytest.approx(0.8, rel=0.05)
    assert np.abs(drawn.mean(axis=(0, 2, 3))).max() < 0.05


def test_a_warp_lies_in_the_coronal_plane_and_fades_beyond_the_control_points() -> None:
    knee = replace(KNEE, coronal_mm=1.0)
    warp, points = coronal_warp(knee), lattice_points()
    assert warp.shape == (3, *points.shape[:-1])
    assert not warp[0].any()
    assert np.array_equal(warp[:, 0], warp[:, -1])
    far = np.abs(points[0, :, 0, 1]) > REACH_MM + 45
    assert float(np.abs(warp[1:, 0, far]).max()) < 0.12 * float(np.abs(warp).max())


def test_a_larger_knee_moves_by_the_same_millimetres() -> None:
    twice = replace(KNEE, scale=(1.0, 2.0, 2.0))
    centre = np.abs(lattice_points()[0, ..., 1:]).sum(axis=-1)
    j, i = np.unravel_index(int(centre.argmin()), centre.shape)
    near = coronal_warp(KNEE)[1:, 0, j, i]
    # the template is half the size of the larger knee, and its middle is the same place but for a few mm
    assert 2 * coronal_warp(twice)[1:, 0, j, i] == pytest.approx(near, abs=0.8)


def test_nothing_folds() -> None:
    spacing = np.diff(lattice_points()[0, :, 0, 1])[0]
    for outline in radiograph_population().towards_mm:
        for seed in range(10):
            warp = coronal_warp(replace(KNEE, seed=seed, template=outline, coronal_mm=1.0))[1:, 0]
            (zz, zx), (xz, xx) = ((np.gradient(part, spacing, axis=axis) for axis in (0, 1)) for part in warp)
            assert ((1 + zz) * (1 + xx) - zx * xz).min() > 0.3
