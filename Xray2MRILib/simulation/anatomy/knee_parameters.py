"""One knee of the simulated population: its anatomy, osteoarthritis, scan and radiograph, drawn from one seed.

docs/simulator-parameters.md lists every parameter with its distribution and source. The default of a parameter leaves
the label map unchanged; pairs without the parameter, from an earlier version, are read with its default.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy as np

from ...volume.geometry import CROP_FRAME

# Bone-to-bone joint space of healthy compartments in mm, mean and spread (fixed-flexion radiographs, e.g. Lanyon et al.
# 1998: medial about 4.7 mm, lateral slightly wider).
HEALTHY_JOINT_SPACE_MM = {"medial": (4.8, 0.7), "lateral": (5.6, 0.8)}
# Fraction of the joint space that is lost, by KL grade: mean and spread in the diseased compartment. Healthy knees
# differ by the spread above already.
NARROWING = {0: (0.00, 0.04), 1: (0.06, 0.08), 2: (0.20, 0.12), 3: (0.55, 0.12), 4: (0.88, 0.08)}
# Osteophyte protrusion in mm by KL grade (KL 1 = possible, KL 2 = definite osteophyte by definition).
OSTEOPHYTE_MM = {0: (0.0, 0.4), 1: (0.2, 1.2), 2: (1.8, 3.6), 3: (3.0, 5.4), 4: (3.6, 7.0)}
# Mean extra thickness in mm of the subchondral plate in the diseased compartment, by KL grade.
SCLEROSIS_MM = {0: 0.0, 1: 0.0, 2: 0.4, 3: 1.5, 4: 3.0}
# Mean share of the cartilage layer lost in the diseased compartment by KL grade, on top of its compression.
CARTILAGE_LOSS = {0: 0.0, 1: 0.05, 2: 0.15, 3: 0.35, 4: 0.65}
# Meniscal extrusion beyond that of the label map in mm, diseased compartment: over 3 mm counts as pathological
# (Costa et al. 2004) and goes with narrowing (Gale et al. 1999).
EXTRUSION_MM = {0: 0.0, 1: 0.5, 2: 1.2, 3: 2.4, 4: 3.6}
# Chance of a subchondral cyst, of attrition, and mean thickness of joint fluid in mm, by KL grade.
CYST_CHANCE = {0: 0.02, 1: 0.06, 2: 0.15, 3: 0.40, 4: 0.65}
ATTRITION_CHANCE = {0: 0.0, 1: 0.0, 2: 0.05, 3: 0.30, 4: 0.75}
# Chance of a bone-marrow lesion in femur and in tibia of the diseased compartment (a fifth of it elsewhere), and its
# mean radius in mm: about a fifth of knees without osteoarthritis and four fifths or more at KL 3 and 4 have one
# (Felson et al. 2001 and 2003, Guermazi et al. 2012).
MARROW_LESION_CHANCE = {0: 0.08, 1: 0.14, 2: 0.28, 3: 0.52, 4: 0.70}
MARROW_LESION_MM = {0: 3.0, 1: 3.5, 2: 5.0, 3: 7.0, 4: 8.5}
# Chance of a Baker's cyst: about 5 % of knees without and 20 to 40 % with osteoarthritis (Hill et al. 2001, Hayashi et
# al. 2010).
BAKER_CYST_CHANCE = {0: 0.05, 1: 0.08, 2: 0.16, 3: 0.27, 4: 0.33}
EFFUSION_MM = {0: 0.7, 1: 1.0, 2: 1.6, 3: 2.4, 4: 3.2}
# Edge of a joint crop that lies in the nominal frame at its true size.
MEAN_CROP_MM = CROP_FRAME.span_mm
FORMER_MEAN_CROP_MM = 86.0  # of pairs of format 1, which were drawn about it
# Crops that are drawn, relative to it: with these the tibia fills 0.79 of the width, on real crops 0.81 and 0.83
# (medians, docs/simulator-realism.md).
CROP_SHARE = (0.945, 0.045)


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
    flexion_deg: float = 10.0  # of the femur on the radiograph, against the MR pose
    beam_deg: float = 0.0  # tilt of the central ray against the tibial plateau
    film_axial_deg: float = 0.0
    crop_mm: float = 82.0
    mean_crop_mm: float = FORMER_MEAN_CROP_MM  # a crop of this edge lies in the nominal frame at its true size
    crop_offset_mm: tuple[float, float] = (0.0, 0.0)  # (z, x)
    source_mm: float = 1700.0
    condyle_asymmetry: float = 1.0  # depth of the medial condyle over that of the lateral one, against the label map
    muscle_bulk: float = 1.0  # distance of soft tissue from the bones, against the label map
    patella_height_mm: float = 0.0  # upwards
    patella_size: tuple[float, float, float] = (1.0, 1.0, 1.0)  # (y, z, x), against the label map
    cartilage_left: dict[str, float] = field(default_factory=dict)  # share of the layer per compartment
    extrusion_mm: dict[str, float] = field(default_factory=dict)  # of the meniscus, outwards
    cyst_mm: dict[str, float] = field(default_factory=dict)  # radius; 0 is none
    attrition_mm: dict[str, float] = field(default_factory=dict)  # depth of the plateau's depression
    effusion_mm: float = 0.0  # thickness of fluid in the suprapatellar pouch
    marrow_lesion_mm: dict[str, float] = field(default_factory=dict)  # radius at each site of both bones; 0 is none
    baker_cyst_mm: float = 0.0  # half the thickness of a cyst behind the medial condyle; 0 is none
    marrow_texture: float = 0.16  # relative standard deviation
    marbling: float = 0.2  # signal lost in muscle septa
    inflow: float = 1.0  # gain of the vessels against the table
    fat_residue: float = 0.08  # share of the fat signal that water excitation leaves
    slab_edge: tuple[float, float] = (1.5, 1.5)  # slices from the slab's edge to slice 0, and its softness
    bias_length_mm: float = 110.0  # fall-off of the coil along the leg
    bias_centre_mm: float = 0.0
    bias_tilt_per_mm: tuple[float, float] = (0.0, 0.0)  # (y, x)
    noise: float = 0.02  # Rician standard deviation against the volume's range; recorded, no longer used
    energy_kev: float = 55.0  # effective energy of the beam
    femur_flare: float = 0.0  # how much wider the femur is above the condyles, against the template
    tibia_taper: float = 0.0  # how much narrower the tibia is below the plateau, against the template
    # how far up and to the side the standing patella lies on the radiograph, against the MR pose
    patella_film_mm: tuple[float, float] = (0.0, 0.0)
    growth_scar: float = 0.0  # density of the closed growth plates' lines above that of the bone around them
    trabeculae: float = 0.0  # relative standard deviation of trabecular lines on the radiograph
    coronal_share: float = 0.0  # of what the outline lacks against a population of real radiographs
    coronal_mm: float = 0.0  # standard deviation of a smooth warp in the coronal plane at its control points
    # standard deviation of regional differences of bone density on the radiograph, in logarithms; None: not even their
    # mean
    regional_mineral: float | None = None
    contour_mm: tuple[float, ...] = ()  # thinner than the mean standing leg: lateral, then medial, on the radiograph

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
    y, z, x = (float(size * np.clip(rng.normal(1, s), 1 - 2.5 * s, 1 + 2.5 * s)) for s in (0.04, 0.04, 0.0))
    diseased = rng.choice(["medial", "lateral", "both"], p=[0.68, 0.22, 0.10])
    mean, spread = NARROWING[kl_grade]
    joint_space, osteophyte, sclerosis = {}, {}, {}
    for side in ("medial", "lateral"):
        hit = diseased in (side, "both")
        healthy = rng.normal(*HEALTHY_JOINT_SPACE_MM[side])
        lost = rng.normal(mean, spread) if hit else rng.normal(0.10 * mean, 0.05)
        joint_space[side] = float(np.clip(healthy * (1 - lost), 0.4, 8.0))
        sclerosis[side] = float(max(0.0, rng.normal(SCLEROSIS_MM[kl_grade], 0.4)) if hit else 0.0)
        for bone in ("femur", "tibia"):
            low, high = OSTEOPHYTE_MM[kl_grade]
            osteophyte[f"{bone}_{side}"] = float(rng.uniform(low, high) * (1.0 if hit else rng.uniform(0.3, 0.9)))
    return KneeParameters(
        **_later_parameters(seed, kl_grade, str(diseased)),
        **_lesions(seed, kl_grade, str(diseased)),
        seed=seed,
        kl_grade=kl_grade,
        template=template,
        scale=(y, z, x),
        femur_width=float(rng.normal(1.0, 0.025)),
        tibia_width=float(rng.normal(1.0, 0.025)),
        # The joint line of real crops drops to the medial side by 2.3 degrees on average.
        rotation_deg=(float(rng.normal(0, 3)), float(rng.normal(-2.5, 2.2)), float(rng.normal(0, 5))),
        warp_mm=float(rng.uniform(1.0, 2.4)),
        fat_mm=float(np.clip(rng.lognormal(np.log(8.0), 0.5), 2.0, 26.0)),
        skin_mm=float(rng.uniform(1.2, 2.2)),
        cortex=float(rng.uniform(0.75, 1.35)),
        joint_space_mm=joint_space,
        osteophyte_mm=osteophyte,
        sclerosis_mm=sclerosis,
        bone_density=float(np.clip(rng.normal(1.0, 0.18), 0.6, 1.5)),
        field_offset_mm=(float(rng.normal(0, 2.5)), float(rng.normal(0, 3.0)), float(rng.normal(0, 4.0))),
        # 20 to 30 degrees on the radiograph, less the ten or so that a knee in the coil is taken to have; with more,
        # notches are those of tunnel views, which real fixed-flexion radiographs do not show.
        flexion_deg=float(np.clip(rng.normal(14, 7), 0, 35)),
        beam_deg=float(rng.normal(0, 3.5)),
        film_axial_deg=float(rng.normal(0, 4)),
        # The joint crop follows the knee's size only in part: spans of 81-84 mm measured on two published knees.
        mean_crop_mm=MEAN_CROP_MM,
        crop_mm=float(MEAN_CROP_MM * (width / 71) ** 0.5 * np.clip(rng.normal(*CROP_SHARE), 0.80, 1.10)),
        # On real joint crops the joint line lies at 0.56 to 0.57 of the height, 10th to 90th percentile 0.53 to 0.60.
        # The middle of the closed joint lies some 2.5 mm above the template's origin, which is on the tibial cartilage.
        crop_offset_mm=(float(rng.normal(-7.8, 1.1)), float(rng.normal(0.5, 2.0))),
        source_mm=float(rng.uniform(1000, 1800)),
    )


def _later_parameters(seed: int, kl_grade: int, diseased: str) -> dict:
    """Parameters with random numbers of their own, so that those of ``draw`` stay what they were for a seed."""
    rng = np.random.default_rng([seed, 31])
    left, extrusion, cyst, attrition = {}, {}, {}, {}
    for side in ("medial", "lateral"):
        hit = diseased in (side, "both")
        loss = CARTILAGE_LOSS[kl_grade] * (1.0 if hit else 0.2)
        left[side] = float(np.clip(1 - rng.normal(loss, 0.10), 0.1, 1.0))
        extrusion[side] = float(np.clip(rng.normal(EXTRUSION_MM[kl_grade] * (1.0 if hit else 0.2), 0.7), -1.0, 6.0))
        radius, depth = rng.uniform(1.2, 4.5), rng.uniform(0.5, 3.0)
        cyst[side] = float(radius) if rng.random() < CYST_CHANCE[kl_grade] * hit else 0.0
        attrition[side] = float(depth) if rng.random() < ATTRITION_CHANCE[kl_grade] * hit else 0.0
    return {
        "condyle_asymmetry": float(np.clip(rng.normal(1.0, 0.03), 0.92, 1.08)),
        "muscle_bulk": float(np.clip(rng.normal(1.0, 0.10), 0.75, 1.25)),
        "patella_height_mm": float(np.clip(rng.normal(0.0, 3.0), -7.0, 7.0)),
        "cartilage_left": left,
        "extrusion_mm": extrusion,
        "cyst_mm": cyst,
        "attrition_mm": attrition,
        "effusion_mm": float(np.clip(rng.gamma(2.0, EFFUSION_MM[kl_grade] / 2), 0.0, 8.0)),
        "marrow_texture": float(rng.uniform(0.08, 0.24)),
        "marbling": float(rng.beta(2.0, 4.0) * 0.6),
        "inflow": float(rng.uniform(0.7, 1.3)),
        "fat_residue": float(rng.uniform(0.05, 0.11)),
        "slab_edge": (float(rng.uniform(0.5, 2.5)), float(rng.uniform(1.0, 2.0))),
        "bias_length_mm": float(rng.uniform(85, 140)),
        "bias_centre_mm": float(rng.normal(0, 10)),
        "bias_tilt_per_mm": (float(rng.normal(0, 0.0015)), float(rng.normal(0, 0.0012))),
        "noise": float(rng.uniform(0.008, 0.035)),
        "energy_kev": float(rng.uniform(50, 60)),
        "tibia_taper": float(np.clip(rng.normal(0.0, 0.05), -0.12, 0.12)),
        "patella_film_mm": (float(rng.normal(-2.0, 4.0)), float(rng.normal(1.0, 2.5))),
        "femur_flare": float(np.clip(rng.normal(0.0, 0.03), -0.08, 0.08)),
        "growth_scar": float(rng.uniform(0.0, 0.4)),
        "trabeculae": float(rng.uniform(0.015, 0.06)),
    }


def _lesions(seed: int, kl_grade: int, diseased: str) -> dict:
    """Marrow lesions and a Baker's cyst, with random numbers of their own."""
    rng = np.random.default_rng([seed, 71])
    lesions = {}
    for bone in ("femur", "tibia"):
        for side in ("medial", "lateral"):
            chance = MARROW_LESION_CHANCE[kl_grade] * (1.0 if diseased in (side, "both") else 0.2)
            radius = float(np.clip(MARROW_LESION_MM[kl_grade] * np.exp(rng.normal(0, 0.35)), 2.0, 16.0))
            lesions[f"{bone}_{side}"] = radius if rng.random() < chance else 0.0
    thickness = float(np.clip(5.0 * np.exp(rng.normal(0, 0.35)), 2.5, 10.0))
    return {
        "marrow_lesion_mm": lesions,
        "baker_cyst_mm": thickness if rng.random() < BAKER_CYST_CHANCE[kl_grade] else 0.0,
    }
