"""The square box around one knee joint on a film."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KneeBox:
    """Box in film pixels, x and y of its top left corner; it may reach beyond the film.

    The box is square like the OAI joint crop: centred on the joint (between tibial spines and femoral notch), its side
    is the tibial plateau width divided by 0.82. ``confidence`` lies in [0, 1]; ``side`` is "left", "right" or None.
    """

    x: float
    y: float
    width: float
    height: float
    confidence: float
    side: str | None = None

    def iou(self, other: KneeBox) -> float:
        """Intersection over union with another box, in [0, 1]."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if across <= 0 or down <= 0:
            return 0.0
        intersection = across * down
        return intersection / (self.width * self.height + other.width * other.height - intersection)
