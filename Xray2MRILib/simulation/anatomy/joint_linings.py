"""What surrounds the joint of the multi-echo template: notch, sides of the condyles, synovium, pouch and retinacula.

The scan's thick sagittal slices smear everything that lies sagittally; there the smear is replaced by fat, and thin
structures are drawn into it.
"""

from __future__ import annotations

import numpy as np

from .anatomical_structures import STRUCTURE
from .anatomy_template import template_axes
from .drawn_shapes import Canvas, Filling, Material, along, pushed_out, sheet, shell_filling, smoothed
from .ligament_strands import BoneSurface
from .tissue_classes import SPACING_MM
from .tissue_codes import BONE_CODES, CODE

SYNOVIUM = Material("synovium", 146.0, 20.0, 27.0)
FLUID = Material("fluid", 196.0, 0.0, 80.0)
FAT = Material("fat", 10.0, 168.0, 30.0)
RETINACULUM = Material("tendon", 118.0, 12.0, 6.0)
TENDON = Material("tendon", 118.0, 6.0, 5.0)
_LOOSE = ("fat", "connective", "tendon", "synovium", "ligament", "fluid", "subcutaneous")
_LAYER_MM = 1.3  # of tendon in front of the patella
_TENDON_SUM = 84.0  # water and fat together of what counts as tendon in front of the knee
_SYNOVIUM_MM = (0.4, 1.7)  # thinnest and thickest line
_POUCH_MM = (3.8, 4.7)  # distance of the pouch's walls from the shaft
_POUCH_TOP_MM = 24.0  # it reaches above the patella


def loose(canvas: Canvas) -> np.ndarray:
    """Where something thin may be drawn: loose tissue without a name, bool [Y, Z, X]."""
    return np.isin(canvas.code, [CODE[n] for n in _LOOSE]) & (canvas.structure == 0)


def find_extensor_tendons(canvas: Canvas) -> None:
    """Quadriceps tendon and patellar ligament, which show neither water nor fat in front of the knee, in place."""
    from scipy import ndimage

    y, z, x = template_axes()
    patella = np.argwhere(canvas.code == CODE["patella"])
    top, bottom = z[patella[:, 1].min()], z[patella[:, 1].max()]
    middle = float(x[patella[:, 2]].mean())
    dark = ndimage.gaussian_filter(canvas.water + canvas.fat, 0.8) < _TENDON_SUM
    dark &= (canvas.code > 0) & ~np.isin(canvas.code, [*BONE_CODES, CODE["cartilage"]])
    dark &= (y > 24)[:, None, None] & (np.abs(x - middle) < 24)[None, None]
    body = ndimage.binary_erosion(canvas.code > 0, iterations=3)
    front = ndimage.binary_opening(dark & body, iterations=1)
    for name, rows in (
        ("quadriceps tendon", (z > top - 45) & (z < top + 6)),
        ("patellar ligament", (z > bottom - 1) & (z < bottom + 42)),
    ):
        labels, count = ndimage.label(front & rows[None, :, None])
        if not count:
            continue
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        found = ndimage.binary_closing(labels == sizes.argmax(), iterations=2)
        found &= ~np.isin(canvas.code, [*BONE_CODES, CODE["cartilage"], 0])
        share = np.clip(ndimage.gaussian_filter(found.astype(np.float32), 0.6) * 1.6, 0, 1) * found
        for values, wanted in ((canvas.water, TENDON.water), (canvas.fat, TENDON.fat), (canvas.t2_ms, TENDON.t2_ms)):
            values += share * (wanted - values)
        canvas.code[found] = CODE["tendon"]
        canvas.structure[found] = STRUCTURE[name]


