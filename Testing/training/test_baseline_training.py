"""Every system trained for a few steps by the command, saved, read back and used by the command, on drawn pairs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_pairs import drawn_pair

from Xray2MRILib.cli import main
from Xray2MRILib.simulation.pairs.pair_store import write_pair

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for seed in range(2):
        write_pair(folder, seed, drawn_pair(seed))
    return folder


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained autoencoder whose latents have about unit spread: what a method learns of them is not the point."""
    from Xray2MRILib.model_store.assembly import build_components

    torch.manual_seed(0)
    vae = build_components("tiny")["autoencoder"]
    vae.register_to_config(latents_mean=[0.0] * 4, latents_std=[0.5] * 4)
    folder = tmp_path_factory.mktemp("runs") / "autoencoder" / "autoencoder"
    vae.save_pretrained(folder)
    return folder


def arguments(pairs: Path, autoencoder: Path, output: Path, method: str, steps: int) -> list[str]:
    entries = {
        "data": pairs, "held_out": pairs, "autoencoder": autoencoder, "preset": "tiny", "variants": 1, "exposures": 1,
        "latents": autoencoder.parent / "latents", "knees_per_batch": 2, "depths_per_knee": 2, "steps": steps,
        "save_every": steps, "warm_up_steps": 1, "log_every": 50, "learning_rate": 0.01, "precision": "float32",
        "device": "cpu", "threads": 1, "noise_emphasis": 1.0,
    }  # fmt: skip
    settings = [word for name, value in entries.items() for word in ("--set", f"{name}={value}")]
    return ["train", "diffusion", "--method", method, "-o", str(output), "--json", *settings]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ldm", "x-diffusion", "cola-diff", "without-features"])
def test_a_method_learns_and_its_folder_generates(
    method: str,
    pairs: Path,
    autoencoder: Path,
    knee_radiograph: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from Xray2MRILib.baselines.registry import find_method
    from Xray2MRILib.model_store.model_folder import load_components, read_card

    losses = []
    for steps in (1, 40):
        assert main(arguments(pairs, autoencoder, tmp_path / f"run-{steps}", method, steps)) == 0
        losses.append(json.loads(capsys.readouterr().out)["metrics"]["held_out_loss"])
    assert losses[1] < 0.9 * losses[0]

    model = tmp_path / "run-40" / "model"
    assert read_card(model)["method"] == {"name": method, "title": find_method(method).title}
    unet = load_components(model)["unet"]
    assert type(unet).__name__ == find_method(method).unet
    from safetensors.torch import load_file

    trained = load_file(tmp_path / "run-40" / "unet" / "diffusion_pytorch_model.safetensors")
    assert set(trained) == set(unet.state_dict())
    assert all(torch.equal(tensor.half().float(), trained[n].half().float()) for n, tensor in unet.state_dict().items())

    volume = tmp_path / "knee.nrrd"
    options = ["--slices", "3", "--steps", "2", "--kl-grade", "2", "--device", "cpu"]
    assert main(["generate", str(knee_radiograph), "-o", str(volume), "--model", str(model), *options]) == 0
    capsys.readouterr()
    record = json.loads((tmp_path / "knee.json").read_text(encoding="utf-8"))
    assert record["model"]["method"]["name"] == method

    import SimpleITK

    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(volume)))
    assert array.shape == (3, 256, 256)
    assert np.isfinite(array).all()
    assert not np.array_equal(array[0], array[2])


def test_method_belongs_to_diffusion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "classifier", "--method", "ldm", "-o", str(tmp_path)]) == 2
    assert "--method does not apply to classifier" in capsys.readouterr().err
    assert main(["train", "diffusion", "--set", "method=cyclegan", "-o", str(tmp_path / "run")]) == 2
    assert "The entry method of the recipe cannot be 'cyclegan': give one of ldm" in capsys.readouterr().err
