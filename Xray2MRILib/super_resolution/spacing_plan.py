"""Which axes of a volume get finer voxels, by how much, and what its scanner averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from ..volume.geometry import OAI_FIELD

LARGEST_SCALE = 4.0
DEFAULT_SPACING_MM = OAI_FIELD.pixel_mm
MOST_VOXELS = 200_000_000
_NO_CHANGE = 1.02  # scales below this leave an axis as it is
_WINDOW = 0.5  # share of a Hamming window, which a header does not tell


@dataclass(frozen=True)
class SpacingPlan:
    """Axes in the order of a volume [S, H, W].

    Attributes
    ----------
    measured_mm, spacing_mm
        Spacing before and after.
    scales
        Their ratio, 1 for an axis that stays.
    thick_axis
        The axis that slices resolve: the coarsest one.
    thickness_mm
        Full width at half maximum of the slice profile.
    size, fine_size
        Voxels before and after.
    """

    measured_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]
    scales: tuple[float, float, float]
    thick_axis: int
    thickness_mm: float
    size: tuple[int, int, int]
    fine_size: tuple[int, int, int]

    @property
    def order(self) -> tuple[int, int, int]:
        """The axes, the thick one first."""
        first, second = (axis for axis in range(3) if axis != self.thick_axis)
        return self.thick_axis, first, second


def plan_spacing(
    size: Sequence[int], measured_mm: Sequence[float], wanted_mm: float, thickness_mm: float | None = None
) -> SpacingPlan:
    """The plan for a volume [S, H, W] with spacings ``measured_mm``; axes that are finer than wanted stay.

    ``thickness_mm`` None takes the distance between slices. Raises InputError (code ``bad-spacing``) for a scale above
    ``LARGEST_SCALE``, for a volume that has such voxels already, and for one that would be too large.
    """
    if not 0.05 <= wanted_mm <= 10:
        raise InputError(
            f"The spacing cannot be {wanted_mm:g} mm.", code="bad-spacing", hint="Give 0.05 to 10 mm.", field="spacing"
        )
    coarsest = max(measured_mm)
    if coarsest / wanted_mm > LARGEST_SCALE * 1.001:
        least = coarsest / LARGEST_SCALE
        raise InputError(
            f"Voxels of {wanted_mm:g} mm would be {coarsest / wanted_mm:.1f} times as fine as the {coarsest:g} mm that "
            f"were measured, and beyond {LARGEST_SCALE:g} times nothing reliable can be computed.",
            code="bad-spacing",
            hint=f"Choose a spacing of {_rounded_up(least):g} mm or more.",
            field="spacing",
        )
    scales = [m / wanted_mm if m / wanted_mm > _NO_CHANGE else 1.0 for m in measured_mm]
    if max(scales) == 1.0:
        raise InputError(
            f"The volume has voxels of {coarsest:g} mm already.",
            code="bad-spacing",
            hint=f"Choose a spacing below {coarsest:g} mm.",
            field="spacing",
        )
    fine = [max(round(n * s), 1) for n, s in zip(size, scales, strict=True)]
    if fine[0] * fine[1] * fine[2] > MOST_VOXELS:
        raise InputError(
            f"The volume would have {fine[2]} x {fine[1]} x {fine[0]} voxels, more than this program computes.",
            code="bad-spacing",
            hint="Choose a larger spacing, or crop the volume to the knee first.",
            field="spacing",
        )
    thick = max(range(3), key=lambda axis: (measured_mm[axis], -axis))
    spacing = [m / s for m, s in zip(measured_mm, scales, strict=True)]
    return SpacingPlan(
        _triple(measured_mm), _triple(spacing), _triple(scales), thick,
        float(measured_mm[thick] if thickness_mm is None else thickness_mm), _whole(size), _whole(fine),
    )  # fmt: skip


def samplings(plan: SpacingPlan) -> list:
    """The sampling of each axis, the thick one first, as ``acquisition.voxel_response.AxisSampling``."""
    from ..acquisition.voxel_response import AxisSampling

    found = []
    for axis in plan.order:
        scale, size = plan.scales[axis], plan.size[axis]
        if scale == 1.0:
            found.append(AxisSampling(size, size, 1.0, 0.0))
        elif axis == plan.thick_axis:
            width = plan.thickness_mm / plan.spacing_mm[axis]
            found.append(AxisSampling.centred(size, scale, profile="gaussian", width=width))
        else:
            found.append(AxisSampling.centred(size, scale, window=_WINDOW))
    return found


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = (float(v) for v in values)
    return first, second, third


def _whole(values: Sequence[int]) -> tuple[int, int, int]:
    first, second, third = (int(v) for v in values)
    return first, second, third


def _rounded_up(value: float) -> float:
    """To hundredths of a millimetre."""
    return -(-round(value * 1e6) // 10_000) / 100
