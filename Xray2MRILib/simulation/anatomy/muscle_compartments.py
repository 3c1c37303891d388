"""Single muscles of a template: grown from seeds up to the fasciae that the scan shows, and the septa between them."""

from __future__ import annotations

import numpy as np

from .anatomical_structures import STRUCTURE
from .drawn_shapes import Canvas, along
from .tissue_classes import EXTENT_MM, SPACING_MM
from .tissue_codes import CODE

_SEED_MM = 2.6  # radius of the tube around a seed line
_COARSE = 2  # muscles are told apart at twice the template's voxel
_NEARNESS = 0.006  # per mm: where no fascia shows, the border lies half-way between the seeds
_SMOOTH_MM = 2.4
_OWN_MM = 34.0  # muscle farther than this from every seed belongs to none
_BEYOND_MM = 22.0  # a muscle goes on at most this far above and below its seeds
_SEPTUM = {"water": 52.0, "fat": 95.0}
_SEPTUM_MM = 0.55  # half of its thickness


def label_muscles(canvas: Canvas, seeds: dict[str, list[np.ndarray]], rows: slice) -> None:
    """Write the label of each muscle into ``canvas.structure`` where its code is muscle, within ``rows``."""
    from scipy import ndimage
    from skimage.segmentation import watershed

    step = SPACING_MM * _COARSE
    part = (slice(None), rows, slice(None))
    coarse = (slice(None, None, _COARSE),) * 3
    muscle = np.isin(canvas.code[part], [CODE["muscle"], CODE["synovium"]])[coarse]
    dark = 1 - np.clip(ndimage.gaussian_filter(canvas.water[part], 1.0)[coarse] / 158.0, 0, 1)
    markers = np.zeros(muscle.shape, np.int32)
    low = np.array([lo for lo, _ in EXTENT_MM.values()])
    low[1] += rows.start * SPACING_MM
    for name, lines in seeds.items():
        for line in lines:
            index = np.round((along(line, step) - low) / step).astype(int)
            inside = np.all((index >= 0) & (index < muscle.shape), axis=1)
            markers[tuple(index[inside].T)] = STRUCTURE[name]
    reach = ndimage.distance_transform_edt(markers == 0, step)
    nearest = ndimage.distance_transform_edt(markers == 0, return_distances=False, return_indices=True)
    tubes = np.where((reach < _SEED_MM) & muscle, markers[tuple(nearest)], 0)
    labels = watershed(dark + _NEARNESS * reach, tubes, mask=muscle & (reach < _OWN_MM))
    z = EXTENT_MM["z"][0] + rows.start * SPACING_MM + np.arange(labels.shape[1]) * step
    for name, lines in seeds.items():
        own = labels == STRUCTURE[name]
        ends = np.concatenate([line[:, 1] for line in lines])
        far = (z < ends.min() - _BEYOND_MM) | (z > ends.max() + _BEYOND_MM)
        parts, count = ndimage.label(own & ~far[None, :, None])
        largest = 1 + int(np.argmax(np.bincount(parts.ravel(), minlength=2)[1:])) if count else 0
        labels[own & ((parts != largest) | (largest == 0))] = 0
    _write_smooth(canvas, labels, part)


def _write_smooth(canvas: Canvas, labels: np.ndarray, part: tuple[slice, ...]) -> None:
    """Coarse labels onto the fine grid, each smoothed, the largest share wins."""
    from scipy import ndimage

    code = canvas.code[part]
    best = np.full(code.shape, 0.08, np.float32)
    result = np.zeros(code.shape, np.uint8)
    for value, found in enumerate(ndimage.find_objects(labels), start=1):
        if found is None:
            continue
        box = tuple(slice(max(s.start - 3, 0), min(s.stop + 3, n)) for s, n in zip(found, labels.shape, strict=True))
        sigma = _SMOOTH_MM / (SPACING_MM * _COARSE)
        soft = ndimage.gaussian_filter((labels[box] == value).astype(np.float32), sigma)
        fine = tuple(slice(s.start * _COARSE, min(s.stop * _COARSE, n)) for s, n in zip(box, code.shape, strict=True))
        index = np.meshgrid(
            *[np.arange(s.stop - s.start, dtype=np.float32) / _COARSE for s in fine], indexing="ij", sparse=False
        )
        share = ndimage.map_coordinates(soft, index, order=1, mode="nearest")
        wins = share > best[fine]
        result[fine][wins] = value
        best[fine][wins] = share[wins]
    canvas.structure[part] = np.where(code == CODE["muscle"], result, canvas.structure[part])


def draw_septa(canvas: Canvas) -> None:
    """A thin septum of fat and fascia wherever two muscles touch, in place; what the scan shows there stays darker."""
    from scipy import ndimage

    count = STRUCTURE["flexor digitorum longus"] + 1  # muscles come first
    muscles = np.where(canvas.structure < count, canvas.structure, 0)
    border = np.zeros(muscles.shape, bool)
    for axis in range(3):
        first = tuple(slice(None, -1) if k == axis else slice(None) for k in range(3))
        second = tuple(slice(1, None) if k == axis else slice(None) for k in range(3))
        differs = (muscles[first] != muscles[second]) & (muscles[first] > 0) & (muscles[second] > 0)
        border[first] |= differs
        border[second] |= differs
    share = np.clip(ndimage.gaussian_filter(border.astype(np.float32), _SEPTUM_MM / SPACING_MM) * 1.5, 0, 1)
    noise = ndimage.gaussian_filter(np.random.default_rng(13).standard_normal(share.shape, dtype=np.float32), 5.0)
    share *= np.clip(0.62 + 0.22 * noise / noise.std(), 0.25, 1)  # septa thin out in places
    share *= np.isin(canvas.code, [CODE["muscle"], CODE["connective"], CODE["synovium"]])
    canvas.water += share * (np.minimum(canvas.water, _SEPTUM["water"]) - canvas.water)
    canvas.fat += share * (np.maximum(canvas.fat, _SEPTUM["fat"]) - canvas.fat)
    canvas.code[border & (share > 0.5)] = CODE["connective"]
