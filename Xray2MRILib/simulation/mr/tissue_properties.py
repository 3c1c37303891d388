"""Signal of the spoiled gradient echo, and attenuation coefficients of the simulated tissues.

Relaxation times stand in ``property_tables``. Attenuation: NIST/ICRU-44 mass coefficients at 50 and 60 keV times
density, interpolated at the effective energy.
"""

from __future__ import annotations

import math

ECHO_TIME_MS = 7.57
REPETITION_TIME_MS = 20.0
FLIP_ANGLE_DEG = 12.0


FAT_T1_MS = 371.0


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
