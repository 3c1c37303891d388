"""An image-based template made of blocks: bones, cartilage, menisci, muscle and fat where a knee has them, roughly."""

from __future__ import annotations

import numpy as np

from Xray2MRILib.simulation.anatomy.anatomy_template import AnatomyTemplate, template_axes
from Xray2MRILib.simulation.anatomy.image_template import ImageTemplate, first_generation
from Xray2MRILib.simulation.anatomy.tissue_codes import CODE

WATER = {"muscle": 158, "cartilage": 120, "meniscus": 115, "synovium": 140, "femur": 9, "tibia": 9, "patella": 9}
FAT = {"fat": 180, "femur": 120, "tibia": 120, "patella": 120}


def block_template(name: str = "blocks") -> ImageTemplate:
    """A leg of 45 x 45 mm half width, the joint gap 5 mm high, fat and skin around it."""
    y, z, x = (a[shape] for a, shape in zip(template_axes(), (np.s_[:, None, None], np.s_[None, :, None],
                                                              np.s_[None, None]), strict=True))  # fmt: skip
    away = np.hypot(y / 38, x / 48)
    code = np.where(np.broadcast_to(away < 1, np.broadcast_shapes(y.shape, z.shape, x.shape)), CODE["muscle"], 0)
    code[(away > 0.8) & (away < 1) & (z < 1e3)] = CODE["fat"]
    inner = np.hypot(y / 26, x / 36) < 1
    code[inner & (z < -2.5)] = CODE["femur"]
    code[inner & (z > 2.5)] = CODE["tibia"]
    code[inner & (np.abs(z) <= 2.5)] = CODE["cartilage"]
    code[(np.hypot(y / 26, x / 36) > 0.8) & inner & (np.abs(z) <= 2.5)] = CODE["meniscus"]
    code[(np.abs(y - 33) < 4) & (np.abs(x) < 18) & (np.abs(z + 35) < 18)] = CODE["patella"]
    code = code.astype(np.uint8)
    outside = np.broadcast_to(np.maximum(away - 1, 0) * 40, code.shape).astype(np.float16)
    water, fat = (np.zeros(len(CODE), np.uint8) for _ in range(2))
    for table, levels in ((water, WATER), (fat, FAT)):
        for tissue, level in levels.items():
            table[CODE[tissue]] = level
    bone = np.isin(code, [CODE[b] for b in ("femur", "tibia", "patella")])
    depth = np.where(bone, np.minimum(30 * (1 - np.hypot(y / 26, x / 36)), np.abs(z) - 2.5).clip(0), 0)
    plane = np.zeros((code.shape[0], code.shape[2]), np.float32)
    turn = np.linspace(-0.6, 0.6, 25)
    margins = {
        f"{b}_{s}": np.stack((26 * np.sin(turn), 0 * turn + (-3 if b == "femur" else 3), side * 36 * np.cos(turn)), 1)
        for b in ("femur", "tibia")
        for s, side in (("medial", 1), ("lateral", -1))
    }
    anatomy = AnatomyTemplate(
        name, first_generation(code), depth.astype(np.float16), outside, plane - 2.5, plane + 2.5, (-36.0, 36.0),
        {"medial": (0.0, 20.0), "lateral": (0.0, -20.0)}, margins,
    )  # fmt: skip
    return ImageTemplate(anatomy, code, water[code], fat[code], np.full(code.shape, 33, np.uint8))
