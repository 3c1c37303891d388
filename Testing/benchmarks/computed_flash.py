"""The water-excited FLASH that the multi-echo knee would give: the signal equation on its maps as they are.

No deformation, no added texture, no outline of another knee: what the simulated knees are to look like.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

T1_MS = {"water": 1300.0, "fluid": 3620.0, "fat": 371.0}
FAT_RESIDUE, FAT_T2STAR_MS, T2STAR_SHARE = 0.07, 40.0, 0.75
FULL = {"water": 200.0, "fat": 200.0, "fluid": 150.0}  # stored value of the pure substance
FIRST_MM, PITCH_MM, PIXEL_MM, JOINT_ROW, MIDDLE_COLUMN = -35.0, 1.5, 0.625, 152.0, 127.5


def computed_flash(folder: Path) -> np.ndarray:
    """Volume [50, 256, 256] float32 of the maps in ``folder``, posterior slice first, any scale (about a minute)."""
    from scipy import ndimage

    from Xray2MRILib.simulation.anatomy.multi_echo_maps import read_multi_echo
    from Xray2MRILib.simulation.anatomy.multi_echo_template import PLATEAU_VOXEL
    from Xray2MRILib.simulation.mr.property_tables import saturation
    from Xray2MRILib.simulation.mr.tissue_properties import ECHO_TIME_MS

    maps = read_multi_echo(folder)
    decay = np.exp(-ECHO_TIME_MS / np.maximum(T2STAR_SHARE * maps.t2_ms, 1.0))
    signal = saturation(T1_MS["water"]) * maps.water / FULL["water"] * decay
    signal += saturation(T1_MS["fluid"]) * maps.fluid / FULL["fluid"]
    signal += FAT_RESIDUE * saturation(T1_MS["fat"]) * maps.fat / FULL["fat"] * np.exp(-ECHO_TIME_MS / FAT_T2STAR_MS)
    offsets = (
        FIRST_MM + PITCH_MM * np.arange(50),
        PIXEL_MM * (np.arange(256) - JOINT_ROW),
        PIXEL_MM * (np.arange(256) - MIDDLE_COLUMN),
    )
    places = [p + mm / s for p, mm, s in zip(PLATEAU_VOXEL, offsets, maps.spacing_mm, strict=True)]
    grid = np.meshgrid(*places, indexing="ij")
    return ndimage.map_coordinates(signal.astype(np.float32), grid, order=1, mode="constant")
