"""All measures of one pseudo-MRI and its controls against one reference, on arrays."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..metrics.adjacent_correlation import LAGS, adjacent_correlation, lag_curve
from ..metrics.boundary_f1 import boundary_f1
from ..metrics.canny_edges import EdgeMap, canny_edges
from ..metrics.edge_distance import edge_distance_mm
from ..metrics.intensity_range import unit_range
from ..metrics.joint_region import JointRegion, find_joint_region, nominal_box
from ..metrics.leg_mask import leg_mask
from ..metrics.psnr import paper_psnr_db, psnr_db
from ..metrics.rssim import rssim
from ..metrics.sobel_difference import matched_sobel_difference, noise_level, signed_sobel_difference
from ..metrics.ssim import ssim_with_box, windows_inside
from ..metrics.summary import Summary, summarise
from ..metrics.uncertainty_calibration import UncertaintyCalibration, uncertainty_calibration
from ..volume.geometry import OAI_FIELD
from .controls import OTHER, SHUFFLED, Control

_THREADS = 2
_LEAST_COVERED = 0.8  # of the box, for its edges to count in a slice
PSEUDO, REFERENCE = "pseudo", "reference"

# measure -> whether higher is closer to the reference
MEASURES = {
    "edge_mm": False,
    "f1": True,
    "psnr_db": True,
    "ssim": True,
    "psnr_joint_db": True,
    "ssim_joint": True,
    "rssim": True,
    "paper_psnr_db_artefact": True,
}


@dataclass(frozen=True)
class Target:
    """A reference with all that is found from it once: mask, joint region, box and edges."""

    volume: np.ndarray
    covered: np.ndarray | None
    region: JointRegion
    box: tuple[int, int, int, int]
    edges: EdgeMap
    pixel_mm: float

    @classmethod
    def of(cls, volume: np.ndarray, covered: np.ndarray | None = None, pixel_mm: float = OAI_FIELD.pixel_mm) -> Target:
        """From a volume [S, H, W] in [0, 1]; ``covered`` is True where it has voxels, None everywhere."""
        region = find_joint_region(volume, pixel_mm)
        box = region.box or nominal_box(*volume.shape[1:])
        return cls(
            np.asarray(volume, np.float64), covered, region, box, EdgeMap(canny_edges(volume, covered), box), pixel_mm
        )

    @cached_property
    def windows(self) -> np.ndarray | None:
        """[S, H, W] bool: centres of SSIM's windows that lie in ``covered``, None for all; costly, found once."""
        return None if self.covered is None else windows_inside(self.covered)


@dataclass
class Evaluation:
    """The figures of one comparison.

    Attributes
    ----------
    target
        The reference.
    per_slice
        Volume name (``pseudo`` or a control's) -> measure -> [S] values in file order, NaN where undefined. A control
        that stands for several knees has one entry each, ``other knee 1`` and so on.
    summary
        Measure -> volume name -> Summary over slices; several knees are summarised by the median of their medians.
    lags
        ``pseudo``, ``reference`` -> lag -> mean correlation over whole slices; the same with `` in leg`` at the end.
    adjacent
        ``pseudo``, ``reference`` -> [S - 1] correlation of each slice with the next.
    leg
        ``pseudo``, ``reference`` -> [S, H, W] bool leg mask.
    difference
        [S, H, W] signed Sobel difference, pseudo less reference, 0 where not covered.
    matched_difference
        The same after both were smoothed to one resolution.
    difference_noise
        Magnitudes of ``matched_difference`` up to this are noise of the reference.
    calibration
        None for a volume without standard deviation.
    closer_than
        Measure -> (how many other knees are farther from the reference than the pseudo-MRI, of how many); without the
        measures that are undefined.
    """

    target: Target
    image: np.ndarray
    controls: list[Control]
    per_slice: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    summary: dict[str, dict[str, Summary]] = field(default_factory=dict)
    lags: dict[str, dict[int, float]] = field(default_factory=dict)
    adjacent: dict[str, np.ndarray] = field(default_factory=dict)
    leg: dict[str, np.ndarray] = field(default_factory=dict)
    difference: np.ndarray | None = None
    matched_difference: np.ndarray | None = None
    difference_noise: float = 0.0
    calibration: UncertaintyCalibration | None = None
    closer_than: dict[str, tuple[int, int]] = field(default_factory=dict)


