"""What the morphing model learns from: the simulated course of one knee, likeness to a severe radiograph, a smooth
change, and grade classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..conditions.koa_probabilities import GRADES
from ..volume.geometry import CROP_FRAME
from .joint_motion import joint_gaps, moved_places
from .morphing import MorphingModel, code_of_facts, frame
from .velocity_field import exponential, jacobian_determinant, roughness, warp

SEVERE_GRADE = 4
_SPREAD = 0.6  # of the soft grade, in grades
_LEAST_DETERMINANT = 0.1
_FRAMES = 8  # of a series: one frame to the next must raise the grade
_LEAST_RISE, _RISE = 0.2, 3.0  # grades, of the 0.57 that are aimed at; weight of a grade that is missing
_SIDES = 2  # of the facts: medial and lateral share of the joint space
_SQUARE = 4.0  # of a difference, against its amount: an osteophyte in nearly the right place is better than none
_INNER = slice(2, 7)  # of the places along a compartment, those near its narrowest


@dataclass(frozen=True)
class MorphingWeights:
    """Weights of the loss's parts; the local correlation of simulated pairs has 1."""

    likeness: float = 4.0  # absolute and squared difference, of simulated pairs only
    motion: float = 0.3  # of a pixel that a joint surface is off
    facts: float = 0.3  # squared error of the code's first entries, which tell what the simulator knows
    people: float = 0.2  # local correlation of two people's radiographs
    velocity: float = 2.0
    folding: float = 0.5
    variation: float = 0.05
    appearance: float = 0.02
    restraint: float = 3.0  # squared appearance of real radiographs, which no truth holds back
    supervision: float = 0.3
    code: float = 2e-4
    prior: float = 0.02


@dataclass
class MorphingBatch:
    """Pairs of crops in one frame, simulated ones first.

    Attributes
    ----------
    healthy, severe
        [B, 1, 256, 256] in [-1, 1].
    simulated
        bool [B], pairs of one knee under one exposure.
    surfaces
        float [S, 2 grades, 2 sides, 2 bones, depths, 9, 2] (row, column) in pixels of the crop, of the S simulated
        pairs (``simulation.radiograph.joint_surfaces``); None when nothing is known of them.
    facts
        float [S, F] of the simulated pairs, about 0 to 1: first the share of its joint space that each side loses, then
        what else the simulator knows of the course; None when nothing is known. Needs ``surfaces``.
    joints
        float [B - S, 2 sides, 2 bones, N, 2], the outlines of the other healthy radiographs, NaN where there are none.
    """

    healthy: Tensor
    severe: Tensor
    simulated: Tensor
    surfaces: Tensor | None = None
    facts: Tensor | None = None
    joints: Tensor | None = None

    def to(self, device: torch.device) -> MorphingBatch:
        """The batch on a device."""
        return MorphingBatch(*(None if part is None else part.to(device) for part in vars(self).values()))


