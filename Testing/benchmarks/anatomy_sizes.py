"""Sizes of drawn knees beside published ones: bones, patella, tendon, cartilage, joint space, menisci, leg.

    python Testing/benchmarks/anatomy_sizes.py --output docs/results/anatomy_sizes.json [--count 200]

Geometry only: landmarks of the template are taken to where each knee's deformation shows them; no volume is rendered.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from result_file import write_result

GRADES = 5
_LEVELS_MM = {"femur": (-45.0, -2.0), "tibia": (2.0, 16.0)}
_CUT_MM = (5.0, 10.0)  # of the tibia below the joint: where its AP length is taken
_MIDDLE_MM = 3.0  # to either side of the middle of the plateau's width, where its AP length is taken
_MEDIAL = (0.18, 0.30)  # of its width from there: the medial AP length
_MODEL_TIBIA_MM = 75.7  # width of the tibia of the people behind the shape model
_EXTRUSION_MM = 6.0  # in front of and behind the compartment's centre
_THICK_VOXELS = 2  # of meniscus above one another; less is a seam
_CONDYLES_MM = (6.0, 12.0)  # above the lowest point of the condyles: where surgeons measure their width
_CENTRE_MM = 5.0  # square in the centre of a compartment
# published mean and spread, mm, and where from
PUBLISHED = {
    "femur, condylar width, men": "74.9 ± 3.2 (1)",
    "femur, condylar width, women": "67.3 ± 3.7 (1)",
    "femur, width over the epicondyles": "84.6 ± 4.2, tibia of 75.7 (2)",
    "femur, width over the epicondyles, at a tibia of 75.7": "84.6 ± 4.2 (2)",
    "femur, AP length, men": "61.0 ± 3.1 (1)",
    "femur, AP length, women": "54.8 ± 3.3 (1)",
    "tibia, width, men": "76.0 ± 3.0 (1)",
    "tibia, width, women": "67.3 ± 3.2 (1)",
    "tibia, AP length, men": "46.9 ± 3.0 (1)",
    "tibia, AP length, women": "41.4 ± 2.9 (1)",
    "tibia, medial AP length": "49.2 ± 3.6, width 72.5 (6)",
    "patella, width": "39.2 ± 3.8, tibia of 75.7 (2)",
    "patella, height": "41.5 ± 3.4, tibia of 75.7 (2)",
    "patella, thickness": "23.6 ± 2.2, tibia of 75.7 (2)",
    "patella, width, at a tibia of 75.7": "39.2 ± 3.8 (2)",
    "patella, height, at a tibia of 75.7": "41.5 ± 3.4 (2)",
    "patella, thickness, at a tibia of 75.7": "23.6 ± 2.2 (2)",
    "joint space, medial, KL 0": "4 to 5 (7)",
    "patellar ligament, length, men": "43 to 44 ± 5 (3)",
    "patellar ligament, length, women": "42 to 43 ± 5 (3)",
    "patellar ligament over patella": "1.01 men, 1.06 women (3)",
    "cartilage layer, compartment's centre, KL 0": "1.57 to 2.43, mean of the knee (4)",
    "meniscus covers, medial, KL 0": "0.50 (5)",
    "meniscus covers, lateral, KL 0": "0.58 (5)",
    "medial extrusion, KL 0, men": "1.24 ± 1.18 (5)",
    "medial extrusion, KL 0, women": "1.83 ± 1.06 (5)",
    "leg, width at the joint": "118 and 91 (two scans)",
}


class Landmarks:
    """Points of one template that its knees are measured by, mm (y, z, x)."""

    def __init__(self, template: Any) -> None:
        from scipy import ndimage

        from Xray2MRILib.simulation.anatomy.anatomical_structures import STRUCTURE
        from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM
        from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

        low = np.array([lo for lo, _ in EXTENT_MM.values()])

        def surface(mask: np.ndarray) -> np.ndarray:
            return np.argwhere(mask & ~ndimage.binary_erosion(mask)) * SPACING_MM + low

        code = template.code
        self.anatomy = template.anatomy
        self.bones = {bone: surface(code == CODE[bone]) for bone in ("femur", "tibia", "patella")}
        for bone, (first, last) in _LEVELS_MM.items():
            points = self.bones[bone]
            self.bones[bone] = points[(points[:, 1] > first) & (points[:, 1] < last)]
        tibia = self.bones["tibia"]
        cut = tibia[(tibia[:, 1] > _CUT_MM[0]) & (tibia[:, 1] < _CUT_MM[1])]
        first, last = template.anatomy.plateau_mm
        across = (cut[:, 2] - (first + last) / 2) / (last - first)
        self.cuts = {
            "tibia, AP length": cut[np.abs(across) * (last - first) < _MIDDLE_MM],
            "tibia, medial AP length": cut[(across > _MEDIAL[0]) & (across < _MEDIAL[1])],
        }
        self.lateral = self.bones["femur"][self.bones["femur"][:, 2] < (first + last) / 2]
        self.ligament = None
        if template.structure is not None:
            found = np.argwhere(template.structure == STRUCTURE["patellar ligament"]) * SPACING_MM + low
            if len(found):
                ends = (found[:, 1] < found[:, 1].min() + 2, found[:, 1] > found[:, 1].max() - 2)
                self.ligament = np.stack([found[end].mean(axis=0) for end in ends])
        middle = int(np.argmin(np.abs(np.arange(code.shape[1]) * SPACING_MM + low[1])))
        self.outside = template.anatomy.outside_mm[:, middle].astype(np.float32)
        self.cover = self._cover(code, CODE["meniscus"])
        self.extruded = {side: self._extruded(code, side, sign) for side, sign in (("medial", 1), ("lateral", -1))}

    def _extruded(self, code: np.ndarray, side: str, sign: int) -> float:
        """How far the meniscus stands out of the plateau: mean over the coronal sections of its body, mm."""
        from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM
        from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

        y, z, x = (np.arange(n) * SPACING_MM + EXTENT_MM[a][0] for n, a in zip(code.shape, "yzx", strict=True))
        rows = np.abs(y - self.anatomy.compartment_mm[side][0]) < _EXTRUSION_MM
        disc = (code[rows][:, np.abs(z) < 14] == CODE["meniscus"]).sum(axis=1) >= _THICK_VOXELS
        plateau = (code[rows][:, (z > 1) & (z < 8)] == CODE["tibia"]).any(axis=1)
        found = [
            (sign * x[d & (sign * x > 0)]).max() - (sign * x[p & (sign * x > 0)]).max()
            for d, p in zip(disc, plateau, strict=True)
            if (d & (sign * x > 0)).any() and (p & (sign * x > 0)).any()
        ]
        return float(np.mean(found)) if found else float("nan")

    def _cover(self, code: np.ndarray, meniscus: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Per compartment, seen from above: the plateau and the meniscus, bool [Y, X]."""
        from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM, TISSUE_ID
        from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

        z, x = (np.arange(n) * SPACING_MM + EXTENT_MM[a][0] for n, a in zip(code.shape[1:], "zx", strict=True))
        plateau = (code[:, (z > 1) & (z < 8)] == TISSUE_ID["tibia"]).any(axis=1)
        # the plateau is what cartilage or meniscus lies on; the rim and the eminence are not part of it
        plateau &= np.isin(code[:, np.abs(z) < 14], (meniscus, CODE["cartilage"])).any(axis=1)
        disc = (code[:, np.abs(z) < 14] == meniscus).any(axis=1)
        sides = {"medial": (x > 8)[None], "lateral": (x < -8)[None]}
        return {side: (plateau & half, disc & half) for side, half in sides.items()}


