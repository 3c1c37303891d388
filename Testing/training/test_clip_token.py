"""CLIP's token in training: the one that sampling hands over, from a tower that is neither trained nor averaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_runs import diffusion_recipe

from Xray2MRILib.errors import InputError

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")

from safetensors import safe_open  # noqa: E402

SMALL_TOWER = {"token_encoder": "clip", "clip_width": 64, "clip_layers": 2, "clip_embedding": 12}
CHANGES = {"radiograph_encoder": SMALL_TOWER}


@pytest.mark.parametrize("method", ["xray2mri", "x-diffusion"])
def test_training_and_sampling_hand_over_the_same_token(method: str, pairs: Path, untrained_autoencoder: Path) -> None:
    from diffusers import AutoencoderKL

    from Xray2MRILib.diffusion.radiograph_conditions import encode_radiograph
    from Xray2MRILib.model_store.assembly import build_components
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs
    from Xray2MRILib.training.data.pair_data import encode_pairs
    from Xray2MRILib.training.data.training_knee import open_knee
    from Xray2MRILib.training.denoising_loss import Denoiser, batch_loss, drawn_batch
    from Xray2MRILib.training.recipes.diffusion import DiffusionRecipe

    torch.manual_seed(0)
    vae = AutoencoderKL.from_pretrained(untrained_autoencoder).eval()
    parts = build_components("tiny", method=method, **CHANGES)
    encoder, scheduler = parts["radiograph_encoder"], parts["scheduler"]
    torch.nn.init.normal_(encoder.projection.weight)  # as if it had been trained
    tower = encoder.take_tower()
    network = Denoiser(parts["unet"], encoder)
    with encoder.with_tower(tower):
        knees = encode_pairs(pairs, vae, encoder, 2, seed=5, bend_mm=4.0)
    assert knees.embeddings.shape == (3, 2, 12)
    assert not any("clip" in name for name, _ in network.named_parameters())

    given: list[torch.Tensor] = []
    network.unet.register_forward_pre_hook(lambda _, arguments: given.append(arguments[4]))
    recipe = DiffusionRecipe.from_json(diffusion_recipe(pairs, untrained_autoencoder, knees_per_batch=6, knees=3))
    batch = drawn_batch(
        knees, scheduler=scheduler, recipe=recipe, generator=torch.Generator().manual_seed(0), dropout=False
    )
    batch_loss(network, batch, scheduler=scheduler, scaled=lambda z: z, min_snr_gamma=0.0).backward()
    assert network.encoder.projection.weight.grad.abs().max() > 0
    assert tower.proj.grad is None

    # the same radiographs as sampling sees them, without anything that training kept
    sampled = []
    for path in list_pairs(pairs):
        knee = open_knee(path)
        rng = np.random.default_rng([5, knee.seed])
        arranged = knee.in_radiograph_frame if encoder.config.field_placement else knee.in_scan_frame
        _, crops = arranged(2, rng, bend_mm=4.0)
        with encoder.with_tower(tower):
            sampled += [encode_radiograph(vae, encoder, torch.from_numpy(crop)[None], {}).token[0] for crop in crops]
    assert len(given) == 1
    tokens = given[0].detach()[:: recipe.depths_per_knee]
    assert tokens.shape == (6, 1, 8)
    generator = torch.Generator().manual_seed(0)
    knee, exposure = (torch.randint(high, (6,), generator=generator) for high in (3, 2))  # the batch's first draws
    for token, k, e in zip(tokens, knee, exposure, strict=True):
        torch.testing.assert_close(token, sampled[2 * k + e], atol=1e-5, rtol=1e-5)
    assert (sampled[0] - sampled[2]).abs().max() > 1e-3  # of other knees they differ


@pytest.mark.slow
def test_a_run_keeps_the_tower_out_of_its_state_and_in_its_model(
    pairs: Path, untrained_autoencoder: Path, tmp_path: Path
) -> None:
    from Xray2MRILib.generation.pipeline import Xray2MRIPipeline
    from Xray2MRILib.training.diffusion import train

    small = {"variants": 1, "steps": 2, "save_every": 1, "latents": str(tmp_path / "latents"), "changes": CHANGES}
    train(diffusion_recipe(pairs, untrained_autoencoder, **small, minutes=1e-6), tmp_path / "run")
    train(diffusion_recipe(pairs, untrained_autoencoder, **small), tmp_path / "run", resume=True)
    with safe_open(tmp_path / "run" / "checkpoint.safetensors", "pt") as stream:
        assert not [name for name in stream.keys() if "clip" in name]
        assert [name for name in stream.keys() if "projection" in name]
    model = tmp_path / "run" / "model"
    pipeline = Xray2MRIPipeline.from_pretrained(model, device="cpu")
    assert len(pipeline.radiograph_encoder.clip_visual.transformer.resblocks) == 2
    assert np.isfinite(pipeline(np.zeros((1, 256, 256), np.float32), 2, 1).array).all()

    # a training that begins from this model keeps its tower; one with another tower refuses the kept knees
    torch.manual_seed(1)
    small |= {"initial": str(model), "steps": 1}
    train(diffusion_recipe(pairs, untrained_autoencoder, **small | {"latents": None}), tmp_path / "next")
    later = Xray2MRIPipeline.from_pretrained(tmp_path / "next" / "model", device="cpu")
    assert torch.equal(later.radiograph_encoder.clip_visual.proj, pipeline.radiograph_encoder.clip_visual.proj)
    with pytest.raises(InputError, match="do not fit this training: clip differs"):
        train(diffusion_recipe(pairs, untrained_autoencoder, **small), tmp_path / "other")
