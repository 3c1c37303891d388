"""Alignment: known displacements are found, matrices mean what they say, the resampling keeps its place."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from Xray2MRILib.comparison.alignment import align
from Xray2MRILib.errors import InputError


def _displaced(image: sitk.Image, transform: sitk.Transform) -> tuple[sitk.Image, np.ndarray]:
    """The image carried along by a transform without resampling, and the matrix that brings its points back."""
    moved = sitk.Image(image)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    matrix[:3, 3] = transform.GetTranslation()
    scale = np.cbrt(np.linalg.det(matrix[:3, :3]))
    moved.SetOrigin(transform.TransformPoint(image.GetOrigin()))
    moved.SetDirection((matrix[:3, :3] / scale @ np.reshape(image.GetDirection(), (3, 3))).ravel().tolist())
    moved.SetSpacing([step * scale for step in image.GetSpacing()])
    return moved, np.linalg.inv(matrix)


def _farthest_mm(found: np.ndarray, expected: np.ndarray, near: sitk.Image) -> float:
    """Largest distance between where two matrices put the corners of a 60 mm cube around the image's centre."""
    centre = np.array(near.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in near.GetSize()]))
    corners = np.array([[x, y, z] for x in (-30, 30) for y in (-30, 30) for z in (-30, 30)]) + centre
    points = np.c_[corners, np.ones(8)].T
    return float(np.linalg.norm((found @ points - expected @ points)[:3], axis=0).max())


@pytest.mark.parametrize("method", ["rigid", "similarity"])
def test_a_known_displacement_is_found(pseudo, method):
    fixed = pseudo.to_sitk()
    transform = sitk.Similarity3DTransform() if method == "similarity" else sitk.Euler3DTransform()
    if method == "similarity":
        transform.SetScale(1.08)
    transform.SetTranslation((55.0, -140.0, 30.0))
    if method == "rigid":
        transform.SetRotation(0.05, -0.08, 0.1)
    moving, back = _displaced(fixed, transform)
    found = align(fixed, moving, method)
    assert _farthest_mm(found.matrix, back, moving) < 1.5
    inside = found.covered
    assert np.corrcoef(found.volume[inside], pseudo.array[inside])[0, 1] > 0.97


def test_an_initial_matrix_maps_reference_points_to_points_of_the_volume(pseudo):
    fixed = pseudo.to_sitk()
    transform = sitk.Euler3DTransform()
    transform.SetRotation(0.3, 0.1, -0.2)
    transform.SetTranslation((20.0, 300.0, -60.0))
    moving, back = _displaced(fixed, transform)
    placed = align(fixed, moving, "none", back.ravel())
    assert placed.matrix == pytest.approx(back, abs=1e-9)
    inside = placed.covered
    assert inside.mean() > 0.9
    assert np.abs(placed.volume[inside] - pseudo.array[inside]).mean() < 0.002
    # a nudge that is a little off is the start of a registration, not its end
    off = back.copy()
    off[:3, 3] += (6.0, -4.0, 5.0)
    assert _farthest_mm(align(fixed, moving, "rigid", off.ravel()).matrix, back, moving) < 1.5


def test_without_alignment_the_same_grid_gives_the_same_voxels(pseudo):
    found = align(pseudo.to_sitk(), pseudo.to_sitk(), "none")
    assert found.volume == pytest.approx(pseudo.array, abs=1e-6)
    assert found.covered.all()
    assert (found.matrix == np.eye(4)).all()


def test_a_registration_repeats_itself(pseudo):
    moving = sitk.Image(pseudo.to_sitk())
    moving.SetOrigin(np.add(moving.GetOrigin(), (3, 2, -4)).tolist())
    first, second = (align(pseudo.to_sitk(), moving, "rigid").matrix for _ in range(2))
    assert (first == second).all()


def test_refusals(pseudo):
    fixed = pseudo.to_sitk()
    far = sitk.Image(fixed)
    far.SetOrigin((1000.0, 0.0, 0.0))
    with pytest.raises(InputError, match="do not overlap"):
        align(fixed, far, "none")
    with pytest.raises(InputError, match="4 x 4"):
        align(fixed, fixed, "none", [1.0] * 12)
    with pytest.raises(InputError, match="affine"):
        align(fixed, fixed, "affine")
