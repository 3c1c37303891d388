"""Noise schedule and samplers (paper eq. 2-4 and 16, settings of the Zero-123 base).

T = 1000, betas from 0.00085 to 0.0120 evenly spaced in their square root. Retained steps are shifted by one, and the
last of them leads to alpha-bar at step 0, not to 1, as in the sampling of the base weights.

In that schedule 0.5 % of the signal's power remains at the last step. Over a whole slice this is enough for a network
in training to locate muscle and bone without the radiograph, whereas sampling starts from pure noise.
A model may therefore be trained with ``zero_terminal_snr`` (Lin et al., "Common Diffusion Noise Schedules and Sample
Steps are Flawed", arXiv 2305.08891): the same schedule rescaled so that no signal remains, velocity prediction, and
retained steps that begin at the last step.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ..models.diffusers_parts import DDIMScheduler, DDIMSchedulerOutput, DPMSolverMultistepScheduler
from .sampling_settings import SAMPLERS, TRAIN_TIMESTEPS

PREDICTION_TYPES = ("epsilon", "v_prediction")

_BETAS = {
    "num_train_timesteps": TRAIN_TIMESTEPS,
    "beta_start": 0.00085,
    "beta_end": 0.0120,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


class EvenStepDDIMScheduler(DDIMScheduler):
    """Deterministic DDIM (eq. 16) that spreads any number of steps evenly from 1 to T.

    Equal to the stock scheduler when the number divides T. Otherwise the stock scheduler rounds the step length down
    and starts too late: 600 steps would begin at t = 600, where pure noise is not a valid z_t. With zero terminal SNR
    the first step is T - 1, as in the stock scheduler's "trailing" spacing.
    """

    def set_timesteps(self, num_inference_steps: int, device: str | torch.device | None = None) -> None:
        """Choose the retained steps, largest first."""
        total = self.config.num_train_timesteps
        self.num_inference_steps = num_inference_steps
        if self.config.rescale_betas_zero_snr:
            steps = [total - 1 - k * total // num_inference_steps for k in range(num_inference_steps)]
            self.timesteps = torch.tensor(steps, dtype=torch.int64, device=device)
            return
        offset = self.config.steps_offset if num_inference_steps < total else 0  # a shift would leave the schedule
        steps = [k * total // num_inference_steps + offset for k in reversed(range(num_inference_steps))]
        self.timesteps = torch.tensor(steps, dtype=torch.int64, device=device)

    def step(self, model_output: Tensor, timestep: Tensor | int, sample: Tensor, **_: Any) -> DDIMSchedulerOutput:
        """z at the next retained step t' from z_t and the network's prediction (eq. 16)."""
        later = self.timesteps[self.timesteps < timestep]
        alpha = self.alphas_cumprod[int(timestep)].to(sample.device)
        alpha_next = (self.alphas_cumprod[int(later[0])] if len(later) else self.final_alpha_cumprod).to(sample.device)
        clean = clean_estimate(self, model_output, timestep, sample)
        noise = model_output
        if self.config.prediction_type != "epsilon":
            noise = alpha.sqrt() * model_output + (1 - alpha).sqrt() * sample
        return DDIMSchedulerOutput(
            prev_sample=alpha_next.sqrt() * clean + (1 - alpha_next).sqrt() * noise, pred_original_sample=clean
        )


def check_schedule(scheduler: DDIMScheduler | DPMSolverMultistepScheduler) -> None:
    """Raise ValueError unless alpha-bar is 0.276 at step 500 and 0.00466 at step 999 (0.241 and 0 with zero SNR).

    Some converted Zero-123 checkpoints contain another schedule without any notice.
    """
    cumulative = scheduler.alphas_cumprod
    known = {500: 0.241, 999: 0.0} if scheduler.config.rescale_betas_zero_snr else {500: 0.276, 999: 0.00466}
    for step, value in known.items():
        found = float(cumulative[step]) if step < len(cumulative) else float("nan")
        if not abs(found - value) < max(0.005 * value, 1e-6):
            raise ValueError(f"alpha-bar at step {step} is {found:.5g} and should be {value:.5g}: wrong noise schedule")


def ddim_schedule(prediction_type: str = "epsilon", zero_terminal_snr: bool = False) -> DDIMScheduler:
    """The schedule that is stored with a model.

    ``prediction_type`` is ``epsilon`` (paper) or ``v_prediction``; ``zero_terminal_snr`` needs the latter, because pure
    noise says nothing about the noise in it. Raises ValueError for other choices.
    """
    return _ddim(DDIMScheduler, prediction_type, zero_terminal_snr)


def _ddim(kind: type[DDIMScheduler], prediction_type: str, zero_terminal_snr: bool) -> DDIMScheduler:
    with torch.device("cpu"):  # its tables are read at once, also while networks are built without memory
        scheduler = kind(
            **_BETAS,
            prediction_type=_checked(prediction_type, zero_terminal_snr),
            rescale_betas_zero_snr=zero_terminal_snr,
            set_alpha_to_one=False,
            clip_sample=False,
            timestep_spacing="trailing" if zero_terminal_snr else "leading",
        )
    check_schedule(scheduler)
    return scheduler


def _dpm(prediction_type: str, zero_terminal_snr: bool) -> DPMSolverMultistepScheduler:
    with torch.device("cpu"):
        scheduler = DPMSolverMultistepScheduler(
            **_BETAS,
            prediction_type=_checked(prediction_type, zero_terminal_snr),
            rescale_betas_zero_snr=zero_terminal_snr,
            algorithm_type="dpmsolver++",
            solver_order=2,
            timestep_spacing="linspace",
            final_sigmas_type="zero",
        )
    check_schedule(scheduler)
    return scheduler


def sampler_for(
    scheduler: Any, sampler: str, num_inference_steps: int
) -> EvenStepDDIMScheduler | DPMSolverMultistepScheduler:
    """A new sampler with its timesteps, for the prediction type of a model's stored scheduler.

    ``ddim`` is eq. 16; ``dpm`` is DPM-Solver++ (second order, multistep) for few steps. The stored scheduler itself is
    not used, because a sampler holds the state of a run. Raises ValueError for another sampler or for steps outside 1
    to T.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}, not {sampler!r}")
    if not 1 <= num_inference_steps <= TRAIN_TIMESTEPS:
        raise ValueError(f"num_inference_steps must be 1 to {TRAIN_TIMESTEPS}, not {num_inference_steps}")
    trained = scheduler.config.prediction_type, scheduler.config.rescale_betas_zero_snr
    if sampler == "ddim":
        process = _ddim(EvenStepDDIMScheduler, *trained)
    else:
        process = _dpm(*trained)
        # with all T steps the solver retains one of them twice, and then divides by their distance
        num_inference_steps = min(num_inference_steps, TRAIN_TIMESTEPS - 1)
    process.set_timesteps(num_inference_steps)
    return process


