"""Random views of radiographs with known knee boxes, annotated or simulated, as training data of the detector."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ...localization.detector import letterbox
from .radiograph_finish import finish_radiograph, place_on_canvas


def augment(
    radiograph: np.ndarray, boxes: np.ndarray, rng: np.random.Generator, canvas_size: int = 256
) -> tuple[np.ndarray, np.ndarray]:
    """A random view of a radiograph [H, W] whose boxes [K, 3] (centre x, centre y, side, radiograph pixels) are known.

    The view tilts, mirrors, scales and cuts the radiograph so that every joint centre is either well inside or well
    outside; returns canvas and boxes as `composite_radiograph` does.
    """
    height, width = radiograph.shape
    for _ in range(20):
        angle = np.deg2rad(rng.normal(0, 5))
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        zoom = float(np.exp(rng.uniform(-0.35, 0.35)))
        stretch = float(np.exp(rng.normal(0, 0.12)))
        view_width, view_height = width * zoom * stretch, height * zoom / stretch
        if len(boxes) == 2 and rng.random() < 0.35:  # one knee of a radiograph with two
            view_width *= rng.uniform(0.4, 0.6)
        anchor = boxes[rng.integers(len(boxes))] if len(boxes) else np.array([width / 2, height / 2, 0.0])
        centre_x = anchor[0] + rng.uniform(-0.45, 0.45) * view_width
        centre_y = anchor[1] + rng.uniform(-0.3, 0.3) * view_height
        if rng.random() < 0.5:
            centre_x, centre_y = width / 2 + rng.normal(0, 0.05) * width, height / 2 + rng.normal(0, 0.05) * height
        scale = canvas_size / max(view_width, view_height)
        shape = (max(16, round(view_height * scale)), max(16, round(view_width * scale)))
        # radiograph -> view: rotate and mirror about the view's centre, then scale
        turn = scale * np.array([[mirror * np.cos(angle), -mirror * np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        middle = np.array([shape[1] / 2, shape[0] / 2])
        seen = [(*(turn @ (box[:2] - (centre_x, centre_y)) + middle), box[2] * scale) for box in boxes]
        if all(_clearly_placed(box, shape) for box in seen):
            break
    else:
        canvas, mapping = letterbox(radiograph, canvas_size)
        return canvas, np.array([mapping.to_canvas(*box) for box in boxes], np.float32).reshape(-1, 3)
    back = np.linalg.inv(turn)
    x, y = np.arange(shape[1]) + 0.5 - shape[1] / 2, np.arange(shape[0]) + 0.5 - shape[0] / 2
    radiograph_x = back[0, 0] * x[None, :] + back[0, 1] * y[:, None] + centre_x
    radiograph_y = back[1, 0] * x[None, :] + back[1, 1] * y[:, None] + centre_y
    fill = rng.choice(["nearest", "constant"])
    view = ndimage.map_coordinates(
        radiograph, [radiograph_y - 0.5, radiograph_x - 0.5], order=1, mode=fill, cval=float(radiograph.min())
    )
    view = finish_radiograph(view.astype(np.float32), rng, markers=True, collimate=True)
    canvas, left, top = place_on_canvas(view, canvas_size)
    kept = [(x + left, y + top, side) for x, y, side in seen if 0 < x < shape[1] and 0 < y < shape[0]]
    return canvas, np.array(kept, np.float32).reshape(-1, 3)


def _clearly_placed(box: tuple[float, float, float], shape: tuple[int, int]) -> bool:
    """Whether a joint centre is inside by more than 0.08 box sides or outside by more than 0.6."""
    x, y, side = box
    inside = min(x, shape[1] - x, y, shape[0] - y)
    return inside > 0.08 * side or inside < -0.6 * side
