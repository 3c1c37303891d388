"""The pseudo-MRI volume: a stack of synthetic coronal slices with geometry and provenance."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ProcessingError
from . import geometry

if TYPE_CHECKING:
    import SimpleITK

    from .writing import VolumeFiles

# the decoder's values are already clipped to [0, 1]; a larger excess than this is an error, not rounding
_ROUNDING = 1e-3


@dataclass
class PseudoMRI:
    """A synthetic volume in the nominal frame of Xray2MRILib.volume.geometry.

    Attributes
    ----------
    array
        [S, H, W] float32 grey values in [0, 1] in file order: slice 0 is the most anterior one, rows run from superior
        to inferior, columns from the patient's right to the left.
    provenance
        Origin of the volume, see Xray2MRILib.volume.provenance.
    mirrored
        True for left knees. The model works on right knees, so a left knee's radiograph is mirrored first and its
        volume is mirrored back (A22). ``array`` is already mirrored back.
    deviation
        [S, H, W] float32 voxel-wise standard deviation over several seeds in the order of ``array``, or None.
    acquired
        [S, H, W] float32 in [0, 1]: ``array`` as a scanner would show it, with noise, for viewers and pictures. None
        for a volume without. Everything that is measured is measured on ``array``.
    contains_noise
        Whether ``array`` itself has scanner noise, because the noise-free voxels were not kept.

    Raises ValueError for wrong shapes or values outside [0, 1], ProcessingError for values that are not finite.
    """

    array: np.ndarray
    provenance: dict[str, Any] = field(default_factory=dict)
    mirrored: bool = False
    deviation: np.ndarray | None = None
    acquired: np.ndarray | None = None
    contains_noise: bool = False

    def __post_init__(self) -> None:
        self.array = _check_array(self.array, "volume")
        for name, what in (("deviation", "standard deviation"), ("acquired", "volume with noise")):
            other = getattr(self, name)
            if other is None:
                continue
            other = _check_array(other, what)
            if other.shape != self.array.shape:
                raise ValueError(
                    f"The {what} has the shape {other.shape}, but the volume has the shape {self.array.shape}."
                )
            setattr(self, name, other)

    @property
    def shown(self) -> np.ndarray:
        """[S, H, W] what viewers and pictures show: with scanner noise where the volume has it."""
        return self.array if self.acquired is None else self.acquired

    @property
    def nbytes(self) -> int:
        """Memory of all its voxels."""
        kept = (self.array, self.deviation, self.acquired)
        return sum(voxels.nbytes for voxels in kept if voxels is not None)

    @property
    def num_slices(self) -> int:
        """Number of slices S."""
        return self.array.shape[0]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel spacing (x, y, z) in mm along columns, rows and slices."""
        return geometry.spacing_mm(*self.array.shape)

    @property
    def direction(self) -> tuple[float, ...]:
        """LPS direction cosines, 9 numbers row by row, as in SimpleITK."""
        return geometry.DIRECTION_LPS

    @property
    def origin(self) -> tuple[float, float, float]:
        """LPS position in mm of the centre of the first voxel."""
        return geometry.origin_mm(*self.array.shape)

    @property
    def depth_positions(self) -> np.ndarray:
        """[S] depths u in file order, from +1 (anterior) to -1 (posterior)."""
        return geometry.depth_positions(self.num_slices)[::-1]

    @property
    def side(self) -> str:
        """The knee shown, "left" or "right"."""
        return "left" if self.mirrored else "right"

    @classmethod
    def from_depth_slices(
        cls,
        slices: np.ndarray,
        mirrored: bool,
        provenance: dict[str, Any],
        deviation: np.ndarray | None = None,
    ) -> PseudoMRI:
        """A volume from the model's slices, [S, H, W] in [0, 1], posterior first, in right-knee space."""
        return cls(
            array=_reorder(slices, mirrored),
            provenance=provenance,
            mirrored=mirrored,
            deviation=None if deviation is None else _reorder(deviation, mirrored),
        )

    def depth_slices(self, *, shown: bool = False) -> np.ndarray:
        """[S, H, W] float32 in the model's order and space: posterior first, right knee.

        Without scanner noise, as measurements need it; with ``shown`` what viewers show.
        """
        return _reorder(self.shown if shown else self.array, self.mirrored)

    def to_sitk(self, array: np.ndarray | None = None) -> SimpleITK.Image:
        """The volume as a SimpleITK image in LPS, or another ``array`` of the same shape in its geometry."""
        import SimpleITK as sitk

        return self.placed(sitk.GetImageFromArray(self.array if array is None else array))

    def placed(self, image: SimpleITK.Image) -> SimpleITK.Image:
        """The same image, [W, H, S] voxels, with the geometry of the volume."""
        image.SetSpacing(self.spacing)
        image.SetDirection(self.direction)
        image.SetOrigin(self.origin)
        return image

    def save(self, path: str | Path, *, keep_identifiers: bool = False) -> VolumeFiles:
        """Write volume and side-car, see Xray2MRILib.volume.writing.write_volume; returns the paths."""
        from .writing import write_volume

        return write_volume(self, path, keep_identifiers=keep_identifiers)

    @classmethod
    def load(cls, path: str | Path) -> PseudoMRI:
        """Read a saved volume with its side-car, see Xray2MRILib.volume.reading.read_volume."""
        from .reading import read_volume

        return read_volume(path)


def _reorder(slices: np.ndarray, mirrored: bool) -> np.ndarray:
    """Convert depth order and right-knee space to file order and patient space, or back; it is its own inverse."""
    slices = np.asarray(slices)
    if slices.ndim != 3:
        raise ValueError(f"Slices must be [S, H, W], not an array with {slices.ndim} dimensions.")
    return slices[::-1, :, ::-1] if mirrored else slices[::-1]


def _check_array(array: np.ndarray, what: str) -> np.ndarray:
    array = np.ascontiguousarray(array, dtype=np.float32)
    if array.ndim != 3 or array.shape[0] < 2 or 0 in array.shape:
        raise ValueError(f"The {what} must be [S, H, W] with at least 2 slices, not {array.shape}.")
    if not np.isfinite(array).all():
        raise ProcessingError(
            f"The {what} contains values that are not finite.",
            code="non-finite-volume",
            hint="Choose another seed or device.",
        )
    low, high = array.min(), array.max()
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        raise ValueError(f"Grey values of the {what} must lie in [0, 1], not [{low:g}, {high:g}].")
    # copy only if necessary: 500 slices take 131 MB
    return array if low >= 0 and high <= 1 else np.clip(array, 0.0, 1.0)
