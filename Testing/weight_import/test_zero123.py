"""Zero-123's checkpoint becomes the stock networks at step 0, key for key at full size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from published_checkpoints import original_autoencoder, original_autoencoder_name, original_unet_name

torch = pytest.importorskip("torch")

from stock_networks import CONTEXT, WIDTH, assert_equals_stock, stock_autoencoder, stock_unet  # noqa: E402

from Xray2MRILib.models.presets import UNET  # noqa: E402
from Xray2MRILib.weight_import.zero123 import convert_autoencoder, convert_unet  # noqa: E402


def test_the_imported_network_is_the_stock_one_at_step_0(model: Path, stock: dict[str, Any]) -> None:
    assert_equals_stock(model, stock)


def test_the_card_says_where_it_comes_from(model: Path, checkpoint: Path) -> None:
    from Xray2MRILib.files.checksums import sha256_of

    card = json.loads((model / "model_card.json").read_text(encoding="utf-8"))
    assert card["source_sha256"] == sha256_of(checkpoint)
    assert "Objaverse" in card["training_data"]
    assert "simulated" not in card["training_data"]
    assert "Apache" not in card["licence"]
    assert str(checkpoint.parent) not in json.dumps(card)
    assert (
        json.loads((model / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))["prediction_type"]
        == "epsilon"
    )


@pytest.mark.slow
def test_it_can_be_trained_from(model: Path, tmp_path: Path) -> None:
    """With the recipe of the paper at this size: the rate of the added parts is ten times that of the base."""
    from drawn_pairs import drawn_pair

    from Xray2MRILib.simulation.pairs.pair_store import write_pair
    from Xray2MRILib.training.diffusion import train
    from Xray2MRILib.training.recipe_files import chosen_recipe

    (tmp_path / "pairs").mkdir()
    for index in range(2):
        write_pair(tmp_path / "pairs", index, drawn_pair(index))
    widths = [WIDTH * m for m in (1, 2, 4, 4)]
    recipe = chosen_recipe("diffusion", "paper") | {
        "data": str(tmp_path / "pairs"), "held_out": str(tmp_path / "pairs"), "initial": str(model),
        "autoencoder": str(model / "autoencoder"), "device": "cpu", "precision": "float32", "threads": 1,
        "steps": 1, "save_every": 1, "log_every": 1, "warm_up_steps": 0, "knees_per_batch": 2, "accumulation": 2,
        "learning_rate": 1e-4, "added_learning_rate": 1e-3,
        "changes": {
            "autoencoder": {"block_out_channels": widths},
            "unet": {"block_out_channels": widths, "cross_attention_dim": CONTEXT},
            "radiograph_encoder": {
                "clip_width": 64, "clip_layers": 2, "clip_embedding": CONTEXT, "token_width": CONTEXT,
            },
        },
    }  # fmt: skip
    metrics = train(recipe, tmp_path / "run")
    assert metrics["held_out_reconstruction"] > 0
    from safetensors.torch import load_file

    before, after = (
        load_file(folder / "unet" / "diffusion_pytorch_model.safetensors") for folder in (model, tmp_path / "run")
    )
    moved = {name: float((after[name] - before[name]).abs().max()) for name in before}
    base = max(value for name, value in moved.items() if not name.startswith(("depth_embedding", "adaptive_weights")))
    added = max(value for name, value in moved.items() if name.startswith(("depth_embedding", "adaptive_weights")))
    # the first step of AdamW is as long as the rate
    assert base == pytest.approx(1e-4, rel=0.05)
    assert added == pytest.approx(1e-3, rel=0.05)
    card = json.loads((tmp_path / "run" / "model" / "model_card.json").read_text(encoding="utf-8"))
    assert "simulated knees" in card["training_data"]
    assert "initial weights: Zero-123" in card["training_data"]
    assert "Apache" not in card["licence"]


def test_every_name_at_full_size() -> None:
    """Key for key and shape for shape, without memory: 686 and 248 tensors of the published sizes."""
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.weight_import.published_weights import autoencoder_sizes, unet_sizes

    with torch.device("meta"):
        unet, vae = stock_unet(320, 768).state_dict(), stock_autoencoder(128).state_dict()
        own = build_components("paper", radiograph_encoder={"token_encoder": "none"})
    original = {original_unet_name(name): tensor for name, tensor in unet.items()}
    assert len(original) == 686
    assert {name.split(".")[0] for name in original} == {
        "time_embed", "input_blocks", "middle_block", "output_blocks", "out"
    }  # fmt: skip
    # of the published configuration: 12 input blocks, 12 output blocks, 3 in the middle
    assert {int(name.split(".")[1]) for name in original if name.startswith("input")} == set(range(12))
    assert {int(name.split(".")[1]) for name in original if name.startswith("output")} == set(range(12))
    converted = convert_unet(original)
    assert {name: tensor.shape for name, tensor in converted.items()} == {n: t.shape for n, t in unet.items()}
    stock = {
        name: tensor for name, tensor in own["unet"].state_dict().items() if not name.startswith(own["unet"]._added)
    }
    assert {name: tensor.shape for name, tensor in converted.items()} == {n: t.shape for n, t in stock.items()}
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in UNET["paper"].items()} == {
        name: value for name, value in unet_sizes(converted).items() if name in UNET["paper"]
    }

    original = original_autoencoder(vae)
    assert len(original) == 248
    converted = convert_autoencoder(original)
    assert {name: tensor.shape for name, tensor in converted.items()} == {n: t.shape for n, t in vae.items()}
    assert {name: tensor.shape for name, tensor in own["autoencoder"].state_dict().items()} == {
        name: tensor.shape for name, tensor in converted.items()
    }
    assert autoencoder_sizes(converted)["block_out_channels"] == [128, 256, 512, 512]


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("down_blocks.0.resnets.0.conv1.weight", "input_blocks.1.0.in_layers.2.weight"),
        ("down_blocks.2.attentions.1.proj_in.bias", "input_blocks.8.1.proj_in.bias"),
        ("down_blocks.1.downsamplers.0.conv.weight", "input_blocks.6.0.op.weight"),
        ("mid_block.resnets.1.time_emb_proj.bias", "middle_block.2.emb_layers.1.bias"),
        ("up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.1.conv.weight"),
        ("up_blocks.2.upsamplers.0.conv.bias", "output_blocks.8.2.conv.bias"),
        ("up_blocks.3.attentions.2.norm.weight", "output_blocks.11.1.norm.weight"),
    ],
)
def test_names_known_from_published_files(name: str, original: str) -> None:
    """Names that stand in Stable Diffusion's published file: the material's own map is not made up."""
    assert original_unet_name(name) == original


def test_autoencoder_names_known_from_published_files() -> None:
    assert original_autoencoder_name("decoder.up_blocks.0.resnets.2.conv2.bias") == "decoder.up.3.block.2.conv2.bias"
    assert original_autoencoder_name("encoder.down_blocks.2.downsamplers.0.conv.bias") == (
        "encoder.down.2.downsample.conv.bias"
    )
    assert original_autoencoder_name("encoder.mid_block.attentions.0.to_out.0.weight") == (
        "encoder.mid.attn_1.proj_out.weight"
    )
