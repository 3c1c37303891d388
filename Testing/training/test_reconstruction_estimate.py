"""L_rec of the one-step estimate (A10): closed forms, and the figure that a run reports."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from Xray2MRILib.diffusion.schedule import ddim_schedule, training_target  # noqa: E402
from Xray2MRILib.model_store.assembly import build_components  # noqa: E402
from Xray2MRILib.models.autoencoder import decode_latents  # noqa: E402
from Xray2MRILib.training.reconstruction_estimate import one_step_estimate, reconstruction_estimate  # noqa: E402
from Xray2MRILib.training.slice_batch import SliceBatch  # noqa: E402


def batch(count: int = 3) -> SliceBatch:
    generator = torch.Generator().manual_seed(0)
    shape = (count, 4, 8, 8)
    return SliceBatch(
        crops=torch.zeros(count, 1, 8, 8), radiograph_latents=torch.zeros(shape), embeddings=None,
        clean=torch.randn(shape, generator=generator), noise=torch.randn(shape, generator=generator),
        t=torch.tensor([10, 400, 990])[:count], u=torch.zeros(count), conditions={}, dropout=None,
    )  # fmt: skip


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_perfect_prediction_gives_the_latent_back(prediction: str) -> None:
    scheduler, drawn = ddim_schedule(prediction), batch()
    noisy = scheduler.add_noise(drawn.clean, drawn.noise, drawn.t)
    target = training_target(scheduler, drawn.clean, drawn.noise, drawn.t)
    torch.testing.assert_close(one_step_estimate(scheduler, noisy, target, drawn.t), drawn.clean, atol=1e-4, rtol=1e-4)


def test_the_error_is_that_of_the_decoded_pictures() -> None:
    """A prediction without any noise in it: the estimate is z_t / sqrt(alpha-bar), decoded and compared by hand."""
    torch.manual_seed(0)
    vae, scheduler, drawn = build_components("tiny")["autoencoder"].eval(), ddim_schedule(), batch(2)
    found = reconstruction_estimate(
        lambda noisy, _: torch.zeros_like(noisy), vae, drawn, scheduler=scheduler, scaled=lambda z: 2 * z
    )
    alpha = scheduler.alphas_cumprod[drawn.t][:, None, None, None]
    noisy = alpha.sqrt() * 2 * drawn.clean + (1 - alpha).sqrt() * drawn.noise
    with torch.no_grad():
        made, true = (decode_latents(vae, z).clamp(-1, 1) for z in (noisy / alpha.sqrt(), 2 * drawn.clean))
    assert found == pytest.approx(float(((made - true) ** 2).mean()), rel=1e-5)
    perfect = reconstruction_estimate(
        lambda noisy, given: given.noise, vae, drawn, scheduler=scheduler, scaled=lambda z: 2 * z
    )
    assert perfect < 1e-8 < found
