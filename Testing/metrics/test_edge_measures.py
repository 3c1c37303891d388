"""Edge distance, boundary F1 and RSSIM: what they must do on real-like volumes, and figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.metrics.boundary_f1 import boundary_f1
from Xray2MRILib.metrics.canny_edges import EdgeMap, canny_edges
from Xray2MRILib.metrics.edge_distance import FARTHEST_MM, edge_distance_mm
from Xray2MRILib.metrics.rssim import rssim

SHIFTS = (2, 4, 8, 16)


@pytest.fixture(scope="module")
def shifted(knee, region):
    """Edge maps of the knee moved down by each of SHIFTS pixels."""
    return [EdgeMap(canny_edges(np.roll(knee, shift, axis=1)), region.box) for shift in SHIFTS]


def test_distance_and_f1_by_hand():
    pictures = np.zeros((4, 64, 64), bool)
    pictures[:, 30, 10:50] = True
    moved = np.zeros_like(pictures)
    moved[0, 30, 10:50] = True
    moved[1, 32, 10:50] = True
    moved[2, 35, 10:50] = True
    box = (20, 45, 5, 55)
    reference, image = EdgeMap(pictures, box), EdgeMap(moved, box)
    assert edge_distance_mm(reference, image, pixel_mm=0.5) == pytest.approx([0, 1.0, 2.5, FARTHEST_MM])
    assert boundary_f1(reference, image) == pytest.approx([1, 1, 0, 0])
    # half of the line is missing: all that is drawn is right, half of what is there is drawn
    half = np.zeros_like(pictures)
    half[:, 30, 10:28] = True
    assert boundary_f1(reference, EdgeMap(half, box))[0] == pytest.approx(2 * 1 * 0.5 / 1.5)


def test_edges_that_a_shift_carries_over_the_rim_are_still_partners():
    pictures, moved = np.zeros((2, 1, 64, 64), bool)
    pictures[0, 21, 10:50] = True
    pictures[0, 40, 10:50] = moved[0, 40, 10:50] = True
    moved[0, 18, 10:50] = True
    box = (20, 45, 0, 64)
    assert edge_distance_mm(EdgeMap(pictures, box), EdgeMap(moved, box), pixel_mm=1.0)[0] == pytest.approx(0.75)


def test_shifts_rank_correctly_almost_always(edges, shifted, region):
    distance = np.array([edge_distance_mm(edges, image) for image in shifted])[:, region.valid]
    assert (np.diff(distance, axis=0) > 0).mean() > 0.97
    f1 = np.array([boundary_f1(edges, image) for image in shifted])[:, region.valid]
    assert (np.diff(f1[[0, 1, 3]], axis=0) < 0).mean() > 0.9
    assert edge_distance_mm(edges, edges)[region.valid] == pytest.approx(0)


def test_an_empty_volume_is_worst(edges, shifted):
    empty = EdgeMap(np.zeros_like(edges.edges), edges.box)
    distance = edge_distance_mm(edges, empty)
    assert (distance == FARTHEST_MM).all()
    assert (boundary_f1(edges, empty) == 0).all()
    assert all(np.all(edge_distance_mm(edges, image) <= distance) for image in shifted)


def test_the_neighbouring_slice_scores_near_six_tenths_of_a_millimetre(edges, region):
    neighbour = EdgeMap(np.roll(edges.edges, -1, axis=0), edges.box)
    both = region.valid & np.roll(region.valid, -1)
    assert 0.4 < np.median(edge_distance_mm(edges, neighbour)[both]) < 1.0


def test_rssim_is_undefined_where_there_is_no_region_or_no_edge(edges, region):
    values = rssim(edges.edges, np.roll(edges.edges, 3, axis=2), region.rows)
    assert np.isnan(values[~region.valid]).all()
    assert np.isfinite(values[region.valid]).all()
    assert np.isnan(rssim(np.zeros_like(edges.edges), edges.edges, region.rows)).all()


def test_rssim_is_won_by_an_empty_picture(edges, shifted, region):
    """The fault of the measure, kept on record: this is why it is never shown alone."""
    empty = np.nanmedian(rssim(edges.edges, np.zeros_like(edges.edges), region.rows))
    assert empty > np.nanmedian(rssim(edges.edges, shifted[-1].edges, region.rows))
    assert rssim(edges.edges, edges.edges, region.rows)[region.valid] == pytest.approx(1)


def test_the_rim_of_missing_voxels_is_no_edge():
    volume = np.full((1, 80, 80), 0.6)
    mask = np.ones(volume.shape, bool)
    mask[:, :, 50:] = False
    volume[~mask] = 0.0
    assert canny_edges(volume).any()
    assert not canny_edges(volume, mask).any()