def shown_at(deformation: Any, points: np.ndarray, *, tibia: bool) -> np.ndarray:
    """Where a knee shows points of its template, mm [N, 3]: the joint closed, then the map inverted step by step."""
    import torch

    target = torch.from_numpy(points.astype(np.float32))
    if tibia:
        shift = deformation.surfaces_at(target[:, 0], target[:, 2])[2]
        target = torch.stack((target[:, 0], target[:, 1] - shift, target[:, 2]), dim=-1)
    point = target.clone()
    for _ in range(12):
        point = point + (target - deformation.shape(point)) * deformation.scale
    return point.numpy()


def measured(landmarks: Landmarks, knee: Any, deformation: Any) -> dict[str, float]:
    """Sizes of one knee, mm."""
    from Xray2MRILib.simulation.anatomy.tissue_classes import EXTENT_MM, SPACING_MM

    p = knee.parameters
    femur, tibia, patella = (
        shown_at(deformation, landmarks.bones[b], tibia=b == "tibia") for b in ("femur", "tibia", "patella")
    )
    # sizes are read in the knee's own axes
    turn = deformation.rotation.numpy()
    femur, tibia, patella = (b @ turn for b in (femur, tibia, patella))
    voxel = SPACING_MM * np.array(p.scale)  # between the centres of the outermost voxels one is missing

    def extent(points: np.ndarray, axis: int) -> float:
        return float(np.ptp(points[:, axis]) + voxel[axis])

    bottom = np.percentile(femur[:, 1], 99.8)
    condyles = femur[(femur[:, 1] < bottom - _CONDYLES_MM[0]) & (femur[:, 1] > bottom - _CONDYLES_MM[1])]
    sizes = {
        "femur, condylar width": extent(condyles, 2),
        "femur, width over the epicondyles": extent(femur, 2),
        "femur, AP length": extent(shown_at(deformation, landmarks.lateral, tibia=False) @ turn, 0),
        "tibia, width": extent(tibia, 2),
        "patella, width": extent(patella, 2),
        "patella, height": extent(patella, 1),
        "patella, thickness": extent(patella, 0),
    }
    for name, cut in landmarks.cuts.items():
        sizes[name] = extent(shown_at(deformation, cut, tibia=True) @ turn, 0)
    for name in ("femur, width over the epicondyles", "patella, width", "patella, height", "patella, thickness"):
        sizes[f"{name}, at a tibia of 75.7"] = sizes[name] * _MODEL_TIBIA_MM / sizes["tibia, width"]
    if landmarks.ligament is not None:
        top = shown_at(deformation, landmarks.ligament[:1], tibia=False)
        foot = shown_at(deformation, landmarks.ligament[1:], tibia=True)
        sizes["patellar ligament, length"] = float(np.linalg.norm(top - foot))
        sizes["patellar ligament over patella"] = sizes["patellar ligament, length"] / sizes["patella, height"]
    spaces = deformation.joint_space_mm()
    sizes["narrowest joint space"] = min(spaces.values())
    for side, space in spaces.items():
        sizes[f"joint space, {side}"] = space
        sizes[f"cartilage layer, {side}"] = space / 2 * p.cartilage_left.get(side, 1.0)
        steps = round(p.extrusion_mm.get(side, 0.0) / SPACING_MM)
        outward = steps if side == "medial" else -steps
        plateau, disc = landmarks.cover[side]
        sizes[f"meniscus covers, {side}"] = float((np.roll(disc, outward, axis=1) & plateau).sum() / plateau.sum())
        sizes[f"{side} extrusion"] = (landmarks.extruded[side] + steps * SPACING_MM) * p.scale[2]
    reach = p.fat_mm + p.skin_mm
    columns = np.flatnonzero((landmarks.outside < reach).any(axis=0) & (landmarks.outside > 0).any(axis=0))
    middle = landmarks.outside.shape[0] // 2 - 20
    edges = [EXTENT_MM["x"][0] + SPACING_MM * c for c in (columns[0], columns[-1])]
    ends = np.array([(EXTENT_MM["y"][0] + SPACING_MM * middle, 0.0, e) for e in edges])
    sizes["leg, width at the joint"] = float(np.ptp(shown_at(deformation, ends, tibia=False)[:, 2]))
    sizes["fat outside the fascia"] = p.fat_mm
    return {name: float(value) for name, value in sizes.items()}


