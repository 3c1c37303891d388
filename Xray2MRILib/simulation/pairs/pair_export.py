"""Simulated pairs as ordinary files: the radiograph as PNG, the MR volume as NRRD, for viewers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...acquisition.acquisition_model import Acquisition, acquire
from ...files.atomic_write import AtomicFiles, check_place
from ..mr.flash_mri import FIRST_DEPTH_MM, JOINT_ROW, PITCH_MM, PIXEL_MM, SIZE
from ..radiograph.appearance import expose, joint_crop
from .pair_store import list_pairs, read_pair


def export_pairs(folder: Path, output: Path) -> list[Path]:
    """Write every pair of ``folder`` as ``NAME-radiograph.png`` and ``NAME-mr.nrrd`` into ``output``; returns them.

    The radiograph is one exposure of the joint crop. The volume goes through the acquisition model, seeded by the
    knee, and lies in scanner coordinates (LPS) with the joint centre at the origin; a right knee. Raises InputError
    when there are no pairs, ProcessingError when a file cannot be written.
    """
    pairs = list_pairs(folder)
    output.mkdir(parents=True, exist_ok=True)
    written = []
    for path in pairs:
        pair = read_pair(path)
        seed = pair.parameters.seed
        crop = joint_crop(expose(pair.bone, pair.soft, np.random.default_rng(seed)), pair.parameters)
        volume = acquire(pair.volume, Acquisition(seed=seed)).numpy()
        for name, save, values in (("radiograph.png", _save_png, crop), ("mr.nrrd", _save_nrrd, volume)):
            target = output / f"{path.stem}-{name}"
            check_place(target)
            with AtomicFiles() as files:
                save(values, files.stage(target))
            written.append(target)
    return written


def _save_png(crop: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray((np.clip(crop, 0, 1) * 255).round().astype(np.uint8)).save(path, "png")


def _save_nrrd(volume: np.ndarray, path: Path) -> None:
    """Slices from posterior to anterior, rows from superior to inferior, columns from the patient's right to left."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray((volume * 4095).round().astype(np.uint16))
    image.SetSpacing((PIXEL_MM, PIXEL_MM, PITCH_MM))
    image.SetDirection((1, 0, 0, 0, 0, -1, 0, -1, 0))
    image.SetOrigin((-(SIZE - 1) / 2 * PIXEL_MM, -FIRST_DEPTH_MM, JOINT_ROW * PIXEL_MM))
    writer = sitk.ImageFileWriter()
    writer.SetImageIO("NrrdImageIO")
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.Execute(image)
