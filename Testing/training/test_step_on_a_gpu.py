"""A step as on a GPU, on a machine without one: fake tensors compute nothing but know on which device they would lie.

Two of different devices refuse to meet, and a value that the host would wait for (``item``, a branch) is refused too.
"""

from __future__ import annotations

from collections.abc import Callable
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


def knees(device: torch.device, channels: int = 4):
    """Three knees with two radiographs each."""
    from Xray2MRILib.training.data.pair_data import KneeLatents

    n, e = 3, 2
    return KneeLatents(
        mean=torch.zeros(n, 50, channels, 32, 32, dtype=torch.float16),
        deviation=torch.zeros(n, 50, channels, dtype=torch.float16),
        crops=torch.zeros(n, e, 256, 256, dtype=torch.uint8),
        radiograph_latents=torch.zeros(n, e, channels, 32, 32, dtype=torch.float16),
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


def test_autoencoder_step_stays_on_the_device(fakes: fake.FakeTensorMode, tmp_path: Path) -> None:
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.autoencoder import draw_patches
    from Xray2MRILib.training.recipes.autoencoder import AutoencoderRecipe
    from Xray2MRILib.training.reconstruction_loss import reconstruction_loss

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


def loss_in_bfloat16(loss_of: Callable[[], torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    """The loss as autocast for a GPU has it: every operation gets the dtypes that it would get there."""
    from Xray2MRILib.training.precision import autocast

    loss_of()  # moves what is moved once
    # autocast for a GPU is refused where there is none
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: True)
    with autocast(GPU, "bfloat16"):
        assert torch.is_autocast_enabled("cuda")
        loss = loss_of()
    assert loss.device == GPU
    assert loss.dtype == torch.float32
    return loss


def test_diffusion_step_of_the_recipe_in_bfloat16(fakes: fake.FakeTensorMode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipe for a GPU, its sizes included."""
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.denoising_loss import Denoiser, denoising_loss, latent_scaling
    from Xray2MRILib.training.recipe_files import chosen_recipe
    from Xray2MRILib.training.recipes.diffusion import DiffusionRecipe

    recipe = DiffusionRecipe.from_json(chosen_recipe("diffusion", "compact-gpu"))
    parts = build_components(recipe.preset, **recipe.changes)
    network = Denoiser(parts["unet"], parts["radiograph_encoder"])
    assert sum(parameter.numel() for parameter in network.parameters()) < 15.5e6  # 16 MB in int8
    with fakes:
        scaled = latent_scaling({"scaling_factor": 1.0, "latents_mean": [0.0] * 16, "latents_std": [1.0] * 16}, GPU)
        moved = network.to(GPU, memory_format=torch.channels_last)
        drawn = knees(GPU, channels=16)
        loss_in_bfloat16(
            lambda: denoising_loss(
                moved, drawn, scheduler=parts["scheduler"], scaled=scaled, recipe=recipe, generator=None
            ),
            monkeypatch,
        )  # fmt: skip


def test_autoencoder_step_of_the_recipe_in_bfloat16(
    fakes: fake.FakeTensorMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.models.autoencoder import to_autoencoder_channels, to_grey
    from Xray2MRILib.training.autoencoder import draw_patches
    from Xray2MRILib.training.recipe_files import chosen_recipe
    from Xray2MRILib.training.recipes.autoencoder import AutoencoderRecipe
    from Xray2MRILib.training.reconstruction_loss import reconstruction_loss

    recipe = AutoencoderRecipe.from_json(chosen_recipe("autoencoder", "compact-gpu"))
    vae = build_components(recipe.preset, **recipe.changes)["autoencoder"]
    with fakes:
        moved = vae.to(GPU, memory_format=torch.channels_last)
        volumes = torch.zeros(2, 50, 256, 256, dtype=torch.uint8, device=GPU)

        def loss() -> torch.Tensor:
            images = draw_patches(volumes, volumes[:, :1], recipe, None)
            entering = to_autoencoder_channels(images, 4).to(memory_format=torch.channels_last)
            posterior = moved.encode(entering).latent_dist
            made = to_grey(moved.decode(posterior.mean + posterior.std).sample)
            assert images.shape == made.shape == (recipe.batch_size, 1, recipe.patch, recipe.patch)
            return reconstruction_loss(images, made.float(), posterior, 1.0, 1e-5, 0.6)

        loss_in_bfloat16(loss, monkeypatch)


def test_fake_tensors_notice_what_they_are_here_for(fakes: fake.FakeTensorMode) -> None:
    with fakes:
        with pytest.raises(RuntimeError, match="device"):
            torch.zeros(3, device=GPU) + torch.zeros(3)
        with pytest.raises(fake.DataDependentOutputException):
            torch.zeros(3, device=GPU).sum().item()