def evaluate(
    reference: np.ndarray,
    image: np.ndarray,
    controls: list[Control],
    *,
    covered: np.ndarray | None = None,
    deviation: np.ndarray | None = None,
    pixel_mm: float = OAI_FIELD.pixel_mm,
    check: Callable[[str], None] = lambda what: None,
) -> Evaluation:
    """Measure an image and its controls against a reference, all [S, H, W] on one grid.

    Parameters
    ----------
    reference
        Any unit; mapped to [0, 1] by one mapping for the volume.
    image
        The pseudo-MRI, in [0, 1].
    covered
        True where the reference has voxels; the rest counts nowhere.
    deviation
        Standard deviation over seeds of ``image``, for the calibration.
    check
        Called with a volume's name before it is measured; may raise to cancel.

    Raises ValueError for a constant reference or different shapes.
    """
    from scipy.ndimage import binary_erosion

    if covered is not None and covered.all():
        covered = None
    check(REFERENCE)
    mapped = unit_range(reference, covered)
    if covered is not None:
        mapped = np.where(covered, mapped, np.float32(0))
    target = Target.of(mapped, covered, pixel_mm)
    found = Evaluation(target, image, controls)
    check(PSEUDO)
    edges = canny_edges(image, covered)
    found.per_slice[PSEUDO] = score(target, image, edges)
    others = [control for control in controls if control.name.startswith(OTHER)]

    def measured(control: Control) -> dict[str, dict[str, np.ndarray]]:
        check(control.name)
        scores = {control.name: score(target, control.volume, canny_edges(control.volume, covered))}
        if control.name.startswith(OTHER):
            name = control.name.replace(OTHER, SHUFFLED)
            scores[name] = score(Target.of(control.volume, None, pixel_mm), image, edges)
        return scores

    # the filters of scipy let other threads run
    with ThreadPoolExecutor(_THREADS) as pool:
        for scores in pool.map(measured, controls):
            found.per_slice.update(scores)
    _summarise(found)
    for measure, higher in MEASURES.items():
        own = found.summary[measure][PSEUDO].median
        rivals = [float(summarise(found.per_slice[control.name][measure]).median) for control in others]
        rivals = [rival for rival in rivals if np.isfinite(rival)] if np.isfinite(own) else []
        if rivals:
            won = sum(own > rival if higher else own < rival for rival in rivals)
            found.closer_than[measure] = (won, len(rivals))
    _correlations(found, image)
    found.difference = signed_sobel_difference(mapped, image)
    found.matched_difference = matched_sobel_difference(mapped, image, pixel_mm)
    inner = None
    if covered is not None:
        # the rim of what is covered is no outline, and smoothing widens it
        found.difference[~binary_erosion(covered, np.ones((1, 5, 5)), border_value=1)] = 0
        inner = binary_erosion(covered, np.ones((1, 13, 13)), border_value=1)
        found.matched_difference[~inner] = 0
    found.difference_noise = noise_level(found.matched_difference, image, inner)
    if deviation is not None:
        inside = found.leg[REFERENCE] if covered is None else found.leg[REFERENCE] & covered
        if inside.sum() >= 100:
            found.calibration = uncertainty_calibration(mapped, image, deviation, inside)
    return found


def score(target: Target, image: np.ndarray, edges: np.ndarray) -> dict[str, np.ndarray]:
    """Measure -> [S] for one volume in [0, 1] with its Canny edges against a target."""
    top, bottom, left, right = target.box
    joint = (slice(None), slice(top, bottom), slice(left, right))
    covered = target.covered
    image = np.asarray(image, np.float64)  # once for all measures
    in_joint = None if covered is None else covered[joint]
    image_map = EdgeMap(edges, target.box)
    whole_ssim, joint_ssim = ssim_with_box(target.volume, image, target.box, covered, target.windows)
    scores = {
        "edge_mm": edge_distance_mm(target.edges, image_map, target.pixel_mm),
        "f1": boundary_f1(target.edges, image_map),
        "psnr_db": psnr_db(target.volume, image, covered),
        "ssim": whole_ssim,
        "psnr_joint_db": psnr_db(target.volume[joint], image[joint], in_joint),
        "ssim_joint": joint_ssim,
        "rssim": rssim(target.edges.edges, edges, target.region.rows),
        "paper_psnr_db_artefact": paper_psnr_db(target.volume, image),
    }
    if in_joint is not None:
        missing = in_joint.mean(axis=(1, 2)) < _LEAST_COVERED
        for measure in ("edge_mm", "f1", "rssim", "paper_psnr_db_artefact"):
            scores[measure][missing] = np.nan
    return scores


def _summarise(found: Evaluation) -> None:
    """Fill ``summary``: numbered knees under one name."""
    for measure in MEASURES:
        groups: dict[str, list[Summary]] = {}
        for name, scores in found.per_slice.items():
            base = next((kind for kind in (OTHER, SHUFFLED) if name.startswith(kind)), name)
            groups.setdefault(base, []).append(summarise(scores[measure]))
        found.summary[measure] = {
            name: parts[0] if len(parts) == 1 else _pooled(parts) for name, parts in groups.items()
        }


def _pooled(parts: list[Summary]) -> Summary:
    """Knees weigh equally: median and quartiles of their medians."""
    pooled = summarise(np.array([part.median for part in parts]))
    slices, undefined = (sum(getattr(part, name) for part in parts) for name in ("slices", "undefined"))
    return Summary(pooled.median, pooled.lower_quartile, pooled.upper_quartile, slices, undefined)


def _correlations(found: Evaluation, image: np.ndarray) -> None:
    for name, volume in ((PSEUDO, image), (REFERENCE, found.target.volume)):
        found.adjacent[name] = adjacent_correlation(volume)
        found.lags[name] = lag_curve(volume, LAGS)
        found.leg[name] = leg_mask(volume)
        found.lags[f"{name} in leg"] = lag_curve(volume, LAGS, found.leg[name])
