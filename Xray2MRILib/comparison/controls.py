"""What stands where the pseudo-MRI stands: volumes that know nothing of this knee and score all the same.

A figure means something only beside theirs. Blank and constant volumes show which measures reward emptiness, the
training mean what can be had without a radiograph, another knee what any plausible knee is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files.resources import resource_path
from ..volume import geometry
from ..volume.file_name import VOLUME_ENDINGS
from ..volume.writing import FURTHER_VOXELS, VolumeFiles

CONSTANT_GREY = 0.1
_COLUMNS = 10
_MOST_OTHERS = 5  # of the given controls: each costs as much as the pseudo-MRI itself

BLANK, CONSTANT, MEAN, OTHER, SHUFFLED = "blank", "constant 10 %", "training mean", "other knee", "shuffled pairing"


@dataclass(frozen=True)
class Control:
    """One control: [S, H, W] float32 in [0, 1] on the pseudo-MRI's grid, and what it is in words.

    ``anatomy`` is True for a volume that shows a knee and is aligned as the pseudo-MRI is.
    """

    name: str
    description: str
    volume: np.ndarray
    anatomy: bool


def shipped_mean() -> np.ndarray:
    """[50, 256, 256] float32 in [0, 1]: mean of simulated training knees, posterior first, right knee."""
    return _mosaic("training_mean.webp")


def shipped_knee() -> np.ndarray:
    """[50, 256, 256] float32 in [0, 1]: one simulated training knee, posterior first, right knee."""
    return _mosaic("training_knee.webp")


def _mosaic(name: str) -> np.ndarray:
    from PIL import Image

    with Image.open(resource_path(f"controls/{name}")) as picture:
        grey = np.asarray(picture.convert("L"))
    size = grey.shape[1] // _COLUMNS
    volume = grey.reshape(-1, size, _COLUMNS, size).swapaxes(1, 2).reshape(-1, size, size)
    return volume[: geometry.OAI_FIELD.num_slices].astype(np.float32) / 255


def on_grid(depth_slices: np.ndarray, shape: tuple[int, ...], mirrored: bool) -> np.ndarray:
    """A volume [S', H', W'] (posterior first, right knee) on a pseudo-MRI's grid of ``shape``, in file order.

    Both span the same 73.5 x 160 x 160 mm, so that depths are interpolated between slices and pixels within them.
    """
    from scipy.ndimage import zoom

    depths = np.array([geometry.depth_to_index(u, len(depth_slices)) for u in geometry.depth_positions(shape[0])])
    lower = np.minimum(depths.astype(int), len(depth_slices) - 2)
    share = (depths - lower)[:, None, None].astype(np.float32)
    volume = depth_slices[lower] * (1 - share) + depth_slices[lower + 1] * share
    if volume.shape != tuple(shape):
        scale = [wanted / given for wanted, given in zip(shape, volume.shape, strict=True)]
        volume = np.clip(zoom(volume, scale, order=1, grid_mode=True, mode="nearest"), 0, 1)
    volume = volume[::-1, :, ::-1] if mirrored else volume[::-1]
    return np.ascontiguousarray(volume, np.float32)


def empty_controls(shape: tuple[int, int, int]) -> list[Control]:
    """Blank and constant volumes of a shape."""
    return [
        Control(BLANK, "every voxel 0", np.zeros(shape, np.float32), False),
        Control(CONSTANT, "every voxel 0.1", np.full(shape, CONSTANT_GREY, np.float32), False),
    ]


def mean_control(shape: tuple[int, int, int], mirrored: bool) -> Control:
    """The training mean on a grid."""
    return Control(MEAN, "mean of 500 simulated training knees", on_grid(shipped_mean(), shape, mirrored), True)


def shipped_other_knee(shape: tuple[int, int, int], mirrored: bool) -> Control:
    """The shipped simulated knee on a grid."""
    return Control(OTHER, "one simulated training knee", on_grid(shipped_knee(), shape, mirrored), True)


def measured_file(path: Path) -> Path:
    """The noise-free voxels of a control that this program wrote, where they lie beside it; otherwise the file."""
    if not path.name.lower().endswith(VOLUME_ENDINGS):
        return path
    noise_free = VolumeFiles.to_read(path).noise_free
    return noise_free if noise_free.is_file() else path


def control_files(folder: Path) -> list[Path]:
    """The volumes of a folder of other people's knees, at most five. Raises InputError when there is none."""
    if not folder.is_dir():
        raise InputError(f"The folder of controls {folder.name} does not exist.", code="bad-controls",
                         hint="Give a folder of volumes of other knees, or no controls.", field="controls")  # fmt: skip
    endings = (".nrrd", ".nii", ".nii.gz", ".mha", ".npz")
    files = sorted(
        path for path in folder.iterdir()
        if path.name.lower().endswith(endings) and not path.name.startswith(".")
        and not any(f"_{what}." in path.name for what in FURTHER_VOXELS)
    )  # fmt: skip
    if not files:
        raise InputError(f"The folder of controls {folder.name} contains no volume.", code="bad-controls",
                         hint="Put .nrrd, .nii.gz, .mha volumes or simulated pairs (.npz) into it.",
                         field="controls")  # fmt: skip
    return [files[round(place)] for place in np.linspace(0, len(files) - 1, min(len(files), _MOST_OTHERS))]
