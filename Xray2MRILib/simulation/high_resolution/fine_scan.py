"""One simulated knee on a grid of isotropic voxels, free of noise: the truth that coarser scans are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...volume.geometry import OAI_FIELD
from ..mr import flash_mri
from ..mr.flash_mri import ScanGeometry
from ..mr.image_signal import PreparedTemplate, knee_signal
from ..pairs.image_knee import ImageKnee, deformed
from .small_lesions import SmallLesion, draw_small_lesions, paint, with_places

VOXEL_MM = OAI_FIELD.pixel_mm
_SLICES = round(OAI_FIELD.num_slices * OAI_FIELD.slice_thickness_mm / VOXEL_MM)
# the same slab as that of the OAI scan: its outermost voxels begin where the first thick slice begins
FINE_SCAN = ScanGeometry(
    pixel_mm=VOXEL_MM,
    pitch_mm=VOXEL_MM,
    slices=_SLICES,
    first_depth_mm=flash_mri.FIRST_DEPTH_MM - (OAI_FIELD.slice_thickness_mm - VOXEL_MM) / 2,
)
BRIGHTEST = 2.0  # vessels beyond the upper percentile are kept up to this


@dataclass
class FineVolume:
    """One knee on isotropic voxels.

    Attributes
    ----------
    values
        float32 [120, 256, 256], posterior slice first; percentiles 0.5 and 99.5 are 0 and 1, clipped to [0, 2].
    lesions
        Places of small lesions, painted in half of the knees; in the others they are empty places to compare with.
    """

    values: torch.Tensor
    lesions: list[SmallLesion]


def scan_fine(source: PreparedTemplate, knee: ImageKnee, *, with_lesions: bool) -> FineVolume:
    """Render ``knee``; ``with_lesions`` paints its small lesions, whose places are recorded anyway."""
    parameters = knee.parameters
    deformation = deformed(source, knee)
    nodes = flash_mri.field_nodes(deformation, parameters, FINE_SCAN)
    low, high = nodes[..., 0].aminmax()
    signal = knee_signal(
        source, parameters, knee.scan, low_mm=float(low), high_mm=float(high),
        along_mm=flash_mri.reach_along_leg(deformation, nodes), slice_average=False,
    )  # fmt: skip
    lesions = with_places(draw_small_lesions(source.template.anatomy, parameters.seed), deformation, FINE_SCAN)
    if with_lesions:
        paint(signal, lesions, knee)
        lesions = [lesion.painted_one() for lesion in lesions]
    values = flash_mri.scan(deformation, signal, parameters, nodes, FINE_SCAN)
    return FineVolume(in_range(values), lesions)


def in_range(values: torch.Tensor) -> torch.Tensor:
    """Percentiles 0.5 and 99.5 to 0 and 1; what is brighter stays brighter, up to ``BRIGHTEST``."""
    some = values[::2, ::2, ::2].flatten()
    low, high = (float(some.kthvalue(round(share * (len(some) - 1)) + 1).values) for share in (0.005, 0.995))
    return ((values - low) / max(high - low, 1e-6)).clamp(0, BRIGHTEST)
