"""Morphing model after Wang et al. (arXiv 2408.00891): a healthy knee radiograph on its way to severe osteoarthritis.

The published model writes a diffusion network's noise estimate into a registration network and bends the radiograph by
the result. A bend alone makes no osteophytes and no sclerosis, and the published code has neither the supervision of
the paper nor a working sampler (docs/comparison-of-methods.md). Here:

    k = E(S, T)                    code of a healthy radiograph S and a severe one T; without T, of the prior p(k | S)
    v, a = R(S, k)                 stationary velocity field and appearance (grey values that are added)
    frame(g) = S o exp(g v) + g a  g from 0, the radiograph itself, to 1; both act near the joint only
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..models.network import Network, register_to_config
from .velocity_field import exponential, resized, warp

SIZE = 128
SHIPPED_FOLDER = "models/morphing"
_GROUPS = 4
_PIXELS = 4.0  # of a velocity for an output of 1
_FIRST_LOG_VARIANCE = -4.0  # of a code: at 0 its noise would drown what it says, and training would ignore it
_FIRST_COURSE = 1.5  # of a course's own entry among the code's first ones, the others have the opposite
_CODE_OF_FACT = 4.0
_LARGEST_CHANGE = 0.5  # of the appearance, radiographs lie in [-1, 1]


class CodeNetwork(nn.Module):
    """Radiographs [B, C, h, w] -> mean and logarithm of the variance of a code, both [B, code]."""

    def __init__(self, entering: int, code: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for leaving in channels:
            layers += [nn.Conv2d(entering, leaving, 3, stride=2, padding=1), nn.GroupNorm(_GROUPS, leaving)]
            layers.append(nn.LeakyReLU(0.2))
            entering = leaving
        self.features = nn.Sequential(*layers)
        self.moments = nn.Linear(16 * entering, 2 * code)
        with torch.no_grad():
            self.moments.bias[code:] = _FIRST_LOG_VARIANCE

    def forward(self, radiographs: Tensor) -> tuple[Tensor, Tensor]:
        """The two moments."""
        pooled = functional.adaptive_avg_pool2d(self.features(radiographs), 4).flatten(1)
        mean, log_variance = self.moments(pooled).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)


class _Modulated(nn.Module):
    """Convolution whose normalised features the code scales and shifts."""

    def __init__(self, entering: int, leaving: int, code: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(entering, leaving, 3, stride=stride, padding=1)
        self.norm = nn.GroupNorm(_GROUPS, leaving)
        self.of_code = nn.Linear(code, 2 * leaving)

    def forward(self, features: Tensor, code: Tensor) -> Tensor:
        scale, shift = self.of_code(code)[:, :, None, None].chunk(2, dim=1)
        return functional.leaky_relu(self.norm(self.convolution(features)) * (1 + scale) + shift, 0.2)


class ChangeNetwork(nn.Module):
    """Radiograph and code -> velocity [B, 2, h, w] in pixels and appearance [B, 1, h, w]; h and w divide by 8.

    A U-Net that also sees where each pixel lies. The last layers start at zero: an untrained network changes nothing.
    """

    def __init__(self, code: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        first, second, third, last = channels
        self.down = nn.ModuleList(
            [_Modulated(3, first, code)]
            + [_Modulated(a, b, code, stride=2) for a, b in ((first, second), (second, third), (third, last))]
        )
        self.middle = _Modulated(last, last, code)
        self.up = nn.ModuleList(
            [_Modulated(last + third, third, code), _Modulated(third + second, second, code),
             _Modulated(second + first, first, code)]
        )  # fmt: skip
        self.velocity = nn.Conv2d(second, 2, 3, padding=1)
        self.appearance = nn.Conv2d(first, 1, 3, padding=1)
        for head in (self.velocity, self.appearance):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, radiograph: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Velocity and appearance of a radiograph [B, 1, h, w] under a code [B, code]."""
        height, width = radiograph.shape[-2:]
        rows, columns = (torch.linspace(-1, 1, n, device=radiograph.device) for n in (height, width))
        place = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None].expand(len(radiograph), -1, -1, -1)
        hidden, skips = torch.cat((radiograph, place), dim=1), []
        for block in self.down:
            hidden = block(hidden, code)
            skips.append(hidden)
        hidden = self.middle(skips.pop(), code)
        velocity = hidden
        for place_of_block, block in enumerate(self.up):
            larger = functional.interpolate(hidden, scale_factor=2.0, mode="bilinear", align_corners=False)
            hidden = block(torch.cat((larger, skips.pop()), dim=1), code)
            if place_of_block == 1:  # at half resolution, where a field is smooth
                velocity = functional.interpolate(
                    self.velocity(hidden), (height, width), mode="bilinear", align_corners=False
                )
        return _PIXELS * velocity, _LARGEST_CHANGE * torch.tanh(self.appearance(hidden))