def rows_of(knees: list[tuple[Any, dict[str, float]]]) -> list[dict[str, str]]:
    """One row for every size: mean and spread, by sex, grade or body mass where that matters."""
    by_sex = ("femur, condylar width", "femur, AP length", "tibia, width", "tibia, AP length",
              "patellar ligament, length")  # fmt: skip
    of_model = ("femur, width over the epicondyles", "patella, width", "patella, height", "patella, thickness")
    plain = ("tibia, medial AP length", *of_model, *(f"{name}, at a tibia of 75.7" for name in of_model),
             "patellar ligament over patella", "leg, width at the joint")  # fmt: skip
    rows: list[dict[str, str]] = []

    def add(name: str, values: list[float], digits: int = 1) -> None:
        if values:
            text = f"{np.mean(values):.{digits}f} ± {np.std(values):.{digits}f}"
            rows.append({"what": name, "drawn": text, "knees": str(len(values)), "published": PUBLISHED.get(name, "")})

    for size in by_sex:
        for sex, word in (("man", "men"), ("woman", "women")):
            add(f"{size}, {word}", [s[size] for k, s in knees if k.person.sex == sex and size in s])
    for size in plain:
        add(size, [s[size] for _, s in knees if size in s], 2 if "over patella" in size else 1)
    for grade in range(GRADES):
        of_grade = [s for k, s in knees if k.parameters.kl_grade == grade]
        if grade == 0:
            for side in ("medial", "lateral"):
                add(f"joint space, {side}, KL 0", [s[f"joint space, {side}"] for s in of_grade])
        add(f"narrowest joint space, KL {grade}", [s["narrowest joint space"] for s in of_grade])
        both = [s[f"cartilage layer, {side}"] for s in of_grade for side in ("medial", "lateral")]
        add(f"cartilage layer, compartment's centre, KL {grade}", both, 2)
    for side in ("medial", "lateral"):
        for grade in (0, 4):
            values = [s[f"meniscus covers, {side}"] for k, s in knees if k.parameters.kl_grade == grade]
            add(f"meniscus covers, {side}, KL {grade}", values, 2)
    for sex, word in (("man", "men"), ("woman", "women")):
        values = [s["medial extrusion"] for k, s in knees if k.parameters.kl_grade == 0 and k.person.sex == sex]
        add(f"medial extrusion, KL 0, {word}", values, 2)
    add("medial extrusion, KL 4", [s["medial extrusion"] for k, s in knees if k.parameters.kl_grade == 4], 2)
    for sex, word in (("man", "men"), ("woman", "women")):
        for mass in ("normal", "overweight", "obese"):
            values = [
                s["fat outside the fascia"] for k, s in knees if (k.person.sex, k.person.body_mass) == (sex, mass)
            ]
            add(f"fat outside the fascia, {word}, {mass}", values)
    return rows


