"""The adaptive weight against equations 9 to 14 written out with loops in numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from Xray2MRILib.models.adaptive_weight import AdaptiveWeight


def randomised(form: str = "mixed", channels: int = 6, **conditions: int) -> AdaptiveWeight:
    conditions = conditions or {"p": 5, "i": 64}
    torch.manual_seed(4)
    module = AdaptiveWeight(channels, tuple(conditions), tuple(conditions.values()), form)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.startswith(("mu_raw", "nu", "o.", "output")):
                parameter.add_(torch.randn_like(parameter))
    return module


def given(batch: int = 2, channels: int = 6, size: tuple[int, int] = (3, 4)):
    generator = torch.Generator().manual_seed(9)
    feature = torch.randn(batch, channels, *size, generator=generator)
    conditions = {
        "p": torch.softmax(torch.randn(batch, 5, generator=generator), 1),
        "i": torch.softmax(torch.randn(batch, 64, generator=generator), 1),
    }
    return feature, conditions


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def written_out(module: AdaptiveWeight, feature: np.ndarray, conditions: dict[str, np.ndarray]) -> np.ndarray:
    """y of eq. 14 for one sample: feature [C, h, w], conditions {name: [size]}, everything in float64 loops."""
    weights = {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}
    channels, height, width = feature.shape
    maps = {}
    for name, vector in conditions.items():
        projected = weights[f"project.{name}.weight"] @ (vector * len(vector)) + weights[f"project.{name}.bias"]
        maps[name] = np.zeros_like(feature)
        for m in range(height):
            for n in range(width):
                if module.form == "broadcast":
                    maps[name][:, m, n] = projected
                    continue
                mixed = weights[f"mix.{name}.weight"][:, :, 0, 0] @ feature[:, m, n] + weights[f"mix.{name}.bias"]
                for c in range(channels):
                    x = mixed[c] + projected[c]
                    maps[name][c, m, n] = x * sigmoid(x)
    scaled = {name: np.zeros_like(feature) for name in maps}
    for c in range(channels):
        g = {}
        for name in maps:  # eq. 9-10
            squares = sum(maps[name][c, m, n] ** 2 for m in range(height) for n in range(width))
            g[name] = math.log1p(math.exp(weights[f"mu_raw.{name}"][0, c, 0, 0])) * math.sqrt(squares + 1e-5)
        for name in maps:  # eq. 11-12
            share = g[name] / (g["p"] + g["i"] + 1e-8)
            gate = 1 + sigmoid(weights[f"nu.{name}"][0, c, 0, 0] * share + weights[f"o.{name}"][0, c, 0, 0])
            scaled[name][c] = maps[name][c] * gate
    w_p, w_i = weights["query.weight"][:, :, 0, 0], weights["key.i.weight"][:, :, 0, 0]
    places = [(m, n) for m in range(height) for n in range(width)]
    y = np.zeros_like(feature)
    for m, n in places:  # eq. 13-14
        logits = [
            float((w_p @ maps["p"][:, m, n]) @ (w_i @ maps["i"][:, a, b])) / math.sqrt(len(w_p)) for a, b in places
        ]
        exponentials = [math.exp(logit - max(logits)) for logit in logits]
        for (a, b), e in zip(places, exponentials, strict=True):
            y[:, m, n] += e / sum(exponentials) * (scaled["p"][:, a, b] + scaled["i"][:, a, b])
    return y


@torch.no_grad()
@pytest.mark.parametrize("form", ["mixed", "broadcast"])
def test_equals_the_equations_written_out(form):
    module = randomised(form)
    feature, conditions = given()
    expected = np.stack(
        [
            written_out(
                module,
                feature[b].double().numpy(),
                {name: vector[b].double().numpy() for name, vector in conditions.items()},
            )
            for b in range(2)
        ]
    )
    assert np.allclose(module.guidance(feature, conditions).numpy(), expected, atol=2e-6)


@torch.no_grad()
def test_identity_and_gate_of_one_and_a_half_before_training():
    module = AdaptiveWeight(6, ("p", "i"), (5, 64))
    feature, conditions = given()
    assert torch.equal(module(feature, conditions), feature)
    assert torch.allclose(torch.nn.functional.softplus(module.mu_raw["p"]), torch.ones(1, 6, 1, 1))
    gate = 1 + torch.sigmoid(module.nu["p"] * 0.7 + module.o["p"])
    assert torch.equal(gate, torch.full((1, 6, 1, 1), 1.5))


@torch.no_grad()
def test_shares_are_positive_and_add_up_to_one_even_for_negative_raw_mu():
    module = randomised()
    module.mu_raw["p"].fill_(-8.0)
    feature, conditions = given()
    shares = module.shares(module.condition_maps(feature, conditions))
    assert all((share > 0).all() for share in shares.values())
    assert torch.allclose(shares["p"] + shares["i"], torch.ones(2, 6, 1, 1))


@torch.no_grad()
def test_p_alone_changes_the_guidance():
    module = randomised()
    feature, conditions = given()
    other = conditions | {"p": conditions["p"].flip(1)}
    assert (module(feature, conditions) - module(feature, other)).abs().max() > 1e-3


@torch.no_grad()
def test_broadcast_form_gives_every_position_the_same():
    module = randomised("broadcast")
    feature, conditions = given()
    y = module.guidance(feature, conditions)
    assert torch.allclose(y, y[:, :, :1, :1].expand_as(y), atol=1e-6)


@torch.no_grad()
def test_sum_form_adds_the_maps_without_weights():
    module = randomised("sum")
    feature, conditions = given()
    maps = module.condition_maps(feature, conditions)
    assert torch.equal(module.guidance(feature, conditions), maps["p"] + maps["i"])


@torch.no_grad()
def test_a_single_condition_attends_to_itself():
    module = randomised(p=5)
    feature, conditions = given()
    assert module.guidance(feature, conditions).shape == feature.shape
    assert set(module.key) == {"p"}


@torch.no_grad()
def test_the_largest_stage_has_a_thousand_positions():
    module = randomised()
    feature, conditions = given(batch=1, size=(32, 32))
    assert module(feature, conditions).shape == (1, 6, 32, 32)


def test_unknown_form_is_refused():
    with pytest.raises(ValueError, match="mixed, broadcast, sum"):
        AdaptiveWeight(6, ("p",), (5,), "gated")