def clear_front(canvas: Canvas) -> None:
    """Skin and its fat instead of what the coil's near side brightens in front of patella and tendons, in place.

    A thin layer of tendon stays on the patella.
    """
    y, _, _ = template_axes()
    tendons = [STRUCTURE["quadriceps tendon"], STRUCTURE["patellar ligament"]]
    solid = (canvas.code == CODE["patella"]) | np.isin(canvas.structure, tendons)
    front = np.where(solid.any(axis=0), y[len(y) - 1 - np.argmax(solid[::-1], axis=0)], np.inf)
    beyond = (canvas.code > 0) & (y[:, None, None] > front + _LAYER_MM)
    canvas.code[beyond] = CODE["subcutaneous"]
    layer = (canvas.code > 0) & ~solid & (y[:, None, None] > front) & ~beyond & (front > 30)
    canvas.code[layer] = CODE["tendon"]
    canvas.water[layer], canvas.fat[layer], canvas.t2_ms[layer] = TENDON.water, TENDON.fat, TENDON.t2_ms


def clear_sides(canvas: Canvas, surface: BoneSurface) -> None:
    """Fat instead of the smear beside the condyles and the plateau, in place."""
    y, z, x = template_axes()
    fade = np.clip((np.abs(x) - 25.0) / 6.0, 0, 1)[None, None, :]
    fade = fade * (_step(y, -22.0, 32.0)[:, None, None] * _step(z, -50.0, 30.0)[None, :, None])
    away = surface.outside_mm
    share = (fade * np.clip((away - 0.2) / 0.6, 0, 1) * np.clip((9.0 - away) / 2.0, 0, 1) * loose(canvas)).astype(
        np.float32
    )
    whole = tuple(slice(0, n) for n in share.shape)

    canvas.paint(Filling(whole, 0.85 * share), FAT)


def fill_notch(canvas: Canvas, seed: int = 7) -> None:
    """Synovial tissue with small lobules of fat between the condyles, in place: what holds the cruciate ligaments."""
    from scipy import ndimage

    y, z, x = template_axes()
    window = _step(y, -29.0, 10.0)[:, None, None] * _step(z, -31.0, 4.0)[None, :, None]
    window = window * _step(x, -13.0, 13.0)[None, None, :]
    window *= np.isin(canvas.code, [CODE[n] for n in _LOOSE])
    index = np.nonzero(window > 0.02)
    noise = np.random.default_rng(seed).standard_normal(canvas.code.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, 1.6)
    noise /= noise.std()
    oily = 1 / (1 + np.exp(-(2.6 * noise[index] - 0.7)))
    share = window[index]
    for values, wet, fat in ((canvas.water, 128, 14.0), (canvas.fat, 18.0, 150.0), (canvas.t2_ms, 27.0, 30.0)):
        values[index] += share * (wet + oily * (fat - wet) - values[index])
    code = np.where(oily > 0.5, CODE["fat"], CODE["synovium"]).astype(np.uint8)
    canvas.code[index] = np.where(share > 0.5, code, canvas.code[index])


def draw_synovium(canvas: Canvas) -> None:
    """The bright line of synovium on the condyles and along the recesses, in place."""
    from scipy import ndimage

    y, z, _ = template_axes()
    rows = slice(int(np.searchsorted(z, -62.0)), int(np.searchsorted(z, 8.0)))
    part = (slice(None), rows, slice(None))
    code = canvas.code[part]
    solid = np.isin(code, [CODE["femur"], CODE["cartilage"]])
    distance = ndimage.distance_transform_edt(~solid, SPACING_MM).astype(np.float32) - SPACING_MM / 2
    noise = ndimage.gaussian_filter(np.random.default_rng(11).standard_normal(code.shape, dtype=np.float32), 4.0)
    thickness = np.interp(noise / noise.std(), (-1.6, 1.6), _SYNOVIUM_MM).astype(np.float32)
    share = np.clip(0.5 + (thickness - distance) / SPACING_MM, 0, 1) * (~solid)
    # what lies on muscle is no recess
    flesh = ndimage.binary_dilation(code == CODE["muscle"], iterations=3)
    share *= ~flesh
    window = _step(y, -26.0, 60.0)[:, None, None] * _step(z[rows], -58.0, 4.0)[None, :, None]
    over = loose(canvas)[part] & (code != CODE["ligament"])
    share = 0.85 * share * window * over

    canvas.paint(Filling(part, share.astype(np.float32)), SYNOVIUM, STRUCTURE["synovium"])