def main() -> None:
    """Draw, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=1_000_000, help="seed of the first knee (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    from types import SimpleNamespace

    from Xray2MRILib.simulation.anatomy.shape_model import load_shape_model
    from Xray2MRILib.simulation.anatomy.shape_variation import fitted_modes
    from Xray2MRILib.simulation.pairs.image_knee import deformed, draw_image_knee
    from Xray2MRILib.simulation.pairs.template_library import TemplateLibrary

    knees: list[tuple[Any, dict[str, float]]] = []
    library = TemplateLibrary()
    seeds = [options.first + k for k in range(options.count)]
    choices = {seed: library.draw(seed) for seed in seeds}
    for choice in library.choices():
        template = library.template(choice)
        landmarks = Landmarks(template)
        modes = fitted_modes(template.anatomy, load_shape_model())
        source = SimpleNamespace(template=template, modes_mm=modes, device=torch.device("cpu"))
        for seed in (s for s in seeds if choices[s] == choice):
            knee = draw_image_knee(seed, seed % GRADES, template)
            knees.append((knee, measured(landmarks, knee, deformed(source, knee))))
        print(choice.name, flush=True)
    rows = rows_of(knees)
    write_result(
        options.output,
        command="python Testing/benchmarks/anatomy_sizes.py --output docs/results/anatomy_sizes.json",
        settings={"knees": options.count, "first seed": options.first, "templates": len(library.choices())},
        figures=rows,
    )
    for row in rows:
        print(f"{row['what']:48s}{row['drawn']:>16s}   {row['published']}")


if __name__ == "__main__":
    main()
