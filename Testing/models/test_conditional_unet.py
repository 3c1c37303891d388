"""The conditional U-Net against the stock network, and its conditions' influence."""

from __future__ import annotations

import pytest
import torch
from diffusers import UNet2DConditionModel

from Xray2MRILib.model_store.assembly import build_components
from Xray2MRILib.models.conditional_unet import Xray2MRIUNet
from Xray2MRILib.models.presets import UNET


def stock_network(options: dict) -> UNet2DConditionModel:
    names = ("block_out_channels", "down_block_types", "up_block_types", "layers_per_block", "cross_attention_dim")
    return UNet2DConditionModel(
        in_channels=options.get("in_channels", 8),
        out_channels=options.get("out_channels", 4),
        attention_head_dim=options["attention_heads"],
        norm_num_groups=options["norm_num_groups"],
        **{name: options[name] for name in names},
    )


def inputs(width: int = 8, batch: int = 2, size: int = 8, channels: int = 16) -> dict:
    generator = torch.Generator().manual_seed(3)
    return {
        "sample": torch.randn(batch, channels, size, size, generator=generator),
        "timestep": torch.tensor([10, 700])[:batch],
        "depth": torch.tensor([-0.4, 0.3])[:batch],
        "conditions": {
            "p": torch.softmax(torch.randn(batch, 5, generator=generator), 1),
            "i": torch.softmax(torch.randn(batch, 64, generator=generator), 1),
        },
        "token": torch.randn(batch, 4, width, generator=generator),
    }


def awakened(**options) -> Xray2MRIUNet:
    """A tiny network whose zero-initialised parts have been given random values."""
    torch.manual_seed(0)
    network = Xray2MRIUNet(**(UNET["tiny"] | options)).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith(("depth_embedding.heads", "adaptive_weights")) and not parameter.any():
                parameter.normal_(std=0.3)
    return network


@torch.no_grad()
@pytest.mark.parametrize("preset", ["tiny", "compact"])
def test_equals_the_stock_network_before_training(preset):
    torch.manual_seed(1)
    stock = stock_network(UNET[preset]).eval()
    network = Xray2MRIUNet(**UNET[preset]).eval()
    network.load_stock_weights(stock.state_dict())
    given = inputs(UNET[preset]["cross_attention_dim"], channels=UNET[preset]["in_channels"])
    expected = stock(given["sample"], given["timestep"], given["token"]).sample
    assert torch.allclose(network(**given), expected, atol=1e-5)


def test_foreign_weights_are_refused_by_name_and_shape():
    network = Xray2MRIUNet(**UNET["tiny"])
    weights = stock_network(UNET["tiny"]).state_dict()
    with pytest.raises(ValueError, match="1 tensors"):
        network.load_stock_weights({name: tensor for name, tensor in weights.items() if name != "conv_in.bias"})
    with pytest.raises(ValueError, match="shape"):
        network.load_stock_weights(weights | {"conv_in.bias": torch.zeros(3)})


def test_paper_preset_has_the_published_size():
    with torch.device("meta"):
        parts = build_components("paper", radiograph_encoder={"token_encoder": "none"})
    stock = {
        name: tensor
        for name, tensor in parts["unet"].state_dict().items()
        if not name.startswith(("depth_embedding.", "adaptive_weights."))
    }
    assert len(stock) == 686
    assert sum(tensor.numel() for tensor in stock.values()) == 859_532_484
    with torch.device("meta"):
        reference = stock_network(UNET["paper"])
    assert {name: tensor.shape for name, tensor in reference.state_dict().items()} == {
        name: tensor.shape for name, tensor in stock.items()
    }
    assert len(parts["autoencoder"].state_dict()) == 248
    assert sum(p.numel() for p in parts["autoencoder"].parameters()) == 83_653_863


@torch.no_grad()
@pytest.mark.parametrize("changed", ["depth", "p", "i", "token"])
def test_every_condition_reaches_the_output(changed):
    network = awakened()
    given = inputs()
    before = network(**given)
    if changed == "depth":
        given["depth"] = given["depth"] + 0.5
    elif changed == "token":
        given["token"] = given["token"].flip(0)
    else:
        given["conditions"][changed] = given["conditions"][changed].flip(1)
    assert (network(**given) - before).abs().max() > 1e-4


