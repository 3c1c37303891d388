"""The residual block against its formula written out, bit by bit, under the names of weights old and new."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from Xray2MRILib.files.resources import resource_path  # noqa: E402
from Xray2MRILib.localization.localize import load_detector  # noqa: E402
from Xray2MRILib.models.residual_blocks import ResidualBlock, group_norm, residual_stage  # noqa: E402

FEATURES = torch.randn(2, 16, 12, 10, generator=torch.Generator().manual_seed(4))
# how version 0.1 named the layers of its three blocks: convolution, norm, convolution, norm
CLASSIFIER = ("first", "first_norm", "second", "second_norm")
DETECTOR = ("first.0", "first.1", "second.0", "second.1")
TODAY = ("body.0", "body.1", "body.3", "body.4")


def random_weights(block: nn.Module) -> None:
    generator = torch.Generator().manual_seed(9)
    for tensor in block.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1 * (tensor.ndim == 1))


def renamed(state: dict[str, Tensor], names: tuple[str, ...]) -> dict[str, Tensor]:
    """A state dict whose body layers have other names."""
    found = {}
    for name, tensor in state.items():
        layer = next((layer for layer in TODAY if name.startswith(layer + ".")), None)
        found[names[TODAY.index(layer)] + name[len(layer) :] if layer else name] = tensor
    return found


def batch_norm(hidden: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return functional.batch_norm(hidden, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"])


@pytest.mark.parametrize(("channels_out", "stride"), [(16, 1), (24, 1), (24, 2), (16, 2)])
def test_block_of_the_classifiers(channels_out: int, stride: int) -> None:
    block = ResidualBlock(16, channels_out, stride).eval()
    random_weights(block)
    state = renamed(block.state_dict(), CLASSIFIER)
    hidden = functional.conv2d(FEATURES, state["first.weight"], stride=stride, padding=1)
    hidden = functional.relu(batch_norm(hidden, state, "first_norm"))
    hidden = batch_norm(functional.conv2d(hidden, state["second.weight"], padding=1), state, "second_norm")
    around = FEATURES
    if stride > 1 or channels_out != 16:
        around = functional.conv2d(functional.avg_pool2d(FEATURES, stride), state["shortcut.1.weight"])
        around = batch_norm(around, state, "shortcut.2")
    with torch.no_grad():
        assert torch.equal(block(FEATURES), functional.relu(hidden + around))


@pytest.mark.parametrize(
    ("bias", "activation", "function"), [(False, nn.ReLU, functional.relu), (True, nn.SiLU, functional.silu)]
)
def test_block_of_the_detector_and_of_the_features(bias: bool, activation: type, function) -> None:
    block = ResidualBlock(16, 16, norm=group_norm, activation=activation, bias=bias)
    random_weights(block)
    state = block.state_dict()
    hidden = FEATURES
    for place, (convolution, norm) in enumerate((("body.0", "body.1"), ("body.3", "body.4"))):
        hidden = function(hidden) if place else hidden
        hidden = functional.conv2d(hidden, state[f"{convolution}.weight"], state.get(f"{convolution}.bias"), padding=1)
        hidden = functional.group_norm(hidden, 8, state[f"{norm}.weight"], state[f"{norm}.bias"])
    with torch.no_grad():
        assert torch.equal(block(FEATURES), function(FEATURES + hidden))
    assert ("body.0.bias" in state) == bias


@pytest.mark.parametrize(
    ("names", "block"),
    [
        (CLASSIFIER, ResidualBlock(16, 24, 2)),
        (DETECTOR, ResidualBlock(16, 16, norm=group_norm)),
        (TODAY, ResidualBlock(16, 16, norm=group_norm, bias=True)),
    ],
)
def test_weights_under_former_names_are_loaded(names: tuple[str, ...], block: ResidualBlock) -> None:
    random_weights(block)
    expected = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    stage = nn.Sequential(nn.Identity(), block)
    for tensor in block.state_dict().values():
        tensor.zero_()
    former = {f"1.{name}": tensor for name, tensor in renamed(expected, names).items()}
    stage.load_state_dict(former)
    assert set(former) == {f"1.{name}" for name in renamed(expected, names)}  # the caller's table is left alone
    for name, tensor in block.state_dict().items():
        assert torch.equal(tensor, expected[name])
    del former[f"1.{names[2]}.weight"]
    with pytest.raises(RuntimeError, match=r"Missing key.*1\.body\.3\.weight"):
        stage.load_state_dict(former)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        stage.load_state_dict(former | {"1.third.weight": torch.zeros(1)})


def test_the_shipped_detector_holds_what_its_file_says() -> None:
    folder = resource_path("models/knee_localizer")
    stored = load_file(folder / "diffusion_pytorch_model.safetensors")
    detector, *_ = load_detector(folder)
    block = detector.stage16[1]
    for former, today in zip(DETECTOR, TODAY, strict=True):
        assert torch.equal(block.get_parameter(f"{today}.weight"), stored[f"stage16.1.{former}.weight"].float())


def test_names_in_the_features_of_the_radiograph_encoder_stay() -> None:
    """diffusers loads that network by the names in the file, without asking the blocks."""
    from Xray2MRILib.models.radiograph_features import RadiographFeatures

    names = set(RadiographFeatures(8, 8, 128.0, (128.0, 128.0), 8, 2).state_dict())
    assert {f"fine.2.body.{layer}.{kind}" for layer in (0, 1, 3, 4) for kind in ("weight", "bias")} <= names
    assert not [name for name in names if "shortcut" in name or "activation" in name]


def test_a_stage_halves_once() -> None:
    stage = residual_stage(16, 24, 3, 2)
    assert len(stage) == 3
    assert stage(FEATURES).shape == (2, 24, 6, 5)
