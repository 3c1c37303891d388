"""The detector's geometry and decoding against hand-made maps; its size."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from Xray2MRILib.localization.detector import KneeDetector, decode, encode_targets, letterbox, normalise_radiograph


def test_decode_hand_made_peaks() -> None:
    maps = torch.zeros(4, 32, 32)
    maps[0] = -10.0
    maps[0, 10, 20] = 2.0  # a joint, confidence sigmoid(2)
    maps[0, 10, 21] = 1.0  # its shoulder, not a peak
    maps[0, 25, 3] = 4.0  # a better one
    maps[1, 10, 20] = math.log(2.0)
    maps[2, 10, 20], maps[3, 10, 20] = 0.25, -0.5
    boxes = decode(maps, threshold=0.3)
    np.testing.assert_allclose(boxes[0], [3.5 * 8, 25.5 * 8, 64, 1 / (1 + math.exp(-4))], rtol=1e-5)
    np.testing.assert_allclose(boxes[1], [20.75 * 8, 10.0 * 8, 128, 1 / (1 + math.exp(-2))], rtol=1e-5)
    assert len(boxes) == 2
    assert len(decode(maps, threshold=0.95)) == 1


def test_decode_of_nothing_is_empty() -> None:
    assert decode(torch.full((4, 8, 8), -9.0), threshold=0.3).shape == (0, 4)


def test_targets_decode_to_their_boxes() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        left, right = rng.uniform(10, 118), rng.uniform(138, 246)
        boxes = np.array([[left, rng.uniform(2, 254), rng.uniform(20, 300)], [right, rng.uniform(2, 254), 80.0]])
        heat, regression = encode_targets(boxes, 32)
        logit = np.log(np.clip(heat, 1e-4, 1 - 1e-6) / (1 - np.clip(heat, 1e-4, 1 - 1e-6)))
        found = decode(torch.from_numpy(np.concatenate([logit[None], regression[1:]])), threshold=0.9)
        found = found[np.argsort(found[:, 0])]
        np.testing.assert_allclose(found[:, :3], boxes, rtol=1e-4)


def test_neighbouring_cell_decodes_to_the_same_box() -> None:
    _, regression = encode_targets(np.array([[100.0, 60.0, 90.0]]), 32)
    row, column = 7, 12
    for down, across in [(0, 1), (-1, 0), (1, -1)]:
        maps = torch.full((4, 32, 32), -9.0)
        maps[0, row + down, column + across] = 3.0
        maps[1:] = torch.from_numpy(regression[1:])
        np.testing.assert_allclose(decode(maps, 0.3)[0, :3], [100, 60, 90], rtol=1e-5)


@pytest.mark.parametrize("shape", [(161, 640), (3000, 1200), (224, 224), (40, 33)])
def test_letterbox_maps_points_there_and_back(shape: tuple[int, int]) -> None:
    radiograph = np.zeros(shape, np.float32)
    y, x = shape[0] * 2 // 3, shape[1] // 4
    size = max(2, min(shape) // 8)
    radiograph[y - size : y + size, x - size : x + size] = 1
    canvas, mapping = letterbox(radiograph, 256)
    assert canvas.shape == (256, 256)
    assert 0 <= canvas.min() <= canvas.max() <= 1
    rows, columns = np.nonzero(canvas > 0.5)
    centre_x, centre_y, side = mapping.to_canvas(x, y, 2 * size)
    assert columns.mean() + 0.5 == pytest.approx(centre_x, abs=1)
    assert rows.mean() + 0.5 == pytest.approx(centre_y, abs=1)
    assert np.ptp(columns) + 1 == pytest.approx(side, abs=2)
    np.testing.assert_allclose(mapping.to_radiograph(centre_x, centre_y, side), [x, y, 2 * size], rtol=1e-6)


def test_constant_radiograph_becomes_zeros() -> None:
    assert not normalise_radiograph(np.full((20, 20), 7.0)).any()


def test_network_shape_and_size() -> None:
    network = KneeDetector()
    assert network(torch.zeros(2, 1, 256, 256)).shape == (2, 4, 32, 32)
    assert sum(parameter.numel() for parameter in network.parameters()) < 500_000
    with pytest.raises(ValueError, match="multiple of 32"):
        KneeDetector(canvas_size=250)
