"""The systems in comparison: their special parts against hand calculation, and what each of them listens to."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.baselines.registry import METHOD_NAMES, OURS, find_method, unet_class
from Xray2MRILib.errors import InputError
from Xray2MRILib.model_store.assembly import build_components
from Xray2MRILib.models.presets import latent_channels

torch = pytest.importorskip("torch")

DENOISERS = ("ldm", "x-diffusion", "cola-diff")


def network_and_entering(name: str) -> tuple:
    """An untrained network whose outputs differ from zero, and what it is asked: two depths of one knee."""
    torch.manual_seed(3)
    parts = build_components("tiny", method=name)
    unet, encoder = parts["unet"].eval(), parts["radiograph_encoder"].eval()
    for parameter in unet.parameters():  # layers that are zero at first would hide what they are told
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    if name == "x-diffusion":
        torch.nn.init.normal_(unet.slice_projection.weight, std=0.3)
    picture = torch.rand(1, 1, 256, 256) * 2 - 1
    with torch.no_grad():
        latent, token = encoder.trained_conditions(torch.randn(1, latent_channels("tiny"), 32, 32), picture)
    entering = {
        "noisy": torch.randn(1, 4, 32, 32).expand(2, -1, -1, -1),
        "latent": latent.expand(2, -1, -1, -1),
        "token": None if token is None else token.expand(2, -1, -1),
        "conditions": {"p": torch.full((2, 5), 0.2), "i": torch.full((2, 64), 1 / 64)},
        "depth": torch.tensor([-0.5, 0.7]),
    }
    return unet, entering


@torch.no_grad()
def answer(unet, entering: dict) -> torch.Tensor:
    sample = torch.cat((entering["noisy"], entering["latent"]), dim=1)
    return unet(sample, 300, entering["depth"], entering["conditions"], entering["token"])


def test_every_method_is_built_and_answers_with_a_latent() -> None:
    for name in METHOD_NAMES:
        unet, entering = network_and_entering(name)
        assert type(unet) is unet_class(find_method(name).unet)
        assert answer(unet, entering).shape == (2, 4, 32, 32), name


def test_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="no method named 'cyclegan'"):
        build_components("tiny", method="cyclegan")


# method -> what changes its answer
LISTENS = {
    OURS: {"depth", "latent", "token", "p", "i"},
    "ldm": {"depth"},
    "x-diffusion": {"depth", "latent", "token"},
    "cola-diff": {"depth", "latent"},
    "without-p": {"depth", "latent", "token", "i"},
    "without-i": {"depth", "latent", "token", "p"},
    "without-p-and-i": {"depth", "latent", "token"},
    "without-adaptive-weight": {"depth", "latent", "token", "p", "i"},
    "broadcast-weight": {"depth", "latent", "token", "p", "i"},
    "without-depth": {"latent", "token", "p", "i"},
    "without-token": {"depth", "latent", "p", "i"},
    "without-features": {"depth", "latent", "token", "p", "i"},
}


@pytest.mark.parametrize("name", METHOD_NAMES)
def test_a_method_listens_to_its_own_conditions_and_to_no_others(name: str) -> None:
    unet, entering = network_and_entering(name)
    before = answer(unet, entering)
    token, conditions = entering["token"], entering["conditions"]
    others = {
        "depth": {"depth": entering["depth"] + 0.2},
        "latent": {"latent": torch.randn_like(entering["latent"])},
        "p": {"conditions": conditions | {"p": torch.eye(5)[[4, 4]]}},
        "i": {"conditions": conditions | {"i": torch.eye(64)[[10, 10]]}},
        "token": {"token": None if token is None else torch.randn_like(token)},
    }
    heard = {what for what, change in others.items() if not torch.allclose(before, answer(unet, entering | change))}
    assert heard == LISTENS[name]


def test_slice_code_is_the_coronal_axis_and_the_published_place() -> None:
    from Xray2MRILib.baselines.x_diffusion import slice_code

    code = slice_code(torch.linspace(-1, 1, 50))
    index = np.arange(50)
    assert np.allclose(code.numpy(), np.stack((0 * index, 1 + 0 * index, 0 * index, 2 * index / 50 - 1), axis=1))


def test_slice_projection_has_the_size_of_zero123_and_starts_as_the_identity() -> None:
    from Xray2MRILib.baselines.x_diffusion import SliceProjection

    projection = SliceProjection(768)
    assert sum(p.numel() for p in projection.parameters()) == 772 * 768 + 768 == 593_664
    embedding = torch.randn(2, 768)
    entering = torch.cat((embedding, torch.randn(2, 4)), dim=1)
    assert torch.equal(projection(entering), embedding)


def test_gate_by_hand() -> None:
    from Xray2MRILib.baselines.cola_diff import AutoWeightGate

    gate = AutoWeightGate(3)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 4, 5))
    assert np.allclose(gate(torch.from_numpy(x).float()).detach(), 1.5 * x, atol=1e-6)  # gamma = beta = 0 at first

    alpha, gamma, beta = rng.random(3) + 0.5, rng.standard_normal(3), rng.standard_normal(3)
    with torch.no_grad():
        for parameter, values in ((gate.alpha, alpha), (gate.gamma, gamma), (gate.beta, beta)):
            parameter.copy_(torch.from_numpy(values).reshape(1, 3, 1, 1))
    expected = np.empty_like(x)
    for sample in range(2):
        norms = [alpha[c] * np.sqrt(np.sum(x[sample, c] ** 2) + 1e-5) for c in range(3)]
        spread = np.sqrt(np.mean(np.square(norms)) + 1e-5)
        for c in range(3):
            share = 1 / (1 + np.exp(-(gamma[c] * norms[c] / spread + beta[c])))
            expected[sample, c] = x[sample, c] * (1 + share)
    assert np.allclose(gate(torch.from_numpy(x).float()).detach(), expected, atol=1e-5)


def test_side_network_reaches_the_middle_at_its_size_and_is_silent_at_first() -> None:
    from Xray2MRILib.baselines.cola_diff import SideNetwork

    side = SideNetwork(8, (40, 80, 160))
    by_hand = (8 * 40 * 9 + 40) + (40 * 80 * 9 + 80) + (80 * 160 * 9 + 160) + (160 * 160 + 160)
    assert sum(p.numel() for p in side.parameters()) == by_hand
    out = side(torch.randn(1, 8, 32, 32))
    assert out.shape == (1, 160, 8, 8)
    assert not out.any()


def test_untrained_cola_diff_is_the_plain_network_on_a_condition_times_one_and_a_half() -> None:
    from Xray2MRILib.models.conditional_unet import Xray2MRIUNet

    torch.manual_seed(0)
    cola = build_components("tiny", method="cola-diff")["unet"].eval()
    plain = Xray2MRIUNet(**{k: v for k, v in cola.config.items() if not k.startswith("_")}).eval()
    plain.load_state_dict({n: t for n, t in cola.state_dict().items() if not n.startswith(("gate", "side"))})
    noisy, condition, depth = torch.randn(2, 4, 32, 32), torch.randn(2, 4, 32, 32), torch.tensor([-1.0, 1.0])
    with torch.no_grad():
        one = cola(torch.cat((noisy, condition), 1), 10, depth)
        two = plain(torch.cat((noisy, 1.5 * condition), 1), 10, depth)
    assert torch.allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("name", DENOISERS)
def test_gradients_reach_every_parameter_that_is_in_use(name: str) -> None:
    unet, entering = network_and_entering(name)
    sample = torch.cat((entering["noisy"], entering["latent"]), dim=1)
    unet(sample, 300, entering["depth"], entering["conditions"], entering["token"]).square().mean().backward()
    silent = [n for n, p in unet.named_parameters() if p.grad is None or not p.grad.any()]
    # without a token, cross-attention sees zeros: keys and queries cannot matter
    assert all("attn2" in n or "norm2" in n for n in silent), silent
    if name == "x-diffusion":  # attention over one token is constant in the query
        assert all(".to_q" in n or ".to_k" in n or "norm2" in n for n in silent), silent


def test_paper_size_of_the_systems() -> None:
    """The first layer has four channels without a radiograph and eight with one, as published."""
    assert find_method("ldm").changes("paper")["unet"]["in_channels"] == 4
    assert find_method("x-diffusion").changes("paper")["unet"]["in_channels"] == 8
    assert find_method("x-diffusion").changes("paper")["radiograph_encoder"]["token_encoder"] == "clip"
