"""Autoencoder and diffusion training on a handful of drawn pairs: something is learnt, from the right things."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn_pairs import drawn_pair
from PIL import Image
from small_runs import autoencoder_recipe, diffusion_recipe

from Xray2MRILib.errors import InputError
from Xray2MRILib.simulation.pairs.pair_store import list_pairs, read_pair
from Xray2MRILib.training.recipe_files import chosen_recipe

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402


@pytest.fixture(scope="module")
def autoencoder(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from Xray2MRILib.training.autoencoder import train

    output = tmp_path_factory.mktemp("autoencoder")
    metrics = train(autoencoder_recipe(pairs, steps=60, learning_rate=0.01), output)
    assert metrics["psnr_db"] > 14  # a mid-grey guess reaches about 11 dB here
    return output / "autoencoder"


def test_pair_survives_the_store(pairs: Path) -> None:
    stored, made = read_pair(list_pairs(pairs)[1]), drawn_pair(1)
    assert np.abs(stored.volume - made.volume).mean() < 0.01
    assert np.abs(stored.bone - made.bone).max() < 1e-4 * made.bone.max() + 1e-4
    assert stored.parameters == made.parameters
    assert list_pairs(pairs)[1].stat().st_size < 1_000_000


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "knee-000000.npz").write_bytes(b"not an archive")
    with pytest.raises(InputError, match="knee-000000"):
        read_pair(tmp_path / "knee-000000.npz")
    with pytest.raises(InputError, match="no simulated pairs"):
        list_pairs(tmp_path / "nowhere")


@pytest.mark.slow
def test_diffusion_learns_and_writes_a_loadable_network(pairs: Path, autoencoder: Path, tmp_path: Path) -> None:
    from Xray2MRILib.models.conditional_unet import Xray2MRIUNet
    from Xray2MRILib.training.diffusion import train

    early = train(diffusion_recipe(pairs, autoencoder, steps=2, save_every=2), tmp_path / "early")
    late = train(
        diffusion_recipe(pairs, autoencoder, steps=150, save_every=150, learning_rate=0.005), tmp_path / "late"
    )
    assert late["held_out_loss"] < 0.9 * early["held_out_loss"]
    assert Xray2MRIUNet.from_pretrained(tmp_path / "late" / "unet").config.condition_names == ["p", "i"]
    assert (tmp_path / "late" / "scheduler" / "scheduler_config.json").exists()
    sheet = Image.open(tmp_path / "late" / "samples" / "held-out-000150.png")
    assert sheet.size == (7 * 256, 3 * 256)  # a radiograph, then three true and three generated slices, for three knees


def test_a_model_of_half_the_resolution_learns_from_averaged_slices(
    pairs: Path, autoencoder: Path, tmp_path: Path
) -> None:
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.training.diffusion import train

    changes = chosen_recipe("diffusion", "compact-half")["changes"]
    recipe = diffusion_recipe(pairs, autoencoder, changes=changes, latents=str(tmp_path / "latents"))
    train(recipe, tmp_path / "run")
    kept = load_file(tmp_path / "latents" / "latents-0.safetensors")
    assert kept["mean"].shape[-2:] == kept["radiograph_latents"].shape[-2:] == (16, 16)
    sheet = Image.open(tmp_path / "run" / "samples" / "held-out-000006.png")
    assert sheet.size == (7 * 256, 3 * 256)
    pipeline = Xray2MRIPipeline.from_pretrained(tmp_path / "run" / "model", device="cpu")
    assert pipeline.radiograph_encoder.config.slice_size == 128
    radiograph = np.zeros((1, 256, 256), np.float32)
    assert pipeline(radiograph, num_slices=2, num_inference_steps=1).array.shape == (2, 256, 256)


def test_cached_latents_of_something_else_are_refused(pairs: Path, autoencoder: Path, tmp_path: Path) -> None:
    from Xray2MRILib.training.diffusion import train

    latents = {"latents": str(tmp_path / "latents"), "variants": 1, "steps": 1, "save_every": 1}
    train(diffusion_recipe(pairs, autoencoder, **latents), tmp_path / "first")
    train(diffusion_recipe(pairs, autoencoder, **latents), tmp_path / "second")  # of the same they are taken
    for changed, name in (
        ({"bend_mm": 1.0}, "bend_mm"), ({"knees": 2}, "pairs, knees"), ({"autoencoder": "compact"}, "autoencoder"),
        ({"changes": {"radiograph_encoder": {"slice_size": 128}}}, "slice_size"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=rf"latents-\w+.safetensors in latents do not fit this training: {name}"):
            train(diffusion_recipe(pairs, autoencoder) | latents | changed, tmp_path / "other")
    # a decoder that was trained on leaves the latents what they are
    later = shutil.copytree(autoencoder, tmp_path / "later")
    weights = later / "diffusion_pytorch_model.safetensors"
    state = load_file(weights)
    state["decoder.conv_out.bias"] += 0.1
    save_file(state, weights, {"format": "pt"})
    train(diffusion_recipe(pairs, later, **latents), tmp_path / "third")
    damaged = tmp_path / "latents" / "latents-held_out.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"latents-held_out\.safetensors in latents cannot be read"):
        train(diffusion_recipe(pairs, autoencoder, **latents), tmp_path / "other")


def test_the_model_says_how_it_asks_to_be_sampled_and_what_it_came_from(
    pairs: Path, autoencoder: Path, tmp_path: Path
) -> None:
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.models.eight_bit_weights import FILE
    from Xray2MRILib.training.diffusion import train

    one = {"variants": 1, "steps": 1, "save_every": 1, "latents": str(tmp_path / "latents")}
    train(diffusion_recipe(pairs, autoencoder, **one), tmp_path / "first")
    asked = {"guidance_scale": 2.0, "guidance_share": 0.5, "noise_scale": 0.5}
    earlier = tmp_path / "first" / "model"
    train(
        diffusion_recipe(pairs, autoencoder, **one, initial=str(earlier), sampling=asked, eight_bit=True),
        tmp_path / "second",
    )
    model = tmp_path / "second" / "model"
    assert (model / "unet" / FILE).exists()
    pipeline = Xray2MRIPipeline.from_pretrained(model, device="cpu")
    card = pipeline.model_card
    assert card["sampling"] == asked
    first = Xray2MRIPipeline.from_pretrained(earlier, device="cpu")
    assert first.model_card["sampling"] == {}
    origin = card["trained_from"]
    assert origin["initial_unet_sha256"] == first.weights_sha256["unet"]
    assert origin["initial_radiograph_encoder_sha256"] == first.weights_sha256["radiograph_encoder"]
    sampling = pipeline(np.zeros((1, 256, 256), np.float32), 2, 1).provenance["sampling"]
    assert {name: sampling[name] for name in asked} == asked
    # the autoencoder of such a model serves a training as well
    own = diffusion_recipe(pairs, model / "autoencoder", **one | {"latents": None})
    assert train(own, tmp_path / "third")["step"] == 1


@pytest.mark.parametrize("asked", [{"noise": 0.5}, {"noise_scale": 5}, {"guidance_scale": None}, [1, 2]])
def test_an_impossible_sampling_is_refused_before_the_training(
    asked: object, pairs: Path, autoencoder: Path, tmp_path: Path
) -> None:
    from Xray2MRILib.training.diffusion import train

    with pytest.raises(InputError, match=r"entry sampling of the recipe cannot be (used|\[1, 2\])") as refused:
        train(diffusion_recipe(pairs, autoencoder, sampling=asked), tmp_path / "run")
    assert refused.value.code == "bad-recipe"
    assert not (tmp_path / "run").exists()


def test_an_autoencoder_that_was_exchanged_meanwhile_is_refused(pairs: Path, autoencoder: Path, tmp_path: Path) -> None:
    from Xray2MRILib.training.diffusion import train

    own = shutil.copytree(autoencoder, tmp_path / "own")
    one = {"variants": 1, "steps": 2, "save_every": 1}
    train(diffusion_recipe(pairs, own, **one, minutes=1e-6), tmp_path / "run")  # ends after a step
    weights = own / "diffusion_pytorch_model.safetensors"
    save_file({n: t + 0.01 * (n == "decoder.conv_out.bias") for n, t in load_file(weights).items()}, weights)
    with pytest.raises(InputError, match="autoencoder in own has changed since the training began"):
        train(diffusion_recipe(pairs, own, **one), tmp_path / "run", resume=True)


def test_bent_variants_of_a_knee_differ_and_keep_their_grade(pairs: Path, autoencoder: Path) -> None:
    from diffusers import AutoencoderKL

    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.training.data.pair_data import KneeLatents, encode_pairs

    vae = AutoencoderKL.from_pretrained(autoencoder).eval()
    encoder = build_components("tiny")["radiograph_encoder"]
    first, again, second = (encode_pairs(pairs, vae, encoder, 2, seed, bend_mm=4.0) for seed in (1, 1, 2))
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.crops, again.crops)
    assert (first.mean.float() - second.mean.float()).abs().mean() > 0.01
    both = KneeLatents.concatenate([first, second])
    assert len(both) == 6
    assert both.grades.tolist() == [0, 1, 2, 0, 1, 2]


def test_soft_grades_are_probabilities_that_mostly_keep_the_grade() -> None:
    from Xray2MRILib.training.data.pair_data import soft_grades

    grades = torch.arange(5).repeat(200)
    p = soft_grades(grades, torch.Generator().manual_seed(0))
    assert torch.allclose(p.sum(dim=1), torch.ones(1000))
    agreement = float((p.argmax(dim=1) == grades).float().mean())
    assert 0.6 < agreement < 0.98


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_weights_against_their_formula(prediction: str) -> None:
    """Hang et al. 2023: min(SNR, gamma) / SNR of the squared error of the noise, / (SNR + 1) of the velocity's."""
    from Xray2MRILib.diffusion.schedule import ddim_schedule
    from Xray2MRILib.training.denoising_loss import snr_weight

    scheduler, t = ddim_schedule(prediction), torch.tensor([1, 300, 600, 990])
    alpha = scheduler.alphas_cumprod[t]
    snr = alpha / (1 - alpha)
    divisor = snr if prediction == "epsilon" else snr + 1
    expected = torch.minimum(snr, torch.tensor(5.0)) / divisor
    assert torch.allclose(snr_weight(scheduler, t, 5.0), expected, rtol=1e-4)
    assert expected[0] < 0.1 * expected.max()  # steps with little noise no longer outweigh the others
    assert torch.equal(snr_weight(scheduler, t, 0.0), torch.ones(4))


def test_latents_are_scaled_as_the_pipeline_does_it() -> None:
    from Xray2MRILib.models.autoencoder import scaled_latents
    from Xray2MRILib.training.denoising_loss import latent_scaling

    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    measured = {"scaling_factor": 1.5, "latents_mean": [0.1, 2.0, -3.0, 0.0], "latents_std": [0.5, 1.0, 2.0, 4.0]}
    for config in (measured, {"scaling_factor": 0.18}):
        assert torch.equal(latent_scaling(config, torch.device("cpu"))(latents), scaled_latents(config, latents))
