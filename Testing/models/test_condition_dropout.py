"""Condition dropout: which share of samples loses what."""

from __future__ import annotations

import pytest
import torch

from Xray2MRILib.models.condition_dropout import drop_conditions, null_conditions


def test_shares_are_those_of_the_base_and_the_conditions_fall_together_or_alone():
    batch = 40_000
    latent, token, conditions = drop_conditions(
        torch.ones(batch, 1, 1, 1),
        torch.ones(batch, 1, 1),
        {"p": torch.tensor([1.0, 0]).repeat(batch, 1), "i": torch.tensor([1.0, 0, 0]).repeat(batch, 1)},
        torch.Generator().manual_seed(0),
    )
    no_latent, no_token = latent.flatten() == 0, token.flatten() == 0
    no_p, no_i = conditions["p"][:, 0] == 0.5, torch.isclose(conditions["i"][:, 0], torch.tensor(1 / 3))

    def share(mask: torch.Tensor) -> float:
        return mask.float().mean().item()

    expected = pytest.approx(0.05, abs=0.005)
    assert share(no_token & ~no_latent) == expected
    assert share(no_token & no_latent) == expected
    assert share(no_latent & ~no_token) == expected
    assert share(no_p & ~no_i) == expected
    assert share(no_i & ~no_p) == expected
    assert torch.equal(no_p & no_i, no_token & no_latent)


def test_without_a_token_encoder_and_without_conditions():
    latent, token, conditions = drop_conditions(torch.ones(3, 4, 2, 2), None, {})
    assert latent.shape == (3, 4, 2, 2)
    assert token is None
    assert conditions == {}


def test_null_conditions_are_uniform():
    assert torch.equal(null_conditions({"p": torch.eye(5)})["p"], torch.full((5, 5), 0.2))