def draw_pouch(canvas: Canvas) -> None:
    """The suprapatellar pouch: a film of fluid between two layers of synovium in front of the shaft, in place."""
    from scipy import ndimage

    y, z, x = template_axes()
    patella = np.argwhere(canvas.code == CODE["patella"])
    top = float(z[patella[:, 1].min()])
    rows = slice(int(np.searchsorted(z, top - _POUCH_TOP_MM - 4.0)), int(np.searchsorted(z, top + 10.0)))
    part = (slice(None), rows, slice(None))
    femur = canvas.code[part] == CODE["femur"]
    distance = ndimage.distance_transform_edt(~femur, SPACING_MM).astype(np.float32)
    over = loose(canvas)[part] & (y > 14)[:, None, None]
    window = _step(x, -20.0, 16.0)[None, None, :] * _step(z[rows], top - _POUCH_TOP_MM, top + 6.0)[None, :, None]
    wall = shell_filling(distance, _POUCH_MM[0] - 0.8, _POUCH_MM[1] + 0.8).share * window * over
    film = shell_filling(distance, *_POUCH_MM).share * window * over
    canvas.paint(Filling(part, wall.astype(np.float32)), SYNOVIUM, STRUCTURE["suprapatellar pouch"])
    canvas.paint(Filling(part, 0.6 * film.astype(np.float32)), FLUID, STRUCTURE["suprapatellar pouch"])


def draw_retinacula(canvas: Canvas, surface: BoneSurface) -> None:
    """Medial and lateral patellar retinaculum from the patella's edges to the epicondyles, in place."""
    patella = surface.points_mm["patella"]
    low, high = patella[:, 1].min() + 6, patella[:, 1].max() - 6
    over = loose(canvas)
    for name, sign, far in (("medial retinaculum", 1, (8.0, 46.0)), ("lateral retinaculum", -1, (6.0, -42.0))):
        lines = []
        for height in np.linspace(low, high, 7):
            ring = patella[np.abs(patella[:, 1] - height) < 1.0]
            edge = ring[np.argmax(sign * ring[:, 2])]
            end = surface.nearest(np.array([far[0], 0.55 * height - 14.0, far[1]]), "femur", weights=(1, 1, 0.3))
            line = along(np.array([edge, (end[0], end[1], end[2] + sign * 2.2)]))
            lines.append(smoothed(pushed_out(line, surface.outside_mm, 2.6), 4.0))
        canvas.paint(sheet(lines, 1.3, canvas.code.shape), RETINACULUM, STRUCTURE[name], over=over)


def name_hoffa(canvas: Canvas) -> None:
    """Name Hoffa's fat pad: fat between patellar ligament, femur and tibia, in place."""
    from scipy import ndimage

    y, z, x = template_axes()
    ligament = np.argwhere(canvas.structure == STRUCTURE["patellar ligament"])
    if not len(ligament):
        return
    window = (y > 8)[:, None, None] & (np.abs(x) < 32)[None, None]
    kinds = [CODE[n] for n in ("fat", "subcutaneous", "connective")]
    pad = np.isin(canvas.code, kinds) & (canvas.structure == 0) & window
    top, bottom = np.percentile(ligament[:, 1], (2, 60)).astype(int)
    rows = np.zeros(len(z), bool)
    rows[top - 8 : bottom] = True
    front = np.full((len(z), len(x)), -np.inf)
    np.maximum.at(front, (ligament[:, 1], ligament[:, 2]), y[ligament[:, 0]])
    reach = np.where(rows, front.max(axis=1), -np.inf)
    pad &= y[:, None, None] < reach[None, :, None]
    labels, count = ndimage.label(ndimage.binary_opening(pad, iterations=2))
    if count:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        pad &= labels == sizes.argmax()
        canvas.code[pad & (canvas.code == CODE["subcutaneous"])] = CODE["fat"]
        canvas.structure[pad] = STRUCTURE["Hoffa's fat pad"]


def _step(place: np.ndarray, low: float, high: float) -> np.ndarray:
    """1 between ``low`` and ``high``, falling to 0 over about 2 mm."""
    return 1 / (1 + np.exp(-np.clip(place - low, -40, 40))) / (1 + np.exp(np.clip(place - high, -40, 40)))
