"""What cannot be imported: a sentence, nothing written, nothing executed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from published_checkpoints import Bomb, write_lightning_checkpoint, write_plain_pickle

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from stock_networks import state_of  # noqa: E402

from Xray2MRILib.cli import main  # noqa: E402


class TestRefusals:
    """One sentence, exit code 2, nothing written, nothing executed."""

    def refused(self, source: Path, output: Path, capsys: pytest.CaptureFixture[str], kind: str = "zero123") -> str:
        assert main(["import", kind, str(source), "-o", str(output)]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "Traceback" not in said
        assert not output.exists()
        assert not list(output.parent.glob(".xray2mri-*"))
        return said

    def test_foreign_code_is_never_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """In the archive of a checkpoint, in an old file of torch, in a plain pickle, and beside a state dict."""
        state = {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 8, 3, 3)}
        flag = tmp_path / "executed"
        for name, write in {
            "zip": lambda file: torch.save({"state_dict": state, "callbacks": Bomb(flag)}, file),
            "legacy": lambda file: torch.save({"state_dict": Bomb(flag)}, file, _use_new_zipfile_serialization=False),
            "plain": lambda file: write_plain_pickle(file, Bomb(flag)),
            "among": lambda file: write_lightning_checkpoint(file, state, hyper_parameters=Bomb(flag)),
        }.items():
            file = tmp_path / f"{name}.ckpt"
            write(file)
            said = self.refused(file, tmp_path / "out", capsys)
            assert "asks for" in said or "cannot be read" in said
            assert not flag.exists()
        assert "asks for" in self.refused(tmp_path / "among.ckpt", tmp_path / "out", capsys)

    @pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04" + bytes(200), bytes(4096)])
    @pytest.mark.parametrize("ending", [".ckpt", ".safetensors"])
    def test_damaged_files(
        self, content: bytes, ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / f"broken{ending}").write_bytes(content)
        assert f"broken{ending} cannot be read" in self.refused(tmp_path / f"broken{ending}", tmp_path / "out", capsys)

    def test_a_truncated_checkpoint(self, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        content = checkpoint.read_bytes()
        for length in (1000, len(content) // 2, len(content) - 10):
            (tmp_path / "cut.ckpt").write_bytes(content[:length])
            assert "cut.ckpt cannot be read" in self.refused(tmp_path / "cut.ckpt", tmp_path / "out", capsys)

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ("no tower", "not those of a model of Stable Diffusion 1's architecture"),
            ("a tensor less", "not those of a model of Stable Diffusion 1's architecture"),
            ("another shape", "not those of a model of Stable Diffusion 1's architecture"),
            ("another schedule", "another noise schedule"),
            ("nothing", "holds no tensors by name"),
        ],
    )
    def test_other_models(
        self, change: str, sentence: str, stock: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        state = state_of(stock)
        key = "model.diffusion_model.middle_block.1.norm.weight"
        if change == "no tower":
            state = {name: tensor for name, tensor in state.items() if ".visual." not in name}
        elif change == "a tensor less":
            del state[key]
        elif change == "another shape":
            state[key] = torch.zeros(7)
        elif change == "another schedule":
            state["alphas_cumprod"] = torch.linspace(0.999, 0.001, 1000)
        else:
            state = {}
        write_lightning_checkpoint(tmp_path / "other.ckpt", state)
        assert sentence in self.refused(tmp_path / "other.ckpt", tmp_path / "out", capsys)

    def test_what_is_not_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "There is no file or folder nowhere.ckpt" in self.refused(
            tmp_path / "nowhere.ckpt", tmp_path / "out", capsys
        )
        (tmp_path / "empty").mkdir()
        for kind in ("zero123", "vae", "diffusers"):
            assert "no weights in one file" in self.refused(tmp_path / "empty", tmp_path / "out", capsys, kind)
        save_file({"a": torch.zeros(1)}, tmp_path / "one.safetensors")
        assert "There is no folder one.safetensors" in self.refused(
            tmp_path / "one.safetensors", tmp_path / "out", capsys, "diffusers"
        )
        assert "architecture" in self.refused(tmp_path / "one.safetensors", tmp_path / "out", capsys, "vae")

    def test_a_folder_with_files_is_left_alone(
        self, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "notes.txt").write_text("mine", encoding="utf-8")
        assert main(["import", "zero123", str(checkpoint), "-o", str(tmp_path / "mine")]) == 2
        assert "The folder mine is not empty" in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
        assert np.array_equal(sorted(path.name for path in tmp_path.iterdir()), ["mine"])
