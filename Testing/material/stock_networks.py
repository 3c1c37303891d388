"""Small networks of the stock classes with Zero-123's configuration, and what an imported model must equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from published_checkpoints import zero123_state

from Xray2MRILib.models.presets import AUTOENCODER, UNET

WIDTH, CONTEXT = 32, 24


def stock_unet(width: int = WIDTH, context: int = CONTEXT, entering: int = 8) -> UNet2DConditionModel:
    """A U-Net of the stock class with Zero-123's configuration at another width."""
    preset = UNET["paper"]
    return UNet2DConditionModel(
        in_channels=entering, out_channels=4, block_out_channels=tuple(width * m for m in (1, 2, 4, 4)),
        down_block_types=preset["down_block_types"], up_block_types=preset["up_block_types"], layers_per_block=2,
        attention_head_dim=8, cross_attention_dim=context,
    ).eval()  # fmt: skip


def stock_autoencoder(width: int = WIDTH) -> AutoencoderKL:
    entries = AUTOENCODER["paper"] | {"block_out_channels": tuple(width * m for m in (1, 2, 4, 4))}
    return AutoencoderKL(**entries).eval()


def randomised(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """No tensor as it was initialised: a swapped pair of norms or biases would not show otherwise."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network


def state_of(stock: dict[str, Any]) -> dict[str, torch.Tensor]:
    networks = (stock[name].state_dict() for name in ("unet", "autoencoder", "tower"))
    return zero123_state(*networks, stock["projection"], stock["bias"])


@torch.no_grad()
def assert_equals_stock(model: Path, stock: dict[str, Any]) -> None:
    """The imported model computes what the original networks compute, whatever depth, p and i are."""
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline

    pipeline = Xray2MRIPipeline.from_pretrained(model, device="cpu")
    generator = torch.Generator().manual_seed(9)
    noisy, token = torch.randn(2, 8, 16, 16, generator=generator), torch.randn(2, 1, CONTEXT, generator=generator)
    t = torch.tensor([20, 800])
    conditions = {"p": torch.eye(5)[:2], "i": torch.softmax(torch.randn(2, 64, generator=generator), 1)}
    made = pipeline.unet(noisy, t, torch.tensor([-0.7, 0.4]), conditions, token)
    expected = stock["unet"](noisy, t, token).sample
    assert expected.std() > 0.05
    torch.testing.assert_close(made, expected, atol=2e-5, rtol=1e-4)

    image = torch.rand(1, 3, 64, 64, generator=generator) * 2 - 1
    latent = stock["autoencoder"].encode(image).latent_dist.mean
    torch.testing.assert_close(pipeline.autoencoder.encode(image).latent_dist.mean, latent, atol=2e-5, rtol=1e-4)
    decoded = stock["autoencoder"].decode(latent).sample
    torch.testing.assert_close(pipeline.autoencoder.decode(latent).sample, decoded, atol=2e-5, rtol=1e-4)
    assert pipeline.autoencoder.config.scaling_factor == 0.18215

    from Xray2MRILib.models.clip_tower import clip_preprocess

    radiograph = torch.rand(1, 1, 256, 256, generator=generator) * 2 - 1
    embedding = stock["tower"](clip_preprocess(radiograph))
    expected = embedding @ stock["projection"][:, :CONTEXT].T + stock["bias"]
    torch.testing.assert_close(pipeline.radiograph_encoder.token(radiograph)[:, 0], expected, atol=2e-5, rtol=1e-4)


def transformers_names(tower: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A tower of open_clip under the names of transformers' CLIPVisionModelWithProjection."""
    names = {"class_embedding": "embeddings.class_embedding", "conv1.weight": "embeddings.patch_embedding.weight",
             "positional_embedding": "embeddings.position_embedding.weight"}  # fmt: skip
    state = {"vision_model.embeddings.position_ids": torch.arange(257)[None]}
    for name, tensor in tower.items():
        layer = ".".join(name.split(".")[:3]).replace("transformer.resblocks", "encoder.layers")
        if name == "proj":
            state["visual_projection.weight"] = tensor.T.contiguous()
        elif "in_proj" in name:
            for part, piece in zip("qkv", tensor.chunk(3), strict=True):
                state[f"vision_model.{layer}.self_attn.{part}_proj.{name.rpartition('_')[2]}"] = piece.clone()
        else:
            for old, new in (("transformer.resblocks", "encoder.layers"), ("attn.out_proj", "self_attn.out_proj"),
                             ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("c_fc", "fc1"), ("c_proj", "fc2"),
                             ("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):  # fmt: skip
                name = name.replace(old, new)
            state[f"vision_model.{names.get(name, name)}"] = tensor
    return state
