"""Kinds of stations that radiographs come from: what each does to exposures, and how it cuts them.

Radiographs of one station resemble one another: a linear classifier tells those of two real sets apart as easily as
simulated from real ones. So every exposure belongs to one kind of station, and what goes together on real radiographs
goes together here: a station that evens out broad differences also stores narrow strips about the joint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .station_fields import OF_ANY_STATION, OF_BROAD_STATIONS, OF_EVEN_STATIONS, Waves

# (mean, standard deviation, lowest, highest) of what is drawn for an exposure; _LOGARITHMIC ones are given and drawn as
# natural logarithms.
Drawn = tuple[float, float, float, float]
_LOGARITHMIC = ("mineral", "soft", "gamma", "white")
_EXPOSURE = (
    "mineral", "soft", "scatter", "scatter_mm", "compressed", "compressed_mm", "edges", "black", "white", "gamma",
    "shoulder", "down", "across",
)  # fmt: skip
_FRAME = ("span", "up_mm", "aside_mm", "tilt_deg")


@dataclass(frozen=True)
class Station:
    """One kind of station.

    Attributes
    ----------
    share
        Of all exposures.
    cut_chance
        That a crop may be cut short above or below; one in twenty of these keeps both ends.
    mineral, soft
        Contrast of bone mineral and of soft tissue.
    scatter, scatter_mm
        Scatter over primary dose, and how far it is blurred.
    compressed, compressed_mm
        Share of broad differences that is taken away, and from what breadth on.
    edges
        Gain of fine differences.
    black, white
        Share of the radiograph below the window and above it.
    gamma, shoulder
        Tone curve.
    down, across
        Uneven field.
    span, up_mm, aside_mm, tilt_deg
        How its crops lie against the knee's own: edge, shift, turn.
    waves
        Broad unevenness over the crop, see ``station_fields``.
    """

    share: float
    cut_chance: float
    mineral: Drawn = (0.19, 0.22, -0.4, 0.8)
    soft: Drawn = (-0.24, 0.22, -0.9, 0.4)
    scatter: Drawn = (0.45, 0.26, 0.0, 1.2)
    scatter_mm: Drawn = (11.0, 2.9, 5.0, 17.0)
    compressed: Drawn = (0.5, 0.29, 0.0, 1.0)
    compressed_mm: Drawn = (11.0, 4.0, 3.5, 19.0)
    edges: Drawn = (0.4, 0.23, 0.0, 1.0)
    black: Drawn = (0.016, 0.008, 0.002, 0.03)
    white: Drawn = (-4.6, 1.3, -7.0, -2.3)
    gamma: Drawn = (0.06, 0.25, -0.5, 0.5)
    shoulder: Drawn = (0.7, 0.17, 0.0, 1.0)
    down: Drawn = (0.0, 0.06, -0.15, 0.15)
    across: Drawn = (0.0, 0.06, -0.15, 0.15)
    span: Drawn = (1.0, 0.02, 0.95, 1.05)
    up_mm: Drawn = (0.0, 0.8, -2.4, 2.4)
    aside_mm: Drawn = (0.0, 0.8, -2.4, 2.4)
    tilt_deg: Drawn = (0.0, 1.0, -3.0, 3.0)
    waves: Waves = OF_ANY_STATION

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """One exposure, each name with its value."""
        return {name: self._drawn(name, rng) for name in _EXPOSURE}

    def frame(self, rng: np.random.Generator) -> tuple[float, float, float, float]:
        """One crop's edge against the knee's own, its shift upwards and to the inner side in mm, its turn in
        degrees."""
        span, up, aside, tilt = (self._drawn(name, rng) for name in _FRAME)
        return span, up, aside, tilt

    def _drawn(self, name: str, rng: np.random.Generator) -> float:
        mean, deviation, lowest, highest = getattr(self, name)
        value = float(np.clip(rng.normal(mean, deviation), lowest, highest))
        return float(np.exp(value)) if name in _LOGARITHMIC else value


def draw_station(rng: np.random.Generator) -> Station:
    """The station of one exposure."""
    return STATIONS[int(rng.choice(len(STATIONS), p=[station.share for station in STATIONS]))]


# What a group of stations has in common was fitted to the mean layout of one real set each (docs/simulator-realism.md).
ANY_STATION = Station(0.11, 0.5)
STATIONS = (
    Station(
        0.37, 0.0,
        mineral=(0.3, 0.25, -0.4, 0.9), soft=(-0.15, 0.25, -0.9, 0.5),
        scatter=(0.7, 0.27, 0.0, 1.5), scatter_mm=(10.5, 3.0, 3.0, 18.0),
        compressed=(0.2, 0.18, 0.0, 0.7), compressed_mm=(14.0, 4.0, 3.5, 24.0),
        edges=(0.5, 0.3, 0.0, 1.4), white=(-4.2, 1.1, -7.0, -2.3),
        gamma=(0.25, 0.25, -0.5, 0.7), shoulder=(0.9, 0.18, 0.0, 1.0),
        down=(-0.02, 0.07, -0.2, 0.2), across=(-0.05, 0.06, -0.2, 0.2),
        span=(0.995, 0.03, 0.92, 1.08), up_mm=(0.5, 1.1, -2.5, 3.5), aside_mm=(0.6, 1.3, -3.0, 3.0),
        waves=OF_BROAD_STATIONS,
    ),
    Station(
        0.52, 0.97,
        mineral=(0.0, 0.25, -0.7, 0.7), soft=(0.0, 0.25, -0.7, 0.7), scatter_mm=(7.5, 2.9, 3.0, 17.0),
        compressed=(0.74, 0.1, 0.3, 0.83), compressed_mm=(8.0, 3.0, 3.5, 18.0),
        edges=(0.9, 0.3, 0.0, 1.8), black=(0.02, 0.008, 0.002, 0.045), white=(-4.9, 1.1, -7.0, -2.3),
        gamma=(0.27, 0.25, -0.4, 0.7), shoulder=(0.7, 0.18, 0.0, 1.0),
        down=(-0.04, 0.07, -0.2, 0.2), across=(0.0, 0.05, -0.15, 0.15),
        span=(1.025, 0.03, 0.92, 1.08), up_mm=(0.1, 1.1, -2.5, 2.5), tilt_deg=(0.0, 1.8, -4.0, 4.0),
        waves=OF_EVEN_STATIONS,
    ),
    ANY_STATION,
)  # fmt: skip
