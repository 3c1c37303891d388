"""Stable Diffusion's autoencoder from every form in which it is published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from published_checkpoints import original_autoencoder, write_lightning_checkpoint

torch = pytest.importorskip("torch")

from diffusers import AutoencoderKL  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from stock_networks import randomised, stock_autoencoder  # noqa: E402

from Xray2MRILib.cli import main  # noqa: E402


class TestAutoencoder:
    """``import vae``: single files and folders."""

    @pytest.mark.parametrize("form", ["ckpt", "checkpoint", "safetensors", "folder", "pipeline", "old folder"])
    def test_every_form_gives_the_same_network(self, form: str, tmp_path: Path) -> None:
        vae = randomised(stock_autoencoder(), 2)
        state, source = vae.state_dict(), tmp_path / "source"
        original = original_autoencoder(state)
        if form == "ckpt":
            source = tmp_path / "vae-ft-mse-840000-ema-pruned.ckpt"
            torch.save({"state_dict": original | {"loss.logvar": torch.zeros(())}}, source)
        elif form == "checkpoint":
            source = tmp_path / "sd-v1-4.ckpt"
            whole = {f"first_stage_model.{n}": t for n, t in original.items()} | {
                "model.diffusion_model.x": torch.ones(1)
            }
            write_lightning_checkpoint(source, whole)
        elif form == "safetensors":
            source = tmp_path / "vae.safetensors"
            save_file({name: tensor.half() for name, tensor in original.items()}, source)
            state = {name: tensor.half().float() for name, tensor in state.items()}
        elif form == "old folder":
            source.mkdir()
            old = {n.replace(".to_q.", ".query.").replace(".to_k.", ".key.").replace(".to_v.", ".value.")
                   .replace(".to_out.0.", ".proj_attn."): t for n, t in state.items()}  # fmt: skip
            save_file(old, source / "diffusion_pytorch_model.safetensors")
        else:
            vae.save_pretrained(source / "vae" if form == "pipeline" else source)
        assert main(["import", "vae", str(source), "-o", str(tmp_path / "out")]) == 0
        imported = AutoencoderKL.from_pretrained(tmp_path / "out" / "autoencoder")
        assert imported.config.scaling_factor == 0.18215
        for name, tensor in imported.state_dict().items():
            assert torch.equal(tensor, state[name]), name
        assert (
            "Stable Diffusion"
            in json.loads((tmp_path / "out" / "training_data.json").read_text(encoding="utf-8"))["training_data"]
        )
