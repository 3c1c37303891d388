"""Depth features against a plain calculation, and their smoothness between slices."""

from __future__ import annotations

import math

import numpy as np
import torch

from Xray2MRILib.models.depth_embedding import DepthEmbedding, fourier_features


def test_features_equal_sines_and_cosines_of_half_to_twelve_cycles():
    features = fourier_features(torch.tensor([-1.0, 0.25]), frequencies=8).numpy()
    for row, u in zip(features, (-1.0, 0.25), strict=True):
        for k in range(8):
            cycles = 0.5 * (12.25 / 0.5) ** (k / 7)
            assert math.isclose(row[k], math.sin(2 * math.pi * cycles * u / 2), abs_tol=1e-5)
            assert math.isclose(row[8 + k], math.cos(2 * math.pi * cycles * u / 2), abs_tol=1e-5)
        assert row[16] == np.float32(u)


def test_half_way_depth_lies_nearer_to_its_neighbours_than_they_to_each_other():
    u = torch.linspace(-1, 1, 99)
    features = fourier_features(u, frequencies=8)
    half_way = (features[1::2] - features[0:-1:2]).norm(dim=1)
    whole = (features[2::2] - features[0:-1:2]).norm(dim=1)
    assert (half_way < 0.62 * whole).all()


def test_one_zero_vector_per_down_block_before_training():
    embeddings = DepthEmbedding(time_width=16, down_blocks=3)(torch.tensor([0.1, 0.7]))
    assert [tuple(vector.shape) for vector in embeddings] == [(2, 16)] * 3
    assert all(not vector.any() for vector in embeddings)
