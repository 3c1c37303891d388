"""Radiographs of one simulated knee at two Kellgren-Lawrence grades: the same person, exposure and crop, another
course of the disease."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...files.atomic_write import writing_error
from ...preparation.joint_crop import normalise_crop
from ..anatomy.knee_parameters import KneeParameters
from ..mr.image_signal import PreparedTemplate
from ..mr.tissue_maps import TissueMaps
from ..radiograph import drr
from ..radiograph.appearance import placed_crop
from ..radiograph.joint_surfaces import BONES, SIDES, joint_surfaces
from .image_knee import deformed, draw_image_knee
from .pair_store import parameters_of
from .template_library import TemplateChoice, TemplateLibrary

GRADES = (0, 4)
_OSTEOPHYTE_MM, _SCLEROSIS_MM = 7.0, 4.0  # of large ones
_FORMAT = 2  # 1 had no surfaces


@dataclass
class RadiographPair:
    """One knee at two grades.

    Attributes
    ----------
    parameters
        Of the knee at both grades; seed, size, crop and exposure are the same.
    integrals
        float32 [2, 2, 288, 288]: per grade the attenuation integrals of bone mineral and of all other tissue.
    joint_space_mm
        Per grade, bone to bone where each compartment is narrowest (truth).
    surfaces_mm
        float32 [2, ...]: per grade, where the joint surfaces lie on the radiograph (``joint_surfaces``).
    """

    parameters: tuple[KneeParameters, KneeParameters]
    integrals: np.ndarray
    joint_space_mm: tuple[dict[str, float], dict[str, float]]
    surfaces_mm: np.ndarray

    def crops(self, exposure: int = 0) -> np.ndarray:
        """Prepared crops float32 [2, 256, 256] in [-1, 1] of both grades under one exposure and crop placement."""
        return self.placed_crops(exposure)[0]

    def placed_crops(self, exposure: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
        """The same crops, the pixels float32 [2, ..., 2] (row, column) of the joint surfaces, pixels of a mm."""
        shown = []
        for parameters, (bone, soft) in zip(self.parameters, self.integrals, strict=True):
            rng = np.random.default_rng([parameters.seed, 83, exposure])
            crop, place = placed_crop(bone, soft, self.parameters[0], rng)
            shown.append(normalise_crop(crop))
        surfaces = place.pixels_of(self.surfaces_mm).astype(np.float32)
        return np.stack(shown), surfaces, len(shown[0]) / place.span_mm

    def facts(self) -> np.ndarray:
        """What becomes of the knee, float32 [8], about 0 to 1.

        The share of its joint space that each side loses (medial, lateral), the growth of the osteophytes of femur and
        tibia on each side in 7 mm, and that of the subchondral plate of each side in 4 mm.
        """
        first, last = self.parameters
        lost = [1 - self.joint_space_mm[1][side] / self.joint_space_mm[0][side] for side in SIDES]
        rims = [f"{bone}_{side}" for bone in BONES for side in SIDES]
        grown = [(last.osteophyte_mm[rim] - first.osteophyte_mm[rim]) / _OSTEOPHYTE_MM for rim in rims]
        hardened = [(last.sclerosis_mm[side] - first.sclerosis_mm[side]) / _SCLEROSIS_MM for side in SIDES]
        return np.array([*lost, *grown, *hardened], np.float32)


def simulate_radiograph_pair(source: PreparedTemplate, seed: int, grades: tuple[int, int] = GRADES) -> RadiographPair:
    """Radiographs of the knee ``seed`` at two grades; no MR volume is computed."""
    parameters, integrals, spaces, surfaces = [], [], [], []
    for grade in grades:
        knee = draw_image_knee(seed, grade, source.template)
        deformation = deformed(source, knee)
        maps = TissueMaps(source.template.anatomy, knee.parameters, source.device)
        mineral = {part: maps.mineral(part) for part in ("femur", "tibia", "patella")}
        radiograph = drr.project(
            deformation, mineral["femur"], mineral["tibia"], maps.soft_attenuation(), knee.parameters,
            patella=mineral["patella"],
        )  # fmt: skip
        parameters.append(knee.parameters)
        integrals.append(radiograph.cpu().numpy())
        spaces.append(deformation.joint_space_mm())
        surfaces.append(joint_surfaces(deformation, source.template.anatomy))
    return RadiographPair(
        (parameters[0], parameters[1]), np.stack(integrals), (spaces[0], spaces[1]), np.stack(surfaces)
    )


def simulate_radiograph_pairs(
    folder: Path, count: int, *, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write the pairs of knees ``seed`` to ``seed + count - 1`` that ``folder`` lacks; returns the paths of all.

    Knees of one template are made together, since a template takes some ten seconds. A stopped run goes on where it
    was. Raises ProcessingError when the disk is full, InputError when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise writing_error(error, folder) from error
    wanted = {number: radiograph_pair_path(folder, number) for number in range(seed, seed + count)}
    library, missing = TemplateLibrary(), dict[TemplateChoice, list[int]]()
    for number, path in wanted.items():
        if not path.exists():
            missing.setdefault(library.draw(number), []).append(number)
    done = count - sum(len(numbers) for numbers in missing.values())
    for choice, numbers in missing.items():
        source = library.prepared(choice)
        for number in numbers:
            write_radiograph_pair(wanted[number], simulate_radiograph_pair(source, number))
            done += 1
            if progress is not None:
                progress(done, count)
    return list(wanted.values())


def radiograph_pair_files(folder: Path) -> list[Path]:
    """All complete pairs of a folder in the order of their seeds, maybe none."""
    return sorted(path for path in folder.glob("two-grades-*.npz") if not path.name.endswith(".tmp.npz"))


def radiograph_pair_path(folder: Path, seed: int) -> Path:
    """Path of the pair of the knee ``seed``."""
    return folder / f"two-grades-{seed:07d}.npz"


def write_radiograph_pair(path: Path, pair: RadiographPair) -> None:
    """Store a pair as float16 arrays and a JSON record (about 0.6 MB)."""
    record = {
        "format": _FORMAT,
        "parameters": [parameters.to_dict() for parameters in pair.parameters],
        "joint_space_mm": pair.joint_space_mm,
    }
    temporary = path.with_suffix(".tmp.npz")
    try:
        np.savez_compressed(
            temporary,
            integrals=pair.integrals.astype(np.float16),
            surfaces=pair.surfaces_mm,
            record=np.frombuffer(json.dumps(record).encode(), np.uint8),
        )
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise writing_error(error, path) from error


def read_radiograph_pair(path: Path) -> RadiographPair:
    """Read a pair that ``write_radiograph_pair`` wrote. Raises InputError for a file of another kind."""
    try:
        with np.load(path, allow_pickle=False) as data:
            record = json.loads(bytes(data["record"]))
            if record["format"] != _FORMAT:
                raise ValueError("it has another format")
            integrals, surfaces = data["integrals"].astype(np.float32), data["surfaces"]
        first, second = (parameters_of(entries) for entries in record["parameters"])
        spaces = record["joint_space_mm"]
        if integrals.shape[:2] != (2, 2) or len(surfaces) != 2:
            raise ValueError("it has another shape")
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path.name} is not a pair of simulated radiographs.",
            code="bad-pair",
            hint="Delete it; the training makes it again.",
        ) from error
    return RadiographPair((first, second), integrals, (spaces[0], spaces[1]), surfaces)
