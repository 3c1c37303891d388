"""The OAI-like MR volume of one knee: 3-D FLASH with water excitation, coronal, posterior slice first."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ...volume.geometry import OAI_FIELD
from ..anatomy.deformation import KneeDeformation
from ..anatomy.knee_parameters import KneeParameters
from ..anatomy.tissue_volume import TissueVolume, interpolation, normalised, upsampled_by

PIXEL_MM = OAI_FIELD.pixel_mm
PITCH_MM = OAI_FIELD.slice_thickness_mm
SIZE = OAI_FIELD.pixels
SLICES = OAI_FIELD.num_slices
JOINT_ROW = OAI_FIELD.joint_row
FIRST_DEPTH_MM = -41.0  # slice 0 (posterior) relative to the centre of the tibial plateau


@dataclass(frozen=True)
class ScanGeometry:
    """Where the voxels of a coronal scan lie: ``slices`` of ``size`` x ``size`` pixels.

    ``first_depth_mm`` is that of slice 0 (posterior) relative to the centre of the tibial plateau.
    """

    pixel_mm: float = PIXEL_MM
    pitch_mm: float = PITCH_MM
    size: int = SIZE
    slices: int = SLICES
    first_depth_mm: float = FIRST_DEPTH_MM


OAI_SCAN = ScanGeometry()

# Nodes at which pose and shape are evaluated; between them they are interpolated.
_NODES = (17, 64, 64)
# Rows within this distance of the joint line are opened voxel by voxel; beyond, the tibia's shift varies slowly.
_JOINT_MM = 30.0
_TOGETHER = 10  # slices sampled at once: small arrays are reused by the allocator, large ones are not


def field_axes(
    parameters: KneeParameters, device: torch.device | str = "cpu", geometry: ScanGeometry = OAI_SCAN
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Places of the volume's voxels along y, z and x in mm about this knee's joint centre."""
    oy, oz, ox = parameters.field_offset_mm
    y = geometry.first_depth_mm + oy + geometry.pitch_mm * torch.arange(geometry.slices, device=device)
    pixel = torch.arange(geometry.size, device=device)
    z = (pixel - JOINT_ROW * geometry.size / SIZE) * geometry.pixel_mm - oz
    x = (pixel - (geometry.size - 1) / 2) * geometry.pixel_mm - ox
    return y, z, x


def field_nodes(
    deformation: KneeDeformation, parameters: KneeParameters, geometry: ScanGeometry = OAI_SCAN
) -> torch.Tensor:
    """Template points [17, 64, 64, 3] of a coarse grid over the field, joint closed."""
    axes = [
        torch.linspace(float(a[0]), float(a[-1]), n, device=deformation.device)
        for a, n in zip(field_axes(parameters, geometry=geometry), _NODES, strict=True)
    ]
    return deformation.shape(torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1))


def reach_along_leg(deformation: KneeDeformation, nodes: torch.Tensor) -> tuple[float, float]:
    """Lowest and highest place along the template's leg, in mm, that ``field_nodes`` show, joint closed or open."""
    shown = torch.stack((nodes[..., 1], deformation.open_joint(nodes)[..., 1]))
    low, high = shown.aminmax()
    return float(low), float(high)


def scan(
    deformation: KneeDeformation,
    signal: TissueVolume,
    parameters: KneeParameters,
    nodes: torch.Tensor | None = None,
    geometry: ScanGeometry = OAI_SCAN,
) -> torch.Tensor:
    """Noise-free volume [50, 256, 256] float32, posterior first, of the signal template, on the deformation's device.

    Another ``geometry`` gives its slices and pixels.

    Includes slab profile and receive-coil bias; noise belongs to the acquisition. Partial volume
    along the thick axis: ``signal`` should be averaged over about one slice thickness, see ``slice_averaged``.
    """
    nodes = field_nodes(deformation, parameters, geometry) if nodes is None else nodes
    size, slices_in_all = geometry.size, geometry.slices
    device = deformation.device
    axes = field_axes(parameters, device, geometry)
    matrices = [interpolation(n, len(a), device) for n, a in zip(_NODES, axes, strict=True)]
    total = torch.empty(slices_in_all, size, size, device=device)
    first, last = ((nodes[..., 1] + m).amax(dim=(0, 2)) for m in (_JOINT_MM, -_JOINT_MM))
    rows = torch.linspace(0, size - 1, _NODES[1])
    # Above the femur's joint surface nothing moved; far below, the shift is read off at the nodes.
    top = int(rows[max(int((first < 0).sum()) - 1, 0)])
    bottom = int(rows[min(int((last < 0).sum()) + 1, _NODES[1] - 1)])
    opened = deformation.open_joint(nodes)
    for part, points, whole in ((slice(0, top), nodes, True), (slice(top, bottom), nodes, False),
                                (slice(bottom, size), opened, True)):  # fmt: skip
        for at in range(0, slices_in_all if part.stop > part.start else 0, _TOGETHER):
            slices = slice(at, at + _TOGETHER)
            fine = upsampled_by(points, matrices[0][slices], matrices[1][part], matrices[2])
            total[slices, part] = signal.sample_normalised(
                normalised(fine if whole else deformation.open_joint(fine), signal.low_mm, signal.high_mm)
            )
    distance, softness = parameters.slab_edge
    place = geometry.pitch_mm / PITCH_MM * torch.arange(slices_in_all, device=device)
    slab = torch.sigmoid((place + distance) / softness)
    along = torch.exp(-((axes[1] + parameters.bias_centre_mm) ** 2) / (2 * parameters.bias_length_mm**2))
    tilt_y, tilt_x = parameters.bias_tilt_per_mm
    total *= (slab * (1 + tilt_y * axes[0]))[:, None, None]
    total *= along[:, None] * (1 + tilt_x * axes[2])
    return total


def slice_averaged(signal: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """Template signal [Y, Z, X] averaged over three voxels along y (0.3, 0.4, 0.3), about one slice of 1.5 mm.

    ``out`` takes the result.
    """
    averaged = torch.mul(signal, 0.4, out=out)
    averaged[1:].add_(signal[:-1], alpha=0.3)
    averaged[:-1].add_(signal[1:], alpha=0.3)
    return averaged


def to_unit_range(volume: torch.Tensor) -> torch.Tensor:
    """One mapping per volume: percentiles 0.5 and 99.5 to [0, 1], clipped (A16)."""
    values = volume[::2, ::2, ::2].flatten()
    low, high = (_percentile(values, share) for share in (0.005, 0.995))
    return ((volume - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)


def _percentile(values: torch.Tensor, share: float) -> torch.Tensor:
    """Linearly interpolated, as NumPy's."""
    place = share * (len(values) - 1)
    below = int(place)
    low = values.kthvalue(below + 1).values
    return low + (place - below) * (values.kthvalue(min(below + 2, len(values))).values - low)
