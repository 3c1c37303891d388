"""The square box around one knee joint on a radiograph."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class KneeBox:
    """Box in radiograph pixels, with x and y of its top left corner; it may extend beyond the radiograph.

    The box is square on the detector, like the OAI joint crop. Its centre is the joint (between tibial spines and
    femoral notch), and its side is the tibial plateau width divided by 0.82. ``confidence`` is in [0, 1]; ``side`` is
    "left", "right" or None.
    """

    x: float
    y: float
    width: float
    height: float
    confidence: float
    side: str | None = None

    def square(self, pixel_aspect: float = 1.0) -> KneeBox:
        """The box with the same centre that is square on the detector and contains the whole box.

        ``pixel_aspect`` is the height of a pixel divided by its width; if it is not 1, the box has different numbers
        of columns and rows.
        """
        width = max(self.width, self.height * pixel_aspect)
        height = width / pixel_aspect
        x, y = self.x + (self.width - width) / 2, self.y + (self.height - height) / 2
        return replace(self, x=x, y=y, width=width, height=height)

    def scaled(self, across: float, down: float) -> KneeBox:
        """The same box on a picture with so many times the columns and rows."""
        return replace(self, x=self.x * across, y=self.y * down, width=self.width * across, height=self.height * down)

    def clip(self, rows: int, columns: int) -> KneeBox:
        """The part of the box inside a radiograph of ``rows`` x ``columns``; width or height 0 if it is outside."""
        left, right = max(self.x, 0.0), min(self.x + self.width, columns)
        top, bottom = max(self.y, 0.0), min(self.y + self.height, rows)
        return replace(self, x=left, y=top, width=max(right - left, 0.0), height=max(bottom - top, 0.0))

    def share_on_radiograph(self, rows: int, columns: int) -> float:
        """Share in [0, 1] of the box's area inside a radiograph of ``rows`` x ``columns``."""
        clipped = self.clip(rows, columns)
        return clipped.width * clipped.height / (self.width * self.height)

    def iou(self, other: KneeBox) -> float:
        """Intersection over union with another box, in [0, 1]."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if across <= 0 or down <= 0:
            return 0.0
        intersection = across * down
        return intersection / (self.width * self.height + other.width * other.height - intersection)
