"""A GPU machine often has PyTorch and little else: training and simulating without the rest of the dependencies.

What is left to import is torch, diffusers, numpy, scipy and scikit-image with what these bring (Pillow among it).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_runs import autoencoder_recipe, diffusion_recipe, options

torch = pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]

# Python imports this at the start of every process, of worker processes too
ABSENT = """
import importlib.metadata, sys

absent = ("SimpleITK", "pydicom", "vtk", "open_clip", "tensorboard", "accelerate", "pylibjpeg", "libjpeg", "openjpeg",
          "transformers", "highdicom", "hypothesis")
for name in absent:
    sys.modules[name] = None
version_of = importlib.metadata.version


def version(name):
    if name in (*absent, "open_clip_torch"):
        raise importlib.metadata.PackageNotFoundError(name)
    return version_of(name)


importlib.metadata.version = version
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(ABSENT, encoding="utf-8")
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}


def xray2mri(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "Xray2MRILib", *map(str, words)]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_they_are_really_absent(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import skimage, PIL, SimpleITK"], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "import of SimpleITK halted" in done.stderr


@pytest.mark.slow
def test_training_from_pairs_to_model(pairs: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """With worker processes, whose latents are those that a single process computes."""
    small = {"steps": 1, "save_every": 1, "workers": 1}
    recipe = autoencoder_recipe(pairs, **small)
    done = xray2mri(environment, "train", "autoencoder", "-o", tmp_path / "autoencoder", *options(recipe))
    assert done.returncode == 0, done.stderr
    autoencoder = tmp_path / "autoencoder" / "autoencoder"
    recipe = diffusion_recipe(pairs, autoencoder, variants=1, **small)
    done = xray2mri(environment, "train", "diffusion", "-o", tmp_path / "diffusion", *options(recipe))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "diffusion" / "model" / "model_card.json").exists()
    assert (tmp_path / "diffusion" / "samples" / "held-out-000001.png").exists()

    from diffusers import AutoencoderKL
    from safetensors.torch import load_file

    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.data.pair_data import encode_pairs

    vae = AutoencoderKL.from_pretrained(autoencoder).to(memory_format=torch.channels_last).eval()
    encoder = build_components("tiny")["radiograph_encoder"]
    expected = encode_pairs(pairs, vae, encoder, recipe["exposures"], recipe["seed"], bend_mm=recipe["bend_mm"])
    for name, tensor in load_file(tmp_path / "diffusion" / "latents-0.safetensors").items():
        assert torch.allclose(tensor.float(), getattr(expected, name).float(), atol=1e-3), name


@pytest.mark.slow
def test_simulating_knees_that_ship(tmp_path: Path, environment: dict[str, str]) -> None:
    """Label maps are read by SimpleITK; what is made of those that ship lies beside them and needs it no more."""
    done = xray2mri(environment, "simulate", "-o", tmp_path, "--count", 1)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "knee-000000.npz").exists()