def clean_estimate(process: Any, prediction: Tensor, timestep: Tensor | int, sample: Tensor) -> Tensor:
    """The clean latents [B, 4, h, w] that a prediction at z_t [B, 4, h, w] implies."""
    alpha = process.alphas_cumprod[int(timestep)].to(sample.device)
    if process.config.prediction_type == "epsilon":
        return (sample - (1 - alpha).sqrt() * prediction) / alpha.sqrt()
    return alpha.sqrt() * sample - (1 - alpha).sqrt() * prediction


def renew_noise(
    process: Any, timestep: Tensor | int, sample: Tensor, clean: Tensor, fresh: Tensor, share: float
) -> Tensor:
    """z_t [B, 4, h, w] with the ``share`` r of its noise e replaced: sqrt(1 - r^2) e + r ``fresh`` in place of e."""
    alpha = process.alphas_cumprod[int(timestep)].to(sample.device)
    signal = alpha.sqrt() * clean
    return signal + math.sqrt(1 - share**2) * (sample - signal) + share * (1 - alpha).sqrt() * fresh


def training_target(scheduler: DDIMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the U-Net learns to predict [B, 4, h, w] at timesteps [B]: the noise (eq. 7) or the velocity."""
    if scheduler.config.prediction_type == "epsilon":
        return noise
    return scheduler.get_velocity(latents, noise, timesteps)


def _checked(prediction_type: str, zero_terminal_snr: bool) -> str:
    if prediction_type not in PREDICTION_TYPES:
        raise ValueError(f"prediction_type must be one of {', '.join(PREDICTION_TYPES)}, not {prediction_type!r}")
    if zero_terminal_snr and prediction_type == "epsilon":
        raise ValueError("zero_terminal_snr needs the prediction_type v_prediction")
    return prediction_type
