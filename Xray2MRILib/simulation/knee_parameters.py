"""One knee of the simulated population: its anatomy, osteoarthritis, scan and film, drawn from one seed.

Distributions are first estimates from the literature named beside them; every figure is in mm or degrees.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

# Bone-to-bone joint space of healthy compartments in mm, mean and spread (fixed-flexion films, e.g. Lanyon et al. 1998:
# medial about 4.7 mm, lateral slightly wider).
HEALTHY_JOINT_SPACE_MM = {"medial": (4.8, 0.7), "lateral": (5.6, 0.8)}
# Fraction of the joint space that is lost, by KL grade: mean and spread in the diseased compartment.
NARROWING = {0: (0.00, 0.10), 1: (0.06, 0.10), 2: (0.20, 0.12), 3: (0.50, 0.14), 4: (0.84, 0.10)}
# Osteophyte protrusion in mm by KL grade (KL 2 = definite osteophyte by definition).
OSTEOPHYTE_MM = {0: (0.0, 0.4), 1: (0.6, 1.6), 2: (1.6, 3.4), 3: (2.4, 4.8), 4: (3.2, 6.5)}


@dataclass
class KneeParameters:
    """Everything that makes one simulated knee; ``draw`` is the population."""

    seed: int
    kl_grade: int
    template: str = ""
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)  # (y, z, x)
    femur_width: float = 1.0  # extra medial-lateral factor above the joint
    tibia_width: float = 1.0  # extra medial-lateral factor below the joint
    rotation_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)  # about x (tilt), y (varus/valgus), z (axial)
    warp_mm: float = 1.8  # standard deviation of the smooth random displacement
    fat_mm: float = 8.0
    skin_mm: float = 1.7
    cortex: float = 1.0
    joint_space_mm: dict[str, float] = field(default_factory=dict)  # bone to bone, per compartment
    osteophyte_mm: dict[str, float] = field(default_factory=dict)
    sclerosis_mm: dict[str, float] = field(default_factory=dict)
    bone_density: float = 1.0
    field_offset_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)  # where the joint lies in the MR field (y, z, x)
    flexion_deg: float = 10.0  # of the femur on the film, against the MR pose
    beam_deg: float = 0.0  # tilt of the central ray against the tibial plateau
    film_axial_deg: float = 0.0
    crop_mm: float = 82.0
    crop_offset_mm: tuple[float, float] = (0.0, 0.0)  # (z, x)
    source_mm: float = 1700.0

    def to_dict(self) -> dict:
        """Plain JSON-able dictionary."""
        return asdict(self)


def draw(seed: int, kl_grade: int, templates: tuple[str, ...], mean_plateau_mm: dict[str, float]) -> KneeParameters:
    """Draw one knee. ``mean_plateau_mm`` is the plateau width of each template, to reach a population mean of 71 mm.

    Width 71 +- 5 mm: pooled from radiographic and MR studies of the tibial plateau (women about 67, men about 76 mm).
    """
    rng = np.random.default_rng([seed, 7])
    template = templates[int(rng.integers(len(templates)))]
    width = float(np.clip(rng.normal(71.0, 5.0), 58, 84))
    size = width / mean_plateau_mm[template]
    scale = tuple(float(size * np.clip(rng.normal(1, s), 1 - 2.5 * s, 1 + 2.5 * s)) for s in (0.04, 0.04, 0.0))
    diseased = rng.choice(["medial", "lateral", "both"], p=[0.68, 0.22, 0.10])
    mean, spread = NARROWING[kl_grade]
    joint_space, osteophyte, sclerosis = {}, {}, {}
    for side in ("medial", "lateral"):
        hit = diseased in (side, "both")
        healthy = rng.normal(*HEALTHY_JOINT_SPACE_MM[side])
        lost = rng.normal(mean, spread) if hit else rng.normal(0.10 * mean, 0.05)
        joint_space[side] = float(np.clip(healthy * (1 - lost), 0.4, 8.0))
        sclerosis[side] = float(max(0.0, rng.normal((0, 0, 0.4, 1.2, 2.2)[kl_grade], 0.4)) if hit else 0.0)
        for bone in ("femur", "tibia"):
            low, high = OSTEOPHYTE_MM[kl_grade]
            osteophyte[f"{bone}_{side}"] = float(rng.uniform(low, high) * (1.0 if hit else rng.uniform(0.3, 0.9)))
    return KneeParameters(
        seed=seed,
        kl_grade=kl_grade,
        template=template,
        scale=scale,
        femur_width=float(rng.normal(1.0, 0.025)),
        tibia_width=float(rng.normal(1.0, 0.025)),
        rotation_deg=(float(rng.normal(0, 3)), float(rng.normal(0, 2.5)), float(rng.normal(0, 5))),
        warp_mm=float(rng.uniform(1.0, 2.4)),
        fat_mm=float(np.clip(rng.lognormal(np.log(8.0), 0.5), 2.0, 26.0)),
        skin_mm=float(rng.uniform(1.2, 2.2)),
        cortex=float(rng.uniform(0.75, 1.35)),
        joint_space_mm=joint_space,
        osteophyte_mm=osteophyte,
        sclerosis_mm=sclerosis,
        bone_density=float(np.clip(rng.normal(1.0, 0.18), 0.6, 1.5)),
        field_offset_mm=(float(rng.normal(0, 2.5)), float(rng.normal(0, 3.0)), float(rng.normal(0, 4.0))),
        flexion_deg=float(np.clip(rng.normal(22, 8), 2, 40)),
        beam_deg=float(rng.normal(0, 3.5)),
        film_axial_deg=float(rng.normal(0, 4)),
        # The joint crop follows the knee's size only in part: spans of 81-84 mm measured on two published knees.
        crop_mm=float(86 * (width / 71) ** 0.5 * np.clip(rng.normal(1, 0.04), 0.9, 1.12)),
        # On OAI joint crops the joint line lies at 0.53-0.55 of the height, i.e. the centre is about 7 mm above it.
        crop_offset_mm=(float(rng.normal(-7.0, 2.2)), float(rng.normal(0, 2.2))),
        source_mm=float(rng.uniform(1000, 1800)),
    )
