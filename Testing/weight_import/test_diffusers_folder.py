"""Folders in diffusers' layout become the same model; other schedules and missing towers are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402
from stock_networks import CONTEXT, assert_equals_stock, randomised, stock_unet, transformers_names  # noqa: E402

from Xray2MRILib.cli import main  # noqa: E402
from Xray2MRILib.errors import InputError  # noqa: E402
from Xray2MRILib.weight_import import imported_model  # noqa: E402


class TestFolders:
    """Diffusers' layout."""

    @pytest.fixture
    def folder(self, stock: dict[str, Any], tmp_path: Path) -> Path:
        """As others have published Zero-123: the tower with transformers' names, pickled."""
        source = tmp_path / "zero123-diffusers"
        stock["unet"].save_pretrained(source / "unet")
        stock["autoencoder"].save_pretrained(source / "vae")
        (source / "image_encoder").mkdir()
        torch.save(transformers_names(stock["tower"].state_dict()), source / "image_encoder" / "pytorch_model.bin")
        (source / "clip_camera_projection").mkdir()
        layer = {"proj.weight": stock["projection"], "proj.bias": stock["bias"]}
        save_file(layer, source / "clip_camera_projection" / "diffusion_pytorch_model.safetensors")
        (source / "scheduler").mkdir()
        self.schedule(source)
        return source

    @staticmethod
    def schedule(source: Path, **entries: Any) -> None:
        known = {
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "beta_schedule": "scaled_linear",
            "num_train_timesteps": 1000,
        }
        (source / "scheduler" / "scheduler_config.json").write_text(json.dumps(known | entries), encoding="utf-8")

    def test_a_folder_equals_the_stock_network(self, folder: Path, stock: dict[str, Any], tmp_path: Path) -> None:
        assert imported_model.import_zero123(folder, tmp_path / "model") == [imported_model._UNTRAINED]
        assert_equals_stock(tmp_path / "model", stock)

    def test_another_schedule_is_refused_and_the_known_defect_named(self, folder: Path, tmp_path: Path) -> None:
        self.schedule(folder, beta_start=0.02, beta_end=0.085, beta_schedule="scaled_linear")
        assert "known converter writes by mistake" in imported_model.import_zero123(folder, tmp_path / "model")[0]
        self.schedule(folder, beta_schedule="linear")
        with pytest.raises(InputError, match="another noise schedule"):
            imported_model.import_zero123(folder, tmp_path / "other")
        self.schedule(folder, prediction_type="v_prediction")
        with pytest.raises(InputError, match="does not predict the noise"):
            imported_model.import_zero123(folder, tmp_path / "other")
        assert not (tmp_path / "other").exists()

    def test_four_channels_are_widened_with_zeros(self, folder: Path, stock: dict[str, Any], tmp_path: Path) -> None:
        """Stable Diffusion itself: the radiograph's channels begin without influence."""
        from Xray2MRILib.generation.pipeline import Xray2MRIPipeline

        torch.manual_seed(1)
        four = stock_unet(entering=4)
        shutil.rmtree(folder / "unet")
        four.save_pretrained(folder / "unet")
        imported_model.import_diffusers(folder, tmp_path / "model")
        pipeline = Xray2MRIPipeline.from_pretrained(tmp_path / "model", device="cpu")
        noisy, token, t = torch.randn(1, 8, 16, 16), torch.randn(1, 1, CONTEXT), torch.tensor([300])
        conditions = {"p": torch.eye(5)[:1], "i": torch.full((1, 64), 1 / 64)}
        with torch.no_grad():
            made = pipeline.unet(noisy, t, torch.zeros(1), conditions, token)
            torch.testing.assert_close(made, four(noisy[:, :4], t, token).sample, atol=2e-5, rtol=1e-4)

    def test_without_an_image_tower_openai_s_is_needed(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.rmtree(folder / "image_encoder")
        assert main(["import", "zero123", str(folder), "-o", str(tmp_path / "model")]) == 2
        assert "has no image tower with its projection" in capsys.readouterr().err
        words = ["import", "diffusers", str(folder), "-o", str(tmp_path / "model")]
        assert main([*words, "--clip-weights", str(tmp_path / "ViT-L-14.pt")]) == 2
        said = capsys.readouterr().err
        assert "not on this machine: there is no ViT-L-14.pt" in said
        assert said.rstrip().endswith("Option: --clip-weights FILE.")
        assert not (tmp_path / "model").exists()

    def test_the_tower_of_transformers(self) -> None:
        """Against transformers' own network, where it is installed."""
        transformers = pytest.importorskip("transformers")
        from Xray2MRILib.models.clip_tower import build_clip_tower
        from Xray2MRILib.weight_import.diffusers_folder import convert_clip_tower

        pytest.importorskip("open_clip")
        config = transformers.CLIPVisionConfig(
            hidden_size=64, intermediate_size=256, projection_dim=CONTEXT, num_hidden_layers=2, num_attention_heads=1,
            image_size=224, patch_size=14, hidden_act="quick_gelu",
        )  # fmt: skip
        torch.manual_seed(0)
        theirs = randomised(transformers.CLIPVisionModelWithProjection(config), 7).eval()
        tower = build_clip_tower(64, 2, CONTEXT).eval()
        tower.load_state_dict(convert_clip_tower(theirs.state_dict()))
        image = torch.randn(2, 3, 224, 224)
        with torch.no_grad():
            torch.testing.assert_close(tower(image), theirs(image).image_embeds, atol=1e-4, rtol=1e-4)
