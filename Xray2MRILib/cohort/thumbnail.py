"""A small picture of one result: the crop of the radiograph beside the middle slice of the volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..preparation.joint_crop import PreparedRadiograph
    from ..volume.pseudo_mri import PseudoMRI

EDGE = 96  # pixels of each of the two pictures


def write_thumbnail(knee: PreparedRadiograph, volume: PseudoMRI, path: Path) -> None:
    """Write a JPEG of 192 x 96 pixels, both pictures in the patient's orientation. Raises OSError."""
    from PIL import Image

    crop = (np.clip(knee.image[0], -1, 1) + 1) / 2
    if knee.mirrored:
        crop = crop[:, ::-1]
    middle = volume.array[volume.num_slices // 2]
    page = Image.new("L", (2 * EDGE, EDGE))
    for place, picture in enumerate((crop, middle)):
        grey = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
        page.paste(grey.resize((EDGE, EDGE), Image.Resampling.LANCZOS), (place * EDGE, 0))
    page.save(path, format="JPEG", quality=80)