@torch.no_grad()
def test_depth_enters_the_down_path_alone() -> None:
    """Every residual block of the middle and of the up path receives the time and nothing else (A3)."""
    network = awakened()
    received: dict[str, list[torch.Tensor]] = {"down": [], "middle": [], "up": []}
    paths = {"down": network.down_blocks, "middle": [network.mid_block], "up": network.up_blocks}
    for path, blocks in paths.items():
        for block in blocks:
            for residual in block.resnets:
                residual.register_forward_pre_hook(lambda _, arguments, path=path: received[path].append(arguments[1]))
    given = inputs()
    network(**given)
    time = network.time_embedding(network.time_proj(given["timestep"]))
    assert len(received["middle"]) == 2
    assert len(received["up"]) == 6  # two in each of three blocks
    for embedding in (*received["middle"], *received["up"]):
        assert torch.equal(embedding, time)
    assert len(received["down"]) == 3
    for embedding, depth in zip(received["down"], network.depth_embedding(given["depth"]), strict=True):
        assert torch.equal(embedding, time + depth)
        assert (embedding - time).abs().amax(dim=1).min() > 1e-2  # the depth of each picture of the batch is there


@torch.no_grad()
@pytest.mark.parametrize(
    ("options", "changed"),
    [
        ({"depth": False}, "depth"),
        ({"condition_names": ("i",), "condition_sizes": (64,)}, "p"),
        ({"condition_names": ("p",), "condition_sizes": (5,)}, "i"),
        ({"condition_names": (), "condition_sizes": ()}, "p"),
        ({"token": False}, "token"),
    ],
)
def test_an_ablated_condition_has_no_influence(options, changed):
    network = awakened(**options)
    given = inputs()
    before = network(**given)
    if changed in given["conditions"]:
        given["conditions"][changed] = given["conditions"][changed].flip(1)
    else:
        given[changed] = given[changed].flip(0)
    assert torch.equal(network(**given), before)


@torch.no_grad()
def test_a_third_condition_joins_by_name():
    network = awakened(condition_names=("p", "i", "r"), condition_sizes=(5, 64, 12))
    given = inputs()
    given["conditions"]["r"] = torch.eye(12)[[0, 3]]
    before = network(**given)
    given["conditions"]["r"] = torch.eye(12)[[1, 3]]
    change = (network(**given) - before).abs().amax(dim=(1, 2, 3))
    assert change[0] > 1e-4
    assert change[1] < 1e-6


@torch.no_grad()
def test_saved_and_loaded_network_is_the_same(tmp_path):
    network = awakened()
    network.save_pretrained(tmp_path)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    loaded = Xray2MRIUNet.from_pretrained(tmp_path, use_safetensors=True).eval()
    assert torch.equal(loaded(**inputs()), network(**inputs()))


def test_gradients_reach_all_parameters_and_checkpointing_changes_nothing():
    network = awakened().train()
    given = inputs()
    given["conditions"] = {name: vector.requires_grad_() for name, vector in given["conditions"].items()}
    network(**given).square().mean().backward()
    missing = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert missing == []
    plain = network.conv_in.weight.grad.clone()
    network.zero_grad()
    network.enable_gradient_checkpointing()
    network(**given).square().mean().backward()
    assert torch.allclose(network.conv_in.weight.grad, plain, atol=1e-6)


@torch.no_grad()
def test_weights_of_the_guidance_differ_between_two_depths_of_one_radiograph():
    network = awakened()
    given = inputs(batch=1)
    seen = {}
    for stage, guidance in enumerate(network.adaptive_weights):
        guidance.register_forward_pre_hook(
            lambda module, arguments, stage=stage: seen.setdefault(stage, []).append(
                module.shares(module.condition_maps(*arguments))["p"]
            )
        )
    for depth in (-0.4, 0.3):
        network(**(given | {"depth": torch.tensor([depth])}))
    assert len(seen) == 3
    for first, second in seen.values():
        assert (first - second).abs().max() > 1e-4