def morphing_loss(
    model: MorphingModel,
    judges: Sequence[nn.Module],
    batch: MorphingBatch,
    weights: MorphingWeights,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The loss's weighted parts for a batch; their sum is minimised.

    Each simulated pair must move as its knee did and end like its severe radiograph. Its code is also given to a real
    radiograph, whose joint space must then fall by the same share and whose frames the ``judges``, classifiers of five
    grades, must find ever more severe; every second time a code of the prior takes its place. Without judges the
    supervision is left out. They see frames that are blurred, moved, brightened and made noisy, so that no pattern of
    single pixels can please them.
    """
    before, after = model.small(batch.healthy), model.small(batch.severe)
    mean, log_variance = model.code(before, after)
    code = _drawn(mean, log_variance, generator)
    velocity, appearance = model.changes(before, code)
    displacement = exponential(velocity)
    end = warp(before, displacement) + appearance
    determinant = jacobian_determinant(displacement)
    simulated = batch.simulated
    parts = {
        "correlation": -_correlation(end, after, simulated, model)
        - weights.people * _correlation(end, after, ~simulated, model),
        "velocity": weights.velocity * roughness(velocity),
        "folding": weights.folding * functional.relu(_LEAST_DETERMINANT - determinant).mean(),
        "variation": weights.variation * _total_variation(appearance),
        "appearance": weights.appearance * appearance.abs().mean(),
        "code": weights.code * 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(dim=1).mean(),
    }
    own = simulated if simulated.any() else ~simulated
    course = torch.zeros(int(own.sum()), dtype=torch.long, device=mean.device)
    if simulated.any():
        apart = (end - after).abs()[simulated]
        parts["likeness"] = weights.likeness * ((apart + _SQUARE * apart.square()) * model.window).mean()
        if batch.surfaces is not None and batch.facts is not None:
            course = batch.facts[:, :_SIDES].argmax(dim=1)
            told = mean[simulated, : batch.facts.shape[1]]
            parts["facts"] = weights.facts * (told - code_of_facts(batch.facts)).square().mean()
            parts["motion"] = weights.motion * motion_error(velocity[simulated], batch.surfaces)
    # the others' codes, lent to the real radiographs
    real = ~simulated
    count = min(int(real.sum()), int(own.sum()))
    lent, lent_course, shown = code[own][:count], course[:count], batch.healthy[real][:count]
    prior_mean, prior_log_variance = model.prior_of(
        torch.cat((before[own], before[real][:count])), torch.cat((course, lent_course))
    )
    known = torch.cat((mean[own], mean[own][:count])).detach()
    parts["prior"] = weights.prior * _surprise(known, prior_mean, prior_log_variance)
    if count and (judges or batch.joints is not None):
        of_prior = _drawn(prior_mean.detach(), prior_log_variance.detach(), generator)[-count:]
        every_second = (torch.arange(count, device=lent.device) % 2 == 1)[:, None]
        there = model.changes(before[real][:count], torch.where(every_second, of_prior, lent))
        if batch.joints is not None and batch.facts is not None:
            shares = torch.where(every_second, _shares_of(model, lent_course, batch.facts[:count]), batch.facts[:count])
            parts["lent"] = weights.motion * lent_fall_error(there[0], batch.joints[:count], shares[:, :_SIDES])
        parts["restraint"] = weights.restraint * there[1].square().mean()
        if judges:
            parts["supervision"] = weights.supervision * supervision(judges, shown, there, generator)
    return parts


def _shares_of(model: MorphingModel, course: Tensor, facts: Tensor) -> Tensor:
    """The facts [N, F] of courses [N], or ``facts`` where the model's courses have none."""
    own = model.config["course_facts"]
    return torch.tensor(own, device=facts.device)[course] if own else facts


def motion_error(velocity: Tensor, surfaces: Tensor) -> Tensor:
    """Mean error in pixels of the velocity's grid: of the joint surfaces' motion, and of the joint space's fall.

    ``surfaces`` as in MorphingBatch, in pixels of a crop of 256.
    """
    size = CROP_FRAME.pixels
    scale = velocity.shape[-1] / size
    start, end = surfaces[:, 0], surfaces[:, 1]
    moved = moved_places(velocity, start, size)
    row = start[..., 0] / size
    seen = ((row > 0.3) & (row < 0.8) & (start[..., 1] > 0) & (start[..., 1] < size)).float()
    apart = torch.sqrt((moved - end).square().sum(dim=-1) + 0.25) - 0.5
    fall = [joint_gaps(places[..., 0, _INNER, :]) for places in (moved, end)]
    return scale * ((apart * seen).sum() / seen.sum().clamp(min=1) + (fall[0] - fall[1]).abs().mean())


def lent_fall_error(velocity: Tensor, joints: Tensor, shares: Tensor) -> Tensor:
    """Mean error in pixels of the velocity's grid of the fall of real joint spaces.

    Each of ``joints`` [B, sides, bones, N, 2] is to lose the share [B, sides] of its height. NaN counts as unknown.
    """
    size = CROP_FRAME.pixels
    known = ~joints.isnan().flatten(2).any(dim=2)
    places = torch.nan_to_num(joints, nan=size / 2)
    gap = joint_gaps(places)
    left = joint_gaps(moved_places(velocity, places, size))
    error = (left - gap * (1 - shares)).abs() * known
    return velocity.shape[-1] / size * error.sum() / known.sum().clamp(min=1)


def supervision(
    judges: Sequence[nn.Module], radiographs: Tensor, changes: tuple[Tensor, Tensor], generator: torch.Generator
) -> Tensor:
    """Mean cross-entropy of two frames of each radiograph with what their severity should be graded, and what the
    later one's grade falls short of rising."""
    count = len(radiographs)
    early = torch.rand(count, 1, 1, 1, generator=generator) * (1 - 1 / (_FRAMES - 1))
    early[0] = 1 - 1 / (_FRAMES - 1)
    early[1:2] = 0.0  # the radiograph itself and the first frame
    severity = torch.cat((early, early + 1 / (_FRAMES - 1))).to(radiographs.device)
    twice = [torch.cat((part, part)) for part in (radiographs, *changes)]
    frames = frame(twice[0], twice[1], twice[2], severity)
    wanted = soft_grade(SEVERE_GRADE * severity.flatten())
    numbers = torch.arange(float(GRADES), device=frames.device)
    losses = []
    for judge in judges:
        logits = judge(disturbed(frames, generator).clamp(-1, 1)).float()
        grade = torch.softmax(logits, dim=1) @ numbers
        rise = functional.relu(_LEAST_RISE - grade[count:] + grade[:count]).mean()
        losses.append(functional.cross_entropy(logits, wanted) + _RISE * rise)
    return torch.stack(losses).mean()


def _correlation(one: Tensor, other: Tensor, chosen: Tensor, model: MorphingModel) -> Tensor:
    if not chosen.any():
        return one.new_zeros(())
    return local_correlation((one[chosen] + 1) / 2, (other[chosen] + 1) / 2, weight=model.window)


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
    """Radiographs [B, 1, H, W] blurred, in another contrast, with noise, moved by up to 8 pixels, half of them
    mirrored: one random change for all of them, but for the noise; every second time little but moved and mirrored."""
    size = radiographs.shape[-1]
    blur, contrast, brightness, noise, mirror, kind = torch.rand(6, generator=generator).tolist()
    strength = 1.0 if kind < 0.5 else 0.1
    shown = blurred(radiographs, 2.0 * blur * strength) if blur * strength > 0.15 else radiographs
    move = torch.randint(-8, 9, (2,), generator=generator).tolist()
    shown = functional.pad(shown, (8, 8, 8, 8), mode="replicate")
    shown = shown[..., 8 + move[0] : 8 + move[0] + size, 8 + move[1] : 8 + move[1] + size]
    shown = (1 + strength * (0.4 * contrast - 0.25)) * shown + 0.2 * strength * (brightness - 0.5)
    grain = torch.randn(shown.shape, generator=generator).to(shown.device)
    shown = shown + 0.08 * strength * noise * grain
    return shown.flip(-1) if mirror < 0.5 else shown


def blurred(radiographs: Tensor, sigma: float) -> Tensor:
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
