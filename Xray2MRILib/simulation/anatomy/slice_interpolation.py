"""Sections between thick sagittal slices: neighbours are registered, moved towards each other and blended.

Plain linear interpolation over 4 mm doubles every oblique edge. With a displacement field between neighbours an edge
moves from its place in one slice to its place in the next.
"""

from __future__ import annotations

import numpy as np


def interpolate_slices(
    maps: list[np.ndarray], guide: np.ndarray, spacing_mm: float, step_mm: float, *, iterations: int = 60
) -> tuple[list[np.ndarray], np.ndarray]:
    """Maps [N, H, W] on sections ``step_mm`` apart instead of ``spacing_mm``.

    ``guide`` [N, H, W] float is what the registration sees. Returns the new maps, float32 [M, H, W], and the places of
    their sections in units of the old ones, float [M].
    """
    count = round((len(guide) - 1) * spacing_mm / step_mm) + 1
    places = np.minimum(np.arange(count) * step_mm / spacing_mm, len(guide) - 1)
    results = [np.empty((count, *guide.shape[1:]), np.float32) for _ in maps]
    index = np.minimum(places.astype(int), len(guide) - 2)
    for first in range(len(guide) - 1):
        forth = section_displacement(guide[first], guide[first + 1], iterations)
        back = section_displacement(guide[first + 1], guide[first], iterations)
        for section in np.flatnonzero(index == first):
            share = float(places[section] - first)
            for result, source in zip(results, maps, strict=True):
                result[section] = _between(source[first], source[first + 1], forth, back, share)
    return results, places


def _between(a: np.ndarray, b: np.ndarray, forth: np.ndarray, back: np.ndarray, share: float) -> np.ndarray:
    """The picture at ``share`` between ``a`` and ``b``; displacements [2, H, W] in pixels (row, column).

    ``forth`` takes points of ``a`` to what ``b`` shows there, ``back`` the other way round.
    """
    from scipy import ndimage

    rows, columns = np.mgrid[: a.shape[0], : a.shape[1]].astype(np.float32)
    moved_a = ndimage.map_coordinates(a, (rows + share * back[0], columns + share * back[1]), order=1, mode="nearest")
    moved_b = ndimage.map_coordinates(
        b, (rows + (1 - share) * forth[0], columns + (1 - share) * forth[1]), order=1, mode="nearest"
    )
    return (1 - share) * moved_a + share * moved_b


def section_displacement(fixed: np.ndarray, moving: np.ndarray, iterations: int) -> np.ndarray:
    """Displacement [2, H, W] in pixels such that moving(p + d(p)) resembles fixed(p): demons on two resolutions."""
    import SimpleITK as sitk

    images = [sitk.GetImageFromArray(np.ascontiguousarray(a, dtype=np.float32)) for a in (fixed, moving)]
    field = None
    for shrink, rounds in ((4, iterations), (2, iterations), (1, iterations // 2)):
        small = [sitk.Shrink(sitk.DiscreteGaussian(i, (shrink / 2) ** 2), [shrink] * 2) for i in images]
        demons = sitk.DiffeomorphicDemonsRegistrationFilter()
        demons.SetNumberOfIterations(rounds)
        demons.SetStandardDeviations(2.0)
        demons.SetNumberOfThreads(1)
        if field is not None:
            field = sitk.Resample(field, small[0], sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64)
            field = demons.Execute(*small, field)
        else:
            field = demons.Execute(*small)
    return np.moveaxis(sitk.GetArrayFromImage(field), -1, 0)[::-1].astype(np.float32)
