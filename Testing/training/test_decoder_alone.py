"""A decoder trained further behind a frozen encoder: latents stay what a diffusion model knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_runs import autoencoder_recipe

from Xray2MRILib.errors import InputError

torch = pytest.importorskip("torch")


def test_nothing_but_the_decoder_changes(pairs: Path, untrained_autoencoder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    from Xray2MRILib.training.autoencoder import train

    recipe = autoencoder_recipe(pairs, initial=str(untrained_autoencoder), trained="decoder", learning_rate=0.01)
    train(recipe, tmp_path)
    name = "diffusion_pytorch_model.safetensors"
    before, after = load_file(untrained_autoencoder / name), load_file(tmp_path / "autoencoder" / name)
    changed = {key.split(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"decoder", "post_quant_conv"}
    configs = [
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
        for folder in (untrained_autoencoder, tmp_path / "autoencoder")
    ]
    for entry in ("latents_mean", "latents_std"):
        assert configs[0][entry] == configs[1][entry]


@pytest.mark.parametrize("changes", [{"trained": "decoder"}, {"trained": "encoder"}])
def test_it_needs_an_earlier_autoencoder(pairs: Path, tmp_path: Path, changes: dict) -> None:
    from Xray2MRILib.training.autoencoder import train

    with pytest.raises(InputError, match="The entry trained of the recipe cannot be"):
        train(autoencoder_recipe(pairs, **changes), tmp_path)