class MorphingModel(Network):
    """Encoder E, prior p(k | S) and change network R.

    Parameters
    ----------
    size
        Rows and columns of a radiograph as the networks see it, a multiple of 16.
    code
        Length of the code k.
    channels
        Of the four levels of each network.
    rows
        Rows of the crop, in shares of its height, between which the change has its full strength; it fades to none
        within the next ``fade``.
    fade
        Width of the transition, a share of the height.
    courses
        Names of the courses of the disease that the prior tells apart, the usual one first; each has a code of its own
        that is added to the prior's mean. Models of an earlier version know none.
    course_facts
        What becomes of the knee on each course (``RadiographPair.facts``). The code's first entries say that, see
        ``code_of_facts``, instead of what the prior expects.
    smoothing
        Pixels of the box, an odd number, over which the appearance is averaged.
    """

    title = "morphing model"
    hint = (
        "Name the folder model that xray2mri train morphing wrote; morphing models of an earlier version, without a "
        "velocity field, must be trained again."
    )

    @register_to_config
    def __init__(
        self,
        size: int = SIZE,
        code: int = 32,
        channels: tuple[int, ...] = (16, 32, 48, 64),
        rows: tuple[float, float] = (0.36, 0.76),
        fade: float = 0.14,
        courses: tuple[str, ...] = (),
        course_facts: tuple[tuple[float, ...], ...] = (),
        smoothing: int = 3,
    ) -> None:
        super().__init__()
        channels = tuple(channels)
        self.encoder = CodeNetwork(2, code, channels)
        self.prior = CodeNetwork(1, code, channels)
        self.change = ChangeNetwork(code, channels)
        if courses:
            own = 2 * torch.eye(len(courses), code) - (torch.arange(code) < len(courses)).float()
            self.course_codes = nn.Parameter(_FIRST_COURSE * own)
        self.register_buffer("window", row_window(size, rows, fade), persistent=False)

    def small(self, radiograph: Tensor) -> Tensor:
        """Radiographs [B, 1, H, W] as the networks see them."""
        size = self.config["size"]
        return functional.interpolate(radiograph, (size, size), mode="bilinear", align_corners=False, antialias=True)

    def code(self, healthy: Tensor, severe: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code of pairs [B, 1, 128, 128] in [-1, 1]."""
        return self.encoder(torch.cat((healthy, severe), dim=1))

    def changes(self, healthy: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Velocity [B, 2, 128, 128] in pixels and appearance [B, 1, 128, 128], both confined to the joint."""
        velocity, appearance = self.change(healthy, code)
        box = self.config["smoothing"]
        padded = functional.pad(appearance, [box // 2] * 4, mode="replicate")
        return velocity * self.window, functional.avg_pool2d(padded, box, stride=1) * self.window

    def prior_of(self, healthy: Tensor, course: Tensor | int = 0) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code of radiographs [B, 1, 128, 128] alone, of a course [B] (a place in
        ``courses``)."""
        mean, log_variance = self.prior(healthy)
        if self.config["courses"]:
            mean = mean + self.course_codes[course]
        if self.config["course_facts"]:
            facts = torch.tensor(self.config["course_facts"], device=mean.device)[course]
            told = code_of_facts(facts).expand(len(mean), -1)
            mean = torch.cat((told, mean[:, told.shape[1] :]), dim=1)
        return mean, log_variance

    @torch.no_grad()
    def changes_of(
        self, radiograph: Tensor, towards: Tensor | None = None, course: str | None = None
    ) -> tuple[Tensor, Tensor]:
        """Velocity and appearance for a radiograph [B, 1, H, W], towards another one or by the mean of the prior.

        ``course`` is one of the model's courses; None takes the first. Raises ValueError for another one.
        """
        healthy = self.small(radiograph)
        if towards is not None:
            return self.changes(healthy, self.code(healthy, self.small(towards))[0])
        place = 0 if course is None else list(self.config["courses"]).index(course)
        return self.changes(healthy, self.prior_of(healthy, place)[0])

    @torch.no_grad()
    def progress_to(
        self, radiograph: Tensor, severity: float, towards: Tensor | None = None, course: str | None = None
    ) -> Tensor:
        """A radiograph [B, 1, H, W] in [-1, 1] as it might look at a severity from 0 (itself) to 1.

        At severity 1 it resembles the radiograph ``towards`` [B, 1, h, w]; without one, KL-4 as the prior has it
        for the ``course``.
        """
        if severity == 0:
            return radiograph
        velocity, appearance = self.changes_of(radiograph, towards, course)
        return frame(radiograph, velocity, appearance, severity)


def code_of_facts(facts: Tensor) -> Tensor:
    """What the code's first entries say of facts [..., F] about 0 to 1: about as much as a normal variable."""
    return _CODE_OF_FACT * (facts - 0.5)


def frame(radiograph: Tensor, velocity: Tensor, appearance: Tensor, severity: Tensor | float) -> Tensor:
    """S o exp(g v) + g a for a radiograph [B, 1, H, W] and changes on their own grid.

    The severity g is a number or [B, 1, 1, 1].
    """
    size = (radiograph.shape[-2], radiograph.shape[-1])
    displacement = resized(exponential(severity * velocity), size)
    added = functional.interpolate(severity * appearance, size, mode="bilinear", align_corners=False)
    return warp(radiograph, displacement) + added


def row_window(size: int, rows: tuple[float, float], fade: float) -> Tensor:
    """Weights [1, 1, size, 1]: 1 between the two ``rows`` (shares of the height), 0 beyond ``fade`` from them."""
    place = (torch.arange(size) + 0.5) / size
    beyond = torch.maximum(rows[0] - place, place - rows[1]).clamp(min=0) / fade
    return (0.5 + 0.5 * torch.cos(torch.pi * beyond.clamp(max=1)))[None, None, :, None]


@lru_cache(maxsize=2)
def load_morphing_model(folder: Path) -> MorphingModel:
    """The model that ``xray2mri train morphing`` wrote. Raises ProcessingError when the folder holds none."""
    return MorphingModel.from_pretrained(folder)
