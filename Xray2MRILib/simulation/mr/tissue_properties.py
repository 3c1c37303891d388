"""Relaxation times, proton densities and attenuation coefficients of the simulated tissues.

Relaxation at 3 T: T1 of muscle, cartilage, synovial fluid, fat and marrow after Gold et al. 2004 (AJR 183:343);
T2* of cartilage after Williams et al. 2010, of meniscus and tendon after ultra-short echo work (Du, Bydder and others),
textbook values for nerve, skin and blood. Attenuation: NIST/ICRU-44 mass coefficients at 50 and 60 keV times
density, interpolated at the effective energy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ECHO_TIME_MS = 7.57
REPETITION_TIME_MS = 20.0
FLIP_ANGLE_DEG = 12.0


@dataclass(frozen=True)
class Relaxation:
    """T1 and T2* in ms, proton density relative to water, fat fraction 0..1, inflow gain (1 for static tissue)."""

    t1_ms: float
    t2star_ms: float
    proton_density: float
    fat_fraction: float = 0.0
    inflow: float = 1.0


RELAXATION = {
    "connective": Relaxation(900, 25, 0.85, fat_fraction=0.93),
    "subcutaneous": Relaxation(371, 40, 0.90, fat_fraction=0.97),
    "skin": Relaxation(1100, 12, 0.70),
    "muscle": Relaxation(1412, 28, 0.79),
    "fat": Relaxation(371, 40, 0.90, fat_fraction=0.93),
    "tendon": Relaxation(780, 2.5, 0.60),
    "nerve": Relaxation(1080, 30, 0.75, fat_fraction=0.25),
    "artery": Relaxation(1900, 25, 0.90, inflow=1.7),
    "vein": Relaxation(1900, 22, 0.90, inflow=1.4),
    "meniscus": Relaxation(960, 5.5, 0.65),
    "cartilage": Relaxation(1240, 24, 0.80),
    "femur": Relaxation(365, 18, 0.90, fat_fraction=0.90),
    "tibia": Relaxation(365, 18, 0.90, fat_fraction=0.90),
    "fibula": Relaxation(365, 18, 0.90, fat_fraction=0.92),
    "patella": Relaxation(365, 18, 0.90, fat_fraction=0.90),
    "osteophyte": Relaxation(365, 16, 0.90, fat_fraction=0.85),
    "fluid": Relaxation(3620, 80, 1.00),
    "cortical bone": Relaxation(230, 0.45, 0.20),
}

FAT_T1_MS = 371.0
FAT_RESIDUE = 0.07  # what water excitation leaves of the fat signal


def spoiled_gradient_echo(
    t1_ms: float,
    t2star_ms: float,
    proton_density: float = 1.0,
    *,
    te_ms: float = ECHO_TIME_MS,
    tr_ms: float = REPETITION_TIME_MS,
    flip_deg: float = FLIP_ANGLE_DEG,
) -> float:
    """Steady-state signal M0 sin(a) (1-E1)/(1-cos(a) E1) exp(-TE/T2*) of an ideally spoiled gradient echo."""
    flip = math.radians(flip_deg)
    e1 = math.exp(-tr_ms / t1_ms)
    return proton_density * math.sin(flip) * (1 - e1) / (1 - math.cos(flip) * e1) * math.exp(-te_ms / t2star_ms)


def tissue_signal(tissue: Relaxation, fat_residue: float = FAT_RESIDUE) -> float:
    """Signal of a water/fat mixture under water excitation; fat keeps ``fat_residue`` of its signal."""
    water = spoiled_gradient_echo(tissue.t1_ms if tissue.fat_fraction < 0.5 else 1100.0, tissue.t2star_ms)
    fat = spoiled_gradient_echo(FAT_T1_MS, tissue.t2star_ms) * fat_residue
    return tissue.proton_density * tissue.inflow * ((1 - tissue.fat_fraction) * water + tissue.fat_fraction * fat)


# Mass attenuation cm^2/g at 50 and 60 keV (NIST, ICRU-44 compositions) and density g/cm^3.
MASS_ATTENUATION = {
    "cortical bone": ((0.4242, 0.3148), 1.92),
    "soft tissue": ((0.2264, 0.2048), 1.06),
    "adipose": ((0.2123, 0.1974), 0.95),
}


def attenuation_per_mm(material: str, energy_kev: float = 55.0) -> float:
    """Linear attenuation coefficient in 1/mm at ``energy_kev`` (log-log interpolation between 50 and 60 keV)."""
    (low, high), density = MASS_ATTENUATION[material]
    share = math.log(energy_kev / 50) / math.log(60 / 50)
    return math.exp(math.log(low) * (1 - share) + math.log(high) * share) * density / 10
