"""Pictures that are not a frontal knee: phantoms of other body parts, patterns, photographs, knees from wrong sides.

Real films of other body parts are not at hand, so most kinds are drawn. Each function takes a random generator and
returns one picture [h, w] of arbitrary range, bright where a film would be. ``DRAWN`` lists those that train the check,
``HELD_OUT_DRAWN`` those that it never sees before it is measured.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

SIDE = 160
Drawing = Callable[[np.random.Generator], np.ndarray]

# Photographs that come inside scikit-image; the second group is only used for measuring.
PHOTOGRAPHS = ("astronaut", "camera", "coins", "brick", "grass", "gravel", "rocket", "hubble_deep_field", "page")
HELD_OUT_PHOTOGRAPHS = ("coffee", "moon", "chelsea", "text", "clock", "cell", "immunohistochemistry")


def blank(rng: np.random.Generator) -> np.ndarray:
    """Nothing but a little noise, or a smooth shading."""
    rows, columns = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    direction = rng.uniform(0, 2 * np.pi)
    shading = np.cos(direction) * columns + np.sin(direction) * rows
    radial = np.hypot(rows - rng.uniform(-1, 1), columns - rng.uniform(-1, 1))
    mix = rng.uniform(0, 1, 2) * rng.integers(0, 2, 2)
    return mix[0] * shading - mix[1] * radial + rng.normal(0, rng.uniform(0.001, 0.1), shading.shape)


def noise(rng: np.random.Generator) -> np.ndarray:
    """White, smoothed or multi-scale noise."""
    from scipy import ndimage

    kind = rng.integers(3)
    white = rng.normal(size=(SIDE, SIDE))
    if kind == 0:
        return white
    if kind == 1:
        return ndimage.gaussian_filter(white, rng.uniform(0.5, 12))
    return sum(
        2**k * ndimage.gaussian_filter(rng.normal(size=(SIDE, SIDE)), 2**k) * rng.uniform(0.5, 1.5) for k in range(6)
    )


def test_pattern(rng: np.random.Generator) -> np.ndarray:
    """Bars, steps, checkerboards, gratings and resolution charts."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    period = int(rng.integers(6, 60))
    kind = rng.integers(5)
    if kind == 0:
        return rng.permutation(8)[columns * 8 // SIDE].astype(float)
    if kind == 1:
        return ((rows // period + columns // period) % 2).astype(float)
    if kind == 2:
        angle = rng.uniform(0, np.pi)
        return np.sin(2 * np.pi * (np.cos(angle) * columns + np.sin(angle) * rows) / period)
    if kind == 3:
        return ((rows % period < 2) | (columns % period < 2)).astype(float)
    return np.sin(np.hypot(rows - SIDE / 2, columns - SIDE / 2) ** 2 / rng.uniform(100, 800))


def shapes(rng: np.random.Generator) -> np.ndarray:
    """Rectangles, ellipses and lines at random."""
    film = np.full((SIDE, SIDE), rng.uniform(0, 0.5))
    for _ in range(rng.integers(2, 12)):
        kind, level = rng.integers(3), rng.uniform(-0.5, 1)
        if kind == 0:
            top, left = rng.integers(0, SIDE - 10, 2)
            film[top : top + rng.integers(5, 90), left : left + rng.integers(5, 90)] += level
        elif kind == 1:
            film += level * _ellipse(rng.uniform(0, 1, 2), rng.uniform(0.03, 0.4, 2), rng.uniform(0, np.pi))
        else:
            film += level * _rod(rng.uniform(0, 1, 2), rng.uniform(0, 1, 2), *rng.uniform(0.005, 0.05, 2))
    return film


def chest(rng: np.random.Generator) -> np.ndarray:
    """Two dark lungs in a bright trunk, a heart, a spine and curved ribs."""
    film = 0.9 * _ellipse((0.5, 0.5), (rng.uniform(0.5, 0.8), rng.uniform(0.42, 0.6)), 0)
    for side in (-1, 1):
        centre = (rng.uniform(0.42, 0.52), 0.5 + side * rng.uniform(0.17, 0.24))
        film -= rng.uniform(0.4, 0.7) * _soft(_ellipse(centre, (rng.uniform(0.3, 0.42), rng.uniform(0.12, 0.18)), 0), 3)
        for rib in range(rng.integers(6, 11)):
            film += 0.15 * _arc(0.1 + rib * 0.075, side, rng.uniform(0.32, 0.4), rng.uniform(0.25, 0.5))
    film += 0.35 * _rod((-0.1, 0.5), (1.1, 0.5), 0.05, 0.05)
    film += 0.4 * _soft(_ellipse((0.62, 0.56), (0.17, rng.uniform(0.12, 0.2)), 0.4), 3)
    return _filmed(film, rng)


def pelvis(rng: np.random.Generator) -> np.ndarray:
    """Iliac wings, two femoral heads with necks, a sacrum."""
    film = np.full((SIDE, SIDE), 0.35)
    film += 0.4 * _rod((-0.1, 0.5), (rng.uniform(0.3, 0.45), 0.5), 0.12, 0.04)
    for side in (-1, 1):
        wing = _ellipse((0.3, 0.5 + side * 0.25), (rng.uniform(0.22, 0.3), 0.16), side * rng.uniform(0.2, 0.7))
        film += 0.3 * wing
        head = (rng.uniform(0.6, 0.68), 0.5 + side * rng.uniform(0.24, 0.3))
        film += 0.45 * _ellipse(head, (0.08, 0.08), 0)
        film += 0.4 * _rod(head, (head[0] + 0.12, head[1] + side * 0.12), 0.045, 0.05)
        film += 0.4 * _rod((head[0] + 0.08, head[1] + side * 0.14), (1.1, head[1] + side * 0.1), 0.06, 0.05)
    film -= 0.3 * _ellipse((0.72, 0.5), (0.09, 0.14), 0)
    return _filmed(film, rng)


def skull(rng: np.random.Generator) -> np.ndarray:
    """A bright ring with orbits and teeth."""
    outer = _ellipse((0.45, 0.5), (rng.uniform(0.36, 0.44), rng.uniform(0.3, 0.42)), rng.uniform(-0.3, 0.3))
    film = 0.4 * outer + 0.8 * (outer - _ellipse((0.45, 0.5), (0.33, 0.28), 0)).clip(0)
    for side in (-1, 1):
        film -= 0.3 * _ellipse((0.5, 0.5 + side * 0.12), (0.06, 0.07), 0)
    film += 0.5 * _rod((0.5, 0.5), (0.62, 0.5), 0.02, 0.03)
    for tooth in range(8):
        film += 0.5 * _rod((0.72, 0.36 + tooth * 0.04), (0.8, 0.36 + tooth * 0.04), 0.014, 0.014)
    return _filmed(film, rng)


def spine(rng: np.random.Generator) -> np.ndarray:
    """A column of vertebral bodies with discs between."""
    film = np.full((SIDE, SIDE), 0.3)
    bend, height = rng.uniform(-0.15, 0.15), rng.uniform(0.1, 0.2)
    for index in range(12):
        row = -0.05 + index * height * 1.25
        column = 0.5 + bend * np.sin(3 * row)
        body = _rod((row, column), (row + height * 0.85, column), rng.uniform(0.1, 0.14), 0.12)
        film += 0.5 * body
        for side in (-1, 1):
            film += 0.25 * _rod((row + 0.04, column), (row + 0.06, column + side * 0.22), 0.02, 0.015)
    return _filmed(film, rng)


def foot(rng: np.random.Generator) -> np.ndarray:
    """A heel block and five rays fanning out, each of two or three bones."""
    film = 0.5 * _ellipse((0.75, 0.5), (0.22, rng.uniform(0.13, 0.2)), 0)
    for ray in range(5):
        start = np.array((0.6, 0.42 + ray * 0.045))
        step = np.array((-rng.uniform(0.13, 0.17), (ray - 2) * 0.03))
        for bone in range(3):
            film += 0.55 * _bone(start + bone * step, start + (bone + 0.85) * step, 0.022 - 0.004 * bone)
    film += 0.2 * _ellipse((0.5, 0.5), (0.48, 0.24), 0)
    return _filmed(_turned(film, rng), rng)


def long_bone(rng: np.random.Generator) -> np.ndarray:
    """One or two shafts without a joint: forearm, lower leg, thigh, upper arm."""
    film = 0.3 * _rod((-0.3, 0.5), (1.3, 0.5), *rng.uniform(0.2, 0.5, 2))
    centre, lean = rng.uniform(0.3, 0.7), rng.uniform(-0.1, 0.1)
    width = rng.uniform(0.05, 0.2)
    film += 0.6 * _bone((-0.3, centre - lean), (1.3, centre + lean), width)
    if rng.random() < 0.5:
        offset = rng.choice([-1, 1]) * (width + rng.uniform(0.05, 0.2))
        film += 0.5 * _bone((-0.3, centre + offset), (1.3, centre + offset + lean), width * rng.uniform(0.3, 0.9))
    return _filmed(_turned(film, rng, 25), rng)


def elbow(rng: np.random.Generator) -> np.ndarray:
    """Three shafts meeting at an angle."""
    joint, angle = rng.uniform(0.4, 0.6, 2), rng.uniform(0.5, 1.8)
    film = 0.25 * _rod((-0.2, joint[1]), joint, 0.2, 0.14)
    far = joint + 0.9 * np.array((np.cos(angle), np.sin(angle)))
    film += 0.25 * _rod(joint, far, 0.14, 0.1) + 0.55 * _bone((-0.2, joint[1]), joint, 0.06)
    aside = 0.06 * np.array((-np.sin(angle), np.cos(angle)))
    film += 0.5 * _bone(joint + aside, far + aside, 0.035) + 0.5 * _bone(joint - aside, far - aside, 0.04)
    return _filmed(_turned(film, rng), rng)


def hand(rng: np.random.Generator) -> np.ndarray:
    """Wrist, five rays of four bones each, soft tissue around."""
    film = 0.25 * _ellipse((0.62, 0.5), (0.2, 0.2), 0)
    leans, reaches = (-0.9, -0.22, 0.0, 0.2, 0.42), (0.6, 0.95, 1.0, 0.93, 0.78)
    for digit, (lean, reach) in enumerate(zip(leans, reaches, strict=True)):
        start = np.array((0.68, 0.38 + digit * 0.06))
        step = rng.uniform(0.15, 0.18) * reach * np.array((-np.cos(lean), np.sin(lean)))
        for bone in range(4 if digit else 3):
            lengths = (0.9, 0.6, 0.4, 0.25)
            end = start + step * lengths[bone] * 1.3
            film += 0.5 * _bone(start, end, 0.02 - 0.003 * bone) + 0.12 * _rod(start, end, 0.045, 0.04)
            start = end + 0.06 * step
    for _ in range(8):
        film += 0.4 * _ellipse((rng.uniform(0.7, 0.78), rng.uniform(0.38, 0.62)), (0.03, 0.035), rng.uniform(0, 3))
    film += 0.55 * _bone((0.8, 0.43), (1.2, 0.42), 0.05) + 0.55 * _bone((0.8, 0.57), (1.2, 0.58), 0.035)
    return _filmed(_turned(film, rng), rng)


def shoulder(rng: np.random.Generator) -> np.ndarray:
    """A humeral head and shaft, clavicle, scapula and a few ribs."""
    film = np.full((SIDE, SIDE), 0.3)
    head = rng.uniform((0.3, 0.3), (0.45, 0.45))
    film += 0.5 * _ellipse(head, (0.12, 0.12), 0) + 0.5 * _bone(head, (1.2, head[1] - 0.1), 0.07)
    film += 0.4 * _bone((0.2, 0.3), (0.28, 1.1), 0.03) + 0.3 * _ellipse((0.55, 0.65), (0.3, 0.1), 0.3)
    for rib in range(5):
        film += 0.2 * _arc(0.3 + rib * 0.13, 1, 0.5, 0.4)
    return _filmed(film, rng)


DRAWN: dict[str, Drawing] = {
    "blank or shading": blank,
    "noise": noise,
    "test pattern": test_pattern,
    "random shapes": shapes,
    "chest phantom": chest,
    "pelvis phantom": pelvis,
    "skull phantom": skull,
    "spine phantom": spine,
    "foot phantom": foot,
    "long bone phantom": long_bone,
}
HELD_OUT_DRAWN: dict[str, Drawing] = {"hand phantom": hand, "shoulder phantom": shoulder, "elbow phantom": elbow}


def photograph(names: tuple[str, ...], rng: np.random.Generator) -> np.ndarray:
    """A random square of one of scikit-image's own photographs, in grey, sometimes inverted or mirrored."""
    from skimage import data

    picture = np.asarray(getattr(data, names[rng.integers(len(names))])(), dtype=np.float64)
    picture = picture if picture.ndim == 2 else picture[..., :3].mean(axis=2)
    picture = square_part(picture, rng, smallest=0.35)
    picture = picture[:, ::-1] if rng.random() < 0.5 else picture
    return -picture if rng.random() < 0.3 else picture


def square_part(picture: np.ndarray, rng: np.random.Generator, smallest: float = 0.6) -> np.ndarray:
    """A random square whose side is at least ``smallest`` of the short edge."""
    side = round(min(picture.shape) * rng.uniform(smallest, 1))
    top = rng.integers(0, picture.shape[0] - side + 1)
    left = rng.integers(0, picture.shape[1] - side + 1)
    return picture[top : top + side, left : left + side]


def turned_knee(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A joint crop lying on its side or upside down."""
    return np.rot90(crop, rng.integers(1, 4))


def rearranged_knee(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Real film texture in the wrong order: tiles shuffled, femur upon femur, or tibia upon tibia."""
    side = min(crop.shape) // 12 * 12
    crop, half = crop[:side, :side], side // 2
    kind = rng.integers(3)
    if kind == 0:
        return np.vstack((crop[:half], crop[:half][::-1]))
    if kind == 1:
        return np.vstack((crop[half:][::-1], crop[half:]))
    parts = int(rng.choice([2, 3, 4]))
    small = side // parts
    tiles = crop.reshape(parts, small, parts, small).swapaxes(1, 2).reshape(parts * parts, small, small)
    order = rng.permutation(parts * parts)
    if (order == np.arange(parts * parts)).any():
        order = np.roll(np.arange(parts * parts), int(rng.integers(1, parts * parts)))
    tiles = tiles[order].reshape(parts, parts, small, small)
    return tiles.swapaxes(1, 2).reshape(side, side)


def missed_knee(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a box sees that misses the joint by more than half its side, or that looks at a shaft or corner only."""
    side = min(crop.shape)
    if rng.random() < 0.5:  # a small window above or below the joint, or in a corner of it
        small = round(side * rng.uniform(0.22, 0.34))
        top = rng.choice([rng.integers(0, side // 12), side - small - rng.integers(0, side // 12)])
        left = rng.integers(0, side - small)
        return crop[top : top + small, left : left + small]
    shift = round(side * rng.uniform(0.55, 0.8)) * rng.choice([-1, 1])
    rows, columns = np.arange(side), np.arange(side)
    if rng.random() < 0.5:
        rows = rows + shift
    else:
        columns = columns + shift
    return crop[np.ix_(rows.clip(0, side - 1), columns.clip(0, side - 1))]


def two_knees(left_crop: np.ndarray, right_crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A box around both knees of one patient: two crops beside each other, squeezed or padded to a square."""
    gap = np.full((right_crop.shape[0], rng.integers(4, 60)), right_crop.min())
    pair = np.hstack((right_crop, gap, left_crop))
    if rng.random() < 0.5:
        return pair
    missing = pair.shape[1] - pair.shape[0]
    return np.pad(pair, ((missing // 2, missing - missing // 2), (0, 0)), mode="edge")


def _grid() -> tuple[np.ndarray, np.ndarray]:
    return np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]


def _ellipse(centre: np.ndarray, radii: np.ndarray, angle: float) -> np.ndarray:
    rows, columns = _grid()
    rows, columns = rows - centre[0], columns - centre[1]
    along, across = np.cos(angle) * rows + np.sin(angle) * columns, np.cos(angle) * columns - np.sin(angle) * rows
    return ((along / radii[0]) ** 2 + (across / radii[1]) ** 2 < 1).astype(np.float64)


def _distance(start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to a segment and position along it (0 to 1) of every pixel."""
    rows, columns = _grid()
    start, end = np.asarray(start, float), np.asarray(end, float)
    axis = end - start
    along = ((rows - start[0]) * axis[0] + (columns - start[1]) * axis[1]) / max(axis @ axis, 1e-9)
    along = along.clip(0, 1)
    return np.hypot(rows - start[0] - along * axis[0], columns - start[1] - along * axis[1]), along


def _rod(start: np.ndarray, end: np.ndarray, width_start: float, width_end: float) -> np.ndarray:
    """A tapering cylinder in projection: brightest along its axis."""
    distance, along = _distance(start, end)
    radius = width_start + (width_end - width_start) * along
    return np.sqrt((1 - (distance / radius) ** 2).clip(0))


def _bone(start: np.ndarray, end: np.ndarray, radius: float) -> np.ndarray:
    """A hollow cylinder with flared ends."""
    distance, along = _distance(start, end)
    wide = radius * (1 + 0.5 * (2 * np.abs(along - 0.5)) ** 3)
    outer = np.sqrt((1 - (distance / wide) ** 2).clip(0))
    return outer - 0.6 * np.sqrt((1 - (distance / (0.7 * wide)) ** 2).clip(0)) * 0.7


def _arc(height: float, side: int, reach: float, drop: float) -> np.ndarray:
    rows, columns = _grid()
    across = (columns - 0.5) * side
    course = height + drop * (across / reach) ** 2
    return ((np.abs(rows - course) < 0.012) & (across > 0.02) & (across < reach)).astype(np.float64)


def _soft(film: np.ndarray, sigma: float) -> np.ndarray:
    from scipy import ndimage

    return ndimage.gaussian_filter(film, sigma)


def _turned(film: np.ndarray, rng: np.random.Generator, limit: float = 180) -> np.ndarray:
    from scipy import ndimage

    return ndimage.rotate(film, rng.uniform(-limit, limit), reshape=False, order=1, mode="nearest")


def _filmed(film: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven texture, softness and grain of a film; a random square part of it."""
    texture = _soft(rng.normal(size=film.shape), rng.uniform(1, 4))
    film = film + 0.08 * texture / texture.std() * (film > 0.2)
    film = _soft(film, rng.uniform(0.3, 1.5))
    film = film + rng.normal(0, rng.uniform(0, 0.03), film.shape)
    return square_part(film, rng, smallest=0.55)
