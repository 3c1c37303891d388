"""Noise schedule and samplers (paper eq. 2-4 and 16; A-notes of the Zero-123 base).

T = 1000, betas from 0.00085 to 0.0120 evenly spaced in their square root. The last retained step goes to alpha-bar at
step 0, not to 1, and every retained step is shifted by one, as the base weights were sampled.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

SAMPLERS = ("ddim", "dpm")
PREDICTION_TYPES = ("epsilon", "v_prediction")
TRAIN_TIMESTEPS = 1000

_BETAS = {
    "num_train_timesteps": TRAIN_TIMESTEPS,
    "beta_start": 0.00085,
    "beta_end": 0.0120,
    "beta_schedule": "scaled_linear",
}


def check_schedule(scheduler: DDIMScheduler | DPMSolverMultistepScheduler) -> None:
    """Raise ValueError unless alpha-bar is 0.276 at step 500 and 0.00466 at step 999.

    Converted Zero-123 checkpoints are known to carry another schedule without saying so.
    """
    cumulative = scheduler.alphas_cumprod
    known = {500: 0.276, 999: 0.00466}
    for step, value in known.items():
        found = float(cumulative[step]) if step < len(cumulative) else float("nan")
        if not abs(found - value) < 0.005 * value:
            raise ValueError(f"alpha-bar at step {step} is {found:.5g} and should be {value:.5g}: wrong noise schedule")


def ddim_schedule(prediction_type: str = "epsilon") -> DDIMScheduler:
    """The deterministic sampler of eq. 16; ``prediction_type`` is ``epsilon`` (paper) or ``v_prediction``."""
    _check_prediction(prediction_type)
    with torch.device("cpu"):  # the tables are read here, also while networks are built without memory
        scheduler = DDIMScheduler(
            **_BETAS,
            prediction_type=prediction_type,
            steps_offset=1,
            set_alpha_to_one=False,
            clip_sample=False,
            timestep_spacing="leading",
        )
    check_schedule(scheduler)
    return scheduler


def dpm_schedule(prediction_type: str = "epsilon") -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (second order, multistep) on the same noise schedule, for few steps."""
    _check_prediction(prediction_type)
    with torch.device("cpu"):
        scheduler = DPMSolverMultistepScheduler(
            **_BETAS,
            prediction_type=prediction_type,
            algorithm_type="dpmsolver++",
            solver_order=2,
            steps_offset=1,
            timestep_spacing="linspace",
            final_sigmas_type="zero",
        )
    check_schedule(scheduler)
    return scheduler


def sampler_for(scheduler: Any, sampler: str) -> DDIMScheduler | DPMSolverMultistepScheduler:
    """A fresh sampler ``ddim`` or ``dpm`` with the stored scheduler's prediction type; never the stored object itself,
    because schedulers carry the state of a run."""
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}")
    build = ddim_schedule if sampler == "ddim" else dpm_schedule
    return build(scheduler.config.prediction_type)


def training_target(scheduler: DDIMScheduler, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor):
    """What the U-Net learns to predict [B, 4, h, w]: the noise (eq. 7) or the velocity."""
    if scheduler.config.prediction_type == "epsilon":
        return noise
    return scheduler.get_velocity(latents, noise, timesteps)


def _check_prediction(prediction_type: str) -> None:
    if prediction_type not in PREDICTION_TYPES:
        raise ValueError(f"prediction_type must be one of {', '.join(PREDICTION_TYPES)}, not {prediction_type!r}")
