"""What one knee's scan makes of water and fat in each tissue: gains of the template's maps, and plain class signals.

Values relative to the template's maps: signal = water * water_gain[code] + fat * fat_gain[code]. ``water`` already
holds proton density and the decay until the echo; the gains hold saturation (T1), what differs between people, and for
fat what water excitation leaves of it. T1 at 3 T: muscle 1412, cartilage 950 (855 to 946 were measured in living knees,
1240 elsewhere), meniscus 960, fat 371, marrow 365, fluid 3620, blood 1900 ms (Gold et al. 2004 and others).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.tissue_codes import BONE_CODES, CODE, CODES
from .tissue_properties import ECHO_TIME_MS, FAT_T1_MS, spoiled_gradient_echo

WATER_T1_MS = {
    "muscle": 1412.0, "cartilage": 950.0, "meniscus": 960.0, "fluid": 3620.0, "ligament": 1000.0, "tendon": 780.0,
    "skin": 1100.0, "synovium": 1300.0, "nerve": 1080.0, "artery": 1900.0, "vein": 1900.0,
}  # fmt: skip
OTHER_WATER_T1_MS = 1100.0
FAT_T2STAR_MS = 40.0
INFLOW = {"artery": 1.7, "vein": 1.4}
# Water that the class has by itself, proton density and T2* in ms: for voxels that disease or drawing has changed.
PLAIN_WATER = {
    "outside": (0.0, 20.0), "connective": (0.10, 16.0), "muscle": (0.79, 25.0), "fat": (0.04, 20.0),
    "tendon": (0.60, 2.8), "nerve": (0.55, 25.0), "artery": (0.90, 25.0), "vein": (0.90, 22.0),
    "meniscus": (0.65, 7.0), "cartilage": (0.80, 24.0), "femur": (0.035, 10.5), "tibia": (0.035, 10.5),
    "fibula": (0.035, 10.5), "patella": (0.035, 10.5), "fluid": (1.0, 60.0), "osteophyte": (0.045, 10.5),
    "ligament": (0.72, 12.0), "synovium": (0.72, 20.0), "subcutaneous": (0.03, 25.0), "skin": (0.635, 11.0),
}  # fmt: skip
PLAIN_FAT = {
    "connective": 0.75, "fat": 0.88, "subcutaneous": 0.90, "nerve": 0.20, "synovium": 0.15, "femur": 0.85,
    "tibia": 0.85, "fibula": 0.85, "patella": 0.85, "osteophyte": 0.60,
}  # fmt: skip


@dataclass(frozen=True)
class PropertyTables:
    """Per code, float32 [number of codes]: gains of water and fat, and the plain signals of both.

    ``plain_water`` and ``plain_fat`` are the signals of a voxel whose tissue is not the template's own.
    """

    water_gain: np.ndarray
    fat_gain: np.ndarray
    plain_water: np.ndarray
    plain_fat: np.ndarray


def saturation(t1_ms: float) -> float:
    """Signal of the steady state without decay, relative to proton density."""
    return spoiled_gradient_echo(t1_ms, 1e9)


def property_tables(
    seed: int, fat_residue: float, inflow: float, *, marrow_t2star_ms: float, spread: float = 0.05
) -> PropertyTables:
    """Tables of one scan; each tissue varies by ``spread`` (standard deviation, cut at 3)."""
    rng = np.random.default_rng([seed, 41])
    size = len(CODES)
    water_gain, plain_water = np.zeros(size), np.zeros(size)
    fat_gain, plain_fat = np.zeros(size), np.zeros(size)
    fat_level = fat_residue * saturation(FAT_T1_MS)
    for name, code in CODE.items():
        variation = float(np.clip(rng.normal(1, spread), 1 - 3 * spread, 1 + 3 * spread))
        flow = INFLOW.get(name, 1.0) * (inflow if name in INFLOW else 1.0)
        bone = code in BONE_CODES or name == "osteophyte"
        water = saturation(WATER_T1_MS.get(name, OTHER_WATER_T1_MS)) * variation * flow
        # trabeculae dephase the marrow's spins: both its parts decay faster than elsewhere
        decay = np.exp(-ECHO_TIME_MS / (marrow_t2star_ms if bone else FAT_T2STAR_MS))
        density, t2star = PLAIN_WATER[name]
        water_gain[code] = water
        fat_gain[code] = fat_level * decay * variation
        plain_water[code] = water * density * np.exp(-ECHO_TIME_MS / (marrow_t2star_ms if bone else t2star))
        plain_fat[code] = fat_level * PLAIN_FAT.get(name, 0.0) * decay * variation
    return PropertyTables(*(a.astype(np.float32) for a in (water_gain, fat_gain, plain_water, plain_fat)))
