"""The loss of E1 and D on slices and radiographs (paper eq. 1 and 6): grey values, their gradients, Kullback-Leibler.

The absolute errors are taken on a scale that spreads the dark end, where cortex, marrow and fat have similar grey
values. The gradients preserve thin bright cartilage.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor


def compand(images: Tensor, exponent: float) -> Tensor:
    """Grey values in [-1, 1] raised to ``exponent`` on the scale 0 to 1, and as [-1, 1] again; below -1 linear.

    With 0.6 the step from cortex to marrow (0.02 to 0.2 of the range) grows from 0.18 to 0.29. The slope is finite at
    black, as a loss needs it.
    """
    softening = 0.02
    floor = softening**exponent
    lifted = (((images + 1) / 2).clamp(min=0) + softening) ** exponent - floor
    below = ((images + 1) / 2).clamp(max=0)
    return 2 * (lifted / ((1 + softening) ** exponent - floor) + below) - 1


def reconstruction_loss(
    images: Tensor, output: Tensor, posterior: Any, edge_weight: float, kl_weight: float, exponent: float
) -> Tensor:
    """Squared error, absolute error and gradient error of companded images, and KL per latent element.

    Images are [B, 1, H, W] in [-1, 1]; ``posterior`` is diffusers' Gaussian of the latents; ``exponent`` 1 leaves grey
    values unchanged.
    """
    error = (images - output).square().mean()
    if exponent != 1:
        images, output = compand(images, exponent), compand(output, exponent)
    error = error + (images - output).abs().mean()
    edges = sum(((images - output).diff(dim=axis)).abs().mean() for axis in (-1, -2))
    divergence = 0.5 * (posterior.mean.float().square() + posterior.var.float() - 1 - posterior.logvar.float()).mean()
    return error + edge_weight * edges + kl_weight * divergence
