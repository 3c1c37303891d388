"""Phantoms of other body parts in projection: cylinders, hollow bones and ellipses in projection.

They stand for radiographs of other body parts, which the project does not have. Each body part is a function that takes
a random generator and returns one picture [h, w] of arbitrary range, bright where a radiograph would be; ``rod`` and
``ellipse`` are their elements.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SIDE = 160
Point = Sequence[float] | np.ndarray  # (row, column) in the unit square


def chest(rng: np.random.Generator) -> np.ndarray:
    """Two dark lungs in a bright trunk, a heart, a spine and curved ribs."""
    radiograph = 0.9 * ellipse((0.5, 0.5), (rng.uniform(0.5, 0.8), rng.uniform(0.42, 0.6)), 0)
    for side in (-1, 1):
        centre = (rng.uniform(0.42, 0.52), 0.5 + side * rng.uniform(0.17, 0.24))
        radiograph -= rng.uniform(0.4, 0.7) * _soft(
            ellipse(centre, (rng.uniform(0.3, 0.42), rng.uniform(0.12, 0.18)), 0), 3
        )
        for rib in range(rng.integers(6, 11)):
            radiograph += 0.15 * _arc(0.1 + rib * 0.075, side, rng.uniform(0.32, 0.4), rng.uniform(0.25, 0.5))
    radiograph += 0.35 * rod((-0.1, 0.5), (1.1, 0.5), 0.05, 0.05)
    radiograph += 0.4 * _soft(ellipse((0.62, 0.56), (0.17, rng.uniform(0.12, 0.2)), 0.4), 3)
    return _radiographed(radiograph, rng)


def pelvis(rng: np.random.Generator) -> np.ndarray:
    """Iliac wings, two femoral heads with necks, a sacrum."""
    radiograph = np.full((SIDE, SIDE), 0.35)
    radiograph += 0.4 * rod((-0.1, 0.5), (rng.uniform(0.3, 0.45), 0.5), 0.12, 0.04)
    for side in (-1, 1):
        wing = ellipse((0.3, 0.5 + side * 0.25), (rng.uniform(0.22, 0.3), 0.16), side * rng.uniform(0.2, 0.7))
        radiograph += 0.3 * wing
        head = (rng.uniform(0.6, 0.68), 0.5 + side * rng.uniform(0.24, 0.3))
        radiograph += 0.45 * ellipse(head, (0.08, 0.08), 0)
        radiograph += 0.4 * rod(head, (head[0] + 0.12, head[1] + side * 0.12), 0.045, 0.05)
        radiograph += 0.4 * rod((head[0] + 0.08, head[1] + side * 0.14), (1.1, head[1] + side * 0.1), 0.06, 0.05)
    radiograph -= 0.3 * ellipse((0.72, 0.5), (0.09, 0.14), 0)
    return _radiographed(radiograph, rng)


def skull(rng: np.random.Generator) -> np.ndarray:
    """A bright ring with orbits and teeth."""
    outer = ellipse((0.45, 0.5), (rng.uniform(0.36, 0.44), rng.uniform(0.3, 0.42)), rng.uniform(-0.3, 0.3))
    radiograph = 0.4 * outer + 0.8 * (outer - ellipse((0.45, 0.5), (0.33, 0.28), 0)).clip(0)
    for side in (-1, 1):
        radiograph -= 0.3 * ellipse((0.5, 0.5 + side * 0.12), (0.06, 0.07), 0)
    radiograph += 0.5 * rod((0.5, 0.5), (0.62, 0.5), 0.02, 0.03)
    for tooth in range(8):
        radiograph += 0.5 * rod((0.72, 0.36 + tooth * 0.04), (0.8, 0.36 + tooth * 0.04), 0.014, 0.014)
    return _radiographed(radiograph, rng)


def spine(rng: np.random.Generator) -> np.ndarray:
    """A column of vertebral bodies with discs between."""
    radiograph = np.full((SIDE, SIDE), 0.3)
    bend, height = rng.uniform(-0.15, 0.15), rng.uniform(0.1, 0.2)
    for index in range(12):
        row = -0.05 + index * height * 1.25
        column = 0.5 + bend * np.sin(3 * row)
        body = rod((row, column), (row + height * 0.85, column), rng.uniform(0.1, 0.14), 0.12)
        radiograph += 0.5 * body
        for side in (-1, 1):
            radiograph += 0.25 * rod((row + 0.04, column), (row + 0.06, column + side * 0.22), 0.02, 0.015)
    return _radiographed(radiograph, rng)


def foot(rng: np.random.Generator) -> np.ndarray:
    """A heel block and five rays fanning out, each of two or three bones."""
    radiograph = 0.5 * ellipse((0.75, 0.5), (0.22, rng.uniform(0.13, 0.2)), 0)
    for ray in range(5):
        start = np.array((0.6, 0.42 + ray * 0.045))
        step = np.array((-rng.uniform(0.13, 0.17), (ray - 2) * 0.03))
        for bone in range(3):
            radiograph += 0.55 * _bone(start + bone * step, start + (bone + 0.85) * step, 0.022 - 0.004 * bone)
    radiograph += 0.2 * ellipse((0.5, 0.5), (0.48, 0.24), 0)
    return _radiographed(_rotate(radiograph, rng), rng)


def long_bone(rng: np.random.Generator) -> np.ndarray:
    """One or two shafts without a joint: forearm, lower leg, thigh, upper arm."""
    radiograph = 0.3 * rod((-0.3, 0.5), (1.3, 0.5), *rng.uniform(0.2, 0.5, 2))
    centre, lean = rng.uniform(0.3, 0.7), rng.uniform(-0.1, 0.1)
    width = rng.uniform(0.05, 0.2)
    radiograph += 0.6 * _bone((-0.3, centre - lean), (1.3, centre + lean), width)
    if rng.random() < 0.5:
        offset = rng.choice([-1, 1]) * (width + rng.uniform(0.05, 0.2))
        radiograph += 0.5 * _bone((-0.3, centre + offset), (1.3, centre + offset + lean), width * rng.uniform(0.3, 0.9))
    return _radiographed(_rotate(radiograph, rng, 25), rng)


def elbow(rng: np.random.Generator) -> np.ndarray:
    """Three shafts meeting at an angle."""
    joint, angle = rng.uniform(0.4, 0.6, 2), rng.uniform(0.5, 1.8)
    radiograph = 0.25 * rod((-0.2, joint[1]), joint, 0.2, 0.14)
    far = joint + 0.9 * np.array((np.cos(angle), np.sin(angle)))
    radiograph += 0.25 * rod(joint, far, 0.14, 0.1) + 0.55 * _bone((-0.2, joint[1]), joint, 0.06)
    aside = 0.06 * np.array((-np.sin(angle), np.cos(angle)))
    radiograph += 0.5 * _bone(joint + aside, far + aside, 0.035) + 0.5 * _bone(joint - aside, far - aside, 0.04)
    return _radiographed(_rotate(radiograph, rng), rng)


def hand(rng: np.random.Generator) -> np.ndarray:
    """Wrist, five rays of four bones each, soft tissue around."""
    radiograph = 0.25 * ellipse((0.62, 0.5), (0.2, 0.2), 0)
    leans, reaches = (-0.9, -0.22, 0.0, 0.2, 0.42), (0.6, 0.95, 1.0, 0.93, 0.78)
    for digit, (lean, reach) in enumerate(zip(leans, reaches, strict=True)):
        start = np.array((0.68, 0.38 + digit * 0.06))
        step = rng.uniform(0.15, 0.18) * reach * np.array((-np.cos(lean), np.sin(lean)))
        for bone in range(4 if digit else 3):
            lengths = (0.9, 0.6, 0.4, 0.25)
            end = start + step * lengths[bone] * 1.3
            radiograph += 0.5 * _bone(start, end, 0.02 - 0.003 * bone) + 0.12 * rod(start, end, 0.045, 0.04)
            start = end + 0.06 * step
    for _ in range(8):
        radiograph += 0.4 * ellipse((rng.uniform(0.7, 0.78), rng.uniform(0.38, 0.62)), (0.03, 0.035), rng.uniform(0, 3))
    radiograph += 0.55 * _bone((0.8, 0.43), (1.2, 0.42), 0.05) + 0.55 * _bone((0.8, 0.57), (1.2, 0.58), 0.035)
    return _radiographed(_rotate(radiograph, rng), rng)


def shoulder(rng: np.random.Generator) -> np.ndarray:
    """A humeral head and shaft, clavicle, scapula and a few ribs."""
    radiograph = np.full((SIDE, SIDE), 0.3)
    head = rng.uniform((0.3, 0.3), (0.45, 0.45))
    radiograph += 0.5 * ellipse(head, (0.12, 0.12), 0) + 0.5 * _bone(head, (1.2, head[1] - 0.1), 0.07)
    radiograph += 0.4 * _bone((0.2, 0.3), (0.28, 1.1), 0.03) + 0.3 * ellipse((0.55, 0.65), (0.3, 0.1), 0.3)
    for rib in range(5):
        radiograph += 0.2 * _arc(0.3 + rib * 0.13, 1, 0.5, 0.4)
    return _radiographed(radiograph, rng)


def square_part(picture: np.ndarray, rng: np.random.Generator, smallest: float = 0.6) -> np.ndarray:
    """A random square whose side is at least ``smallest`` of the short edge."""
    side = round(min(picture.shape) * rng.uniform(smallest, 1))
    top = rng.integers(0, picture.shape[0] - side + 1)
    left = rng.integers(0, picture.shape[1] - side + 1)
    return picture[top : top + side, left : left + side]


def _grid() -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    return rows, columns


def ellipse(centre: Point, radii: Point, angle: float) -> np.ndarray:
    """Ones within an ellipse of the unit square, zeros outside."""
    rows, columns = _grid()
    rows, columns = rows - centre[0], columns - centre[1]
    along, across = np.cos(angle) * rows + np.sin(angle) * columns, np.cos(angle) * columns - np.sin(angle) * rows
    return ((along / radii[0]) ** 2 + (across / radii[1]) ** 2 < 1).astype(np.float64)


def _distance(start: Point, end: Point) -> tuple[np.ndarray, np.ndarray]:
    """Distance to a segment and position along it (0 to 1) of every pixel."""
    rows, columns = _grid()
    start, end = np.asarray(start, float), np.asarray(end, float)
    axis = end - start
    along = ((rows - start[0]) * axis[0] + (columns - start[1]) * axis[1]) / max(axis @ axis, 1e-9)
    along = along.clip(0, 1)
    return np.hypot(rows - start[0] - along * axis[0], columns - start[1] - along * axis[1]), along


def rod(start: Point, end: Point, width_start: float, width_end: float) -> np.ndarray:
    """A tapering cylinder in projection: brightest along its axis."""
    distance, along = _distance(start, end)
    radius = width_start + (width_end - width_start) * along
    return np.sqrt((1 - (distance / radius) ** 2).clip(0))


def _bone(start: Point, end: Point, radius: float) -> np.ndarray:
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


def _soft(radiograph: np.ndarray, sigma: float) -> np.ndarray:
    from scipy import ndimage

    return ndimage.gaussian_filter(radiograph, sigma)


def _rotate(radiograph: np.ndarray, rng: np.random.Generator, limit: float = 180) -> np.ndarray:
    from scipy import ndimage

    return ndimage.rotate(radiograph, rng.uniform(-limit, limit), reshape=False, order=1, mode="nearest")


def _radiographed(radiograph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven texture, softness and grain of a radiograph; a random square part of it."""
    texture = _soft(rng.normal(size=radiograph.shape), rng.uniform(1, 4))
    radiograph = radiograph + 0.08 * texture / texture.std() * (radiograph > 0.2)
    radiograph = _soft(radiograph, rng.uniform(0.3, 1.5))
    radiograph = radiograph + rng.normal(0, rng.uniform(0, 0.03), radiograph.shape)
    return square_part(radiograph, rng, smallest=0.55)
