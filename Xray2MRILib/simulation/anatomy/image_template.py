"""An image-based template: tissue codes and continuous tissue maps of a real knee about its joint centre.

Axes are those of ``AnatomyTemplate``: (y, z, x) in mm, y from posterior to anterior, z from superior to inferior, x
from lateral to medial.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...files.atomic_write import writing_error
from .anatomy_template import AnatomyTemplate
from .tissue_codes import CODE, CODES, FIRST_GENERATION


@dataclass
class ImageTemplate:
    """Tissue of one knee over the whole field.

    Attributes
    ----------
    anatomy
        The geometry that is deformed (joint surfaces, margins, compartments), with the first sixteen tissues.
    code
        uint8 [Y, Z, X], values index ``CODES``.
    water, fat
        uint8 [Y, Z, X], proton density, 200 = that of pure water or pure fat.
    t2_ms
        uint8 [Y, Z, X], T2 of the water part.
    structure
        uint8 [Y, Z, X], which structure it is, values index ``STRUCTURES``; 0 has no name. None: nothing is named.
    """

    anatomy: AnatomyTemplate
    code: np.ndarray
    water: np.ndarray
    fat: np.ndarray
    t2_ms: np.ndarray
    structure: np.ndarray | None = None

    @property
    def name(self) -> str:
        """What the template is called."""
        return self.anatomy.name

    def save(self, path: Path) -> None:
        """Write as compressed arrays beside the anatomy (``PATH`` and ``PATH`` with ``.anatomy.npz``).

        Raises ProcessingError when the disk is full.
        """
        self.anatomy.save(path.with_suffix(".anatomy.npz"))
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp.npz")
        try:
            named: dict[str, Any] = {} if self.structure is None else {"structure": self.structure}
            np.savez_compressed(temporary, code=self.code, water=self.water, fat=self.fat, t2_ms=self.t2_ms, **named)
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise writing_error(error, path) from error

    @classmethod
    def load(cls, path: Path) -> ImageTemplate:
        """Read what ``save`` wrote."""
        anatomy = AnatomyTemplate.load(path.with_suffix(".anatomy.npz"))
        with np.load(path, allow_pickle=False) as data:
            structure = data["structure"] if "structure" in data.files else None
            return cls(anatomy, data["code"], data["water"], data["fat"], data["t2_ms"], structure)


def first_generation(code: np.ndarray) -> np.ndarray:
    """Codes as the sixteen tissues of ``AnatomyTemplate``, uint8."""
    table = np.arange(len(CODES), dtype=np.uint8)
    for name, former in FIRST_GENERATION.items():
        table[CODE[name]] = CODE[former]
    return table[code]
