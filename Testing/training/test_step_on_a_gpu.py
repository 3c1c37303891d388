"""A step as on a GPU, on a machine without one: fake tensors compute nothing but know on which device they would lie.

Two of different devices refuse to meet, and a value that the host would wait for (``item``, a branch) is refused too.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import autoencoder_recipe, diffusion_recipe

torch = pytest.importorskip("torch")
fake = pytest.importorskip("torch._subclasses.fake_tensor")


GPU = torch.device("cuda:0")


@pytest.fixture
def fakes() -> fake.FakeTensorMode:
    """To be entered when everything is built, since building computes."""
    return fake.FakeTensorMode(allow_non_fake_inputs=True)


def knees(device: torch.device):
    """Three knees with two radiographs each."""
    from Xray2MRILib.training.data.pair_data import KneeLatents

    n, e = 3, 2
    return KneeLatents(
        mean=torch.zeros(n, 50, 4, 32, 32, dtype=torch.float16),
        deviation=torch.zeros(n, 50, 4, dtype=torch.float16),
        crops=torch.zeros(n, e, 256, 256, dtype=torch.uint8),
        radiograph_latents=torch.zeros(n, e, 4, 32, 32, dtype=torch.float16),
        histograms=torch.zeros(n, e, 64),
        grades=torch.zeros(n, dtype=torch.int64),
    ).to(device)


@pytest.mark.parametrize("scaling", [{}, {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4}])
def test_diffusion_step_stays_on_the_device(fakes: fake.FakeTensorMode, scaling: dict, tmp_path: Path) -> None:
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.denoising_loss import Denoiser, denoising_loss, latent_scaling
    from Xray2MRILib.training.recipes.diffusion import DiffusionRecipe

    recipe = DiffusionRecipe.from_json(diffusion_recipe(tmp_path, tmp_path, min_snr_gamma=5.0))
    parts = build_components("tiny", **recipe.changes)
    network = Denoiser(parts["unet"], parts["radiograph_encoder"])
    with fakes:
        scaled = latent_scaling({"scaling_factor": 1.0, **scaling}, GPU)
        loss = denoising_loss(
            network.to(GPU), knees(GPU), scheduler=parts["scheduler"], scaled=scaled, recipe=recipe, generator=None
        )
    assert loss.device == GPU
    assert loss.dtype == torch.float32
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_autoencoder_step_stays_on_the_device(
    fakes: fake.FakeTensorMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.autoencoder import draw_patches
    from Xray2MRILib.training.recipes.autoencoder import AutoencoderRecipe
    from Xray2MRILib.training.reconstruction_loss import reconstruction_loss

    draws = [torch.rand(5, generator=torch.Generator().manual_seed(k)).tolist() for k in range(4)]
    monkeypatch.setattr(torch, "rand", lambda *_, **__: draws.pop())  # places of patches are drawn on the host
    vae = build_components("tiny")["autoencoder"]
    with fakes:
        volumes = torch.zeros(2, 50, 256, 256, dtype=torch.uint8, device=GPU)
        recipe = AutoencoderRecipe.from_json(autoencoder_recipe(tmp_path))
        images = draw_patches(volumes, volumes[:, :1], recipe, None)
        posterior = vae.to(GPU).encode(images.expand(-1, vae.config.in_channels, -1, -1)).latent_dist
        made = vae.decode(posterior.mean).sample[:, :1]
        loss = reconstruction_loss(images, made.float(), posterior, 1.0, 1e-5, 0.6)
    assert images.shape == (4, 1, 64, 64)
    assert loss.device == GPU
    assert loss.dtype == torch.float32


def test_fake_tensors_notice_what_they_are_here_for(fakes: fake.FakeTensorMode) -> None:
    with fakes:
        with pytest.raises(RuntimeError, match="device"):
            torch.zeros(3, device=GPU) + torch.zeros(3)
        with pytest.raises(fake.DataDependentOutputException):
            torch.zeros(3, device=GPU).sum().item()
