"""What the morphing model learns from: likeness to a severe radiograph, a smooth change, and a grade classifier."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..conditions.koa_probabilities import GRADES
from .morphing import MorphingModel, frame
from .velocity_field import exponential, jacobian_determinant, roughness

SEVERE_GRADE = 4
_SPREAD = 0.6  # of the soft grade, in grades
_LEAST_DETERMINANT = 0.2


@dataclass(frozen=True)
class MorphingWeights:
    """Weights of the loss's parts; the local correlation has 1."""

    likeness: float = 2.0  # mean absolute difference, of simulated pairs only
    velocity: float = 2.0
    folding: float = 0.5
    variation: float = 0.05
    appearance: float = 0.02
    supervision: float = 0.5
    code: float = 1e-3
    prior: float = 0.02


def morphing_loss(
    model: MorphingModel,
    classifier: nn.Module | None,
    healthy: Tensor,
    severe: Tensor,
    simulated: Tensor,
    weights: MorphingWeights,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The loss's weighted parts for pairs [B, 1, 256, 256] in [-1, 1] in one frame; their sum is minimised.

    ``simulated`` [B] bool marks pairs of one knee under one exposure. Without a ``classifier`` the supervision is left
    out. The classifier sees one severity of each pair, blurred and shifted, so that no pattern of single pixels can
    please it: of every second pair with its own code, of the others with a code of the prior.
    """
    before, after = model.small(healthy), model.small(severe)
    mean, log_variance = model.code(before, after)
    velocity, appearance = model.changes(before, _drawn(mean, log_variance, generator))
    end = frame(before, velocity, appearance, 1.0)
    determinant = jacobian_determinant(exponential(velocity))
    prior_mean, prior_log_variance = model.prior(before)
    parts = {
        "correlation": -local_correlation((end + 1) / 2, (after + 1) / 2, weight=model.window),
        "velocity": weights.velocity * roughness(velocity),
        "folding": weights.folding * functional.relu(_LEAST_DETERMINANT - determinant).mean(),
        "variation": weights.variation * _total_variation(appearance),
        "appearance": weights.appearance * appearance.abs().mean(),
        "code": weights.code * 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1).mean(),
        "prior": weights.prior * _surprise(mean.detach(), prior_mean, prior_log_variance),
    }
    if simulated.any():
        apart = ((end - after).abs() * model.window)[simulated]
        parts["likeness"] = weights.likeness * apart.mean()
    if classifier is not None:
        # every second pair is judged with its own code, the others with one of the prior: half the cost of both
        of_prior = _drawn(prior_mean.detach()[1::2], prior_log_variance.detach()[1::2], generator)
        again = model.changes(before[1::2], of_prior)
        shown = torch.cat((healthy[::2], healthy[1::2]))
        changes = [torch.cat((own[::2], other)) for own, other in zip((velocity, appearance), again, strict=True)]
        severity = torch.rand(len(shown), 1, 1, 1, generator=generator).to(healthy.device)
        severity[[0, (len(shown) + 1) // 2]] = 1.0  # the end once of each kind
        shown = disturbed(frame(shown, changes[0], changes[1], severity), generator)
        wanted = soft_grade(SEVERE_GRADE * severity.flatten())
        loss = functional.cross_entropy(classifier(shown.clamp(-1, 1)).float(), wanted)
        parts["supervision"] = weights.supervision * loss
    return parts


def local_correlation(one: Tensor, other: Tensor, window: int = 9, weight: Tensor | None = None) -> Tensor:
    """Mean squared local correlation coefficient of radiographs [B, 1, h, w] over windows of 9 x 9 (VoxelMorph's).

    ``weight``, which broadcasts to [B, 1, h, w], weighs the windows by their middle pixel.
    """

    def means(values: Tensor) -> Tensor:
        return functional.avg_pool2d(values, window, stride=1)

    mean_one, mean_other = means(one), means(other)
    cross = means(one * other) - mean_one * mean_other
    variances = (means(one * one) - mean_one**2) * (means(other * other) - mean_other**2)
    squared = cross**2 / (variances * window**4 + 1e-5) * window**4
    if weight is None:
        return squared.mean()
    edge = window // 2
    inner = weight.expand_as(one)[..., edge:-edge, edge:-edge]
    return (squared * inner).sum() / inner.sum()


def soft_grade(grade: Tensor, spread: float = _SPREAD) -> Tensor:
    """Probabilities [B, 5] around grades [B] that need not be whole: a Gaussian of ``spread`` grades at 0 to 4."""
    apart = torch.arange(GRADES, device=grade.device) - grade[:, None]
    return torch.softmax(-0.5 * (apart / spread) ** 2, dim=1)


def disturbed(radiographs: Tensor, generator: torch.Generator) -> Tensor:
    """Radiographs [B, 1, H, W] blurred a little, moved by up to 6 pixels and half of them mirrored, at random."""
    size = radiographs.shape[-1]
    blur = float(torch.rand((), generator=generator)) * 1.5
    shown = _blurred(radiographs, blur) if blur > 0.3 else radiographs
    move = torch.randint(-6, 7, (2,), generator=generator).tolist()
    shown = functional.pad(shown, (6, 6, 6, 6), mode="replicate")
    shown = shown[..., 6 + move[0] : 6 + move[0] + size, 6 + move[1] : 6 + move[1] + size]
    return shown.flip(-1) if float(torch.rand((), generator=generator)) < 0.5 else shown


def _blurred(radiographs: Tensor, sigma: float) -> Tensor:
    offset = torch.arange(-4, 5, dtype=torch.float32, device=radiographs.device)
    kernel = torch.exp(-0.5 * (offset / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = functional.pad(radiographs, (4, 4, 4, 4), mode="replicate")
    return functional.conv2d(functional.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def _drawn(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    noise = torch.randn(mean.shape, generator=generator).to(mean.device)
    return mean + noise * torch.exp(log_variance / 2)


def _surprise(code: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Negative logarithm of the prior's density at a code, less its constant, per entry of the code."""
    return 0.5 * ((code - mean).square() * torch.exp(-log_variance) + log_variance).mean()


def _total_variation(picture: Tensor) -> Tensor:
    return picture.diff(dim=-1).abs().mean() + picture.diff(dim=-2).abs().mean()
