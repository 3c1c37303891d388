"""Maps from an output grid to the template: size, pose, smooth random shape, joint space narrowing, flexion.

Every map leads from output to template (the inverse of the deformation), as resampling requires. All coordinates are
(y, z, x) in mm about the joint centre. What is drawn or small is worked out on the processor, so that it is the same
for one seed on every device; points are mapped where they lie.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from .anatomy_template import AnatomyTemplate
from .knee_parameters import KneeParameters
from .pose import rotation
from .template_regions import lattice_points
from .tissue_classes import EXTENT_MM, SPACING_MM, WARP_SPACING_MM
from .tissue_volume import TissueVolume, normalised

LEAST_SPACE_MM = 0.35  # stays between the bones everywhere
ATTRITION_RADIUS_MM = (15.0, 10.0)  # of the depression in the plateau along y and x
CONTACT_RADIUS_MM = 10.0
_NEARER = 0.02  # mm of gap that a millimetre nearer to the compartment's centre is worth
FLARE_MM = -18.0  # from where up the femur is wider at its epicondyles
TAPER_MM, BEHIND_TIBIA_MM = 20.0, -17.0  # where the tibia narrows from plateau to shaft; where it ends behind
SOFT_MM = 26.0  # soft tissue beside the bones spreads the tibia's shift over this much above and below the joint
_LEAST_PLATEAU_MM = 30.0
_PLATEAU_REACH_MM = 13.0  # from the compartment's middle to where its line ends in front and behind
_SLOPE_WEIGHT = {"medial": 0.65, "lateral": 0.35}
_MEASURED_MM = 25.0  # joint space is looked for within this distance of the joint line


def random_warp(seed: int, deviation_mm: float) -> torch.Tensor:
    """Smooth random displacement on a coarse lattice over the template, [1, 3, Y, Z, X] mm (order y, z, x)."""
    from scipy import ndimage

    rng = np.random.default_rng([seed, 11])
    shape = [int((hi - lo) / WARP_SPACING_MM) + 1 for lo, hi in EXTENT_MM.values()]
    field = rng.standard_normal((3, *shape)).astype(np.float32)
    # Two scales: broad shape (sigma 30 mm) and local shape (sigma 14 mm).
    broad = np.stack([ndimage.gaussian_filter(f, 30 / WARP_SPACING_MM, mode="wrap") for f in field])
    local = np.stack([ndimage.gaussian_filter(f[::-1], 14 / WARP_SPACING_MM, mode="wrap") for f in field])
    warp = broad / broad.std() * deviation_mm + local / local.std() * deviation_mm * 0.45
    return torch.from_numpy(warp.astype(np.float32))[None]


def structured_warp(template: AnatomyTemplate, p: KneeParameters) -> np.ndarray:
    """Displacement [3, Y, Z, X] mm of condyle asymmetry, patella height and muscle bulk, on the lattice of the warp."""
    points = lattice_points()
    y, z, x = np.moveaxis(points, -1, 0)
    warp = np.zeros((3, *y.shape), np.float32)
    if p.muscle_bulk != 1:
        warp += (1 / p.muscle_bulk - 1) * template.regions.away_from_bone
    if p.condyle_asymmetry != 1:
        # Half of the ratio on either side of the notch; fades out above the condyles and across the joint.
        ratio = (p.condyle_asymmetry - 1) / 2 * np.tanh(x / 10)
        within = 1 / (1 + np.exp((z + 2) / 5)) / (1 + np.exp(-(z + 50) / 8))
        warp[0] -= ratio * within * (y - template.flexion_axis_mm[0])
    if p.patella_height_mm and template.regions.patella_mm is not None:
        yc, zc, xc = template.regions.patella_mm
        bump = np.exp(-(((y - yc) / 16) ** 2 + ((z - zc) / 34) ** 2 + ((x - xc) / 30) ** 2) / 2)
        warp[1] += p.patella_height_mm * bump
    if tuple(p.patella_size) != (1.0, 1.0, 1.0):
        warp += _patella_growth(template, p, points)
    return warp


def _patella_growth(template: AnatomyTemplate, p: KneeParameters, points: np.ndarray) -> np.ndarray:
    """Displacement [3, ...] in mm of a patella of another size: it grows from its rear surface and its middle.

    What lies in front moves with it; above, below and beside it the displacement fades over a few centimetres.
    """
    centre, size_mm = template.regions.patella_mm, template.regions.patella_size_mm
    if centre is None or size_mm is None:
        return np.zeros((3, *points.shape[:-1]), np.float32)
    depth, height, width = size_mm
    rear = centre[0] - depth / 2
    z, x = (points[..., k] - centre[k] for k in (1, 2))
    away = [np.exp(-((axis / (0.75 * size)) ** 4)) for axis, size in ((z, height), (x, width))]
    within = away[0] * away[1] / (1 + np.exp(-(points[..., 0] - rear) / 2))
    ahead = np.clip(points[..., 0] - rear, 0, depth + 3)
    grown = [(1 / factor - 1) * along for factor, along in zip(p.patella_size, (ahead, z, x), strict=True)]
    return np.stack([part * within for part in grown]).astype(np.float32)


def keeping_width(warp: torch.Tensor, template: AnatomyTemplate) -> torch.Tensor:
    """A displacement [1, 3, Y, Z, X] in mm without what would change the width of the plateau: that is drawn by itself.

    The mean stretch along x between the plateau's two edges is taken out of the whole field.
    """
    low, high = template.plateau_mm
    if high - low < _LEAST_PLATEAU_MM:
        return warp
    y = torch.tensor([centre[0] for centre in template.compartment_mm.values()]).mean() + torch.linspace(-10, 10, 5)
    edges = torch.tensor((low, high))
    points = torch.stack(torch.meshgrid(y, torch.linspace(2, 14, 5), edges, indexing="ij"), dim=-1)
    found = F.grid_sample(
        warp[:, 2:], normalised(points)[None], mode="bilinear", padding_mode="border", align_corners=True
    )
    means = found[0, 0].mean(dim=(0, 1))
    stretch = float(means[1] - means[0]) / (high - low)
    x = torch.linspace(*EXTENT_MM["x"], warp.shape[-1])
    result = warp.clone()
    result[0, 2] -= stretch * (x - (low + high) / 2)
    return result


class KneeDeformation:
    """The deformation of one knee: output points (mm) to template points (mm)."""

    def __init__(
        self,
        template: AnatomyTemplate,
        parameters: KneeParameters,
        *,
        device: torch.device | str = "cpu",
        more_mm: np.ndarray | None = None,
    ) -> None:
        """``more_mm`` [3, Y, Z, X] is added to the displacement on the warp's lattice; points lie on ``device``."""
        self.p = parameters
        self.device = torch.device(device)
        self.slope_deg = template.slope_deg
        self.flexion_axis_mm = template.flexion_axis_mm
        self.contact_mm = contact_places(template)
        warp = random_warp(parameters.seed, parameters.warp_mm)
        warp += torch.from_numpy(structured_warp(template, parameters))
        if more_mm is not None:
            warp += torch.from_numpy(more_mm)
        self.warp = keeping_width(warp, template)
        self.rotation = torch.tensor(rotation(parameters.rotation_deg), dtype=torch.float32)
        self.scale = torch.tensor(parameters.scale)
        floor, roof = torch.from_numpy(template.femur_floor_mm), torch.from_numpy(template.tibia_roof_mm)
        roof = roof + torch.from_numpy(attrition_depth(template, parameters))
        shift = self._tibia_shift(template, floor, roof)
        soft = torch.from_numpy(template.regions.beside_bones)
        self.surfaces = torch.stack((floor, roof, shift, soft))[None]  # [1, 4, Y, X]
        # Tilt about x that lays the y axis into this knee's plateau, whatever its pose and shape, degrees.
        self.plateau_slope_deg = self._plateau_slope_deg()
        self.warp, self.rotation = self.warp.to(self.device), self.rotation.to(self.device)
        self.scale, self.surfaces = self.scale.to(self.device), self.surfaces.to(self.device)
        self.floor, self.roof, self.shift = self.surfaces[0, :3]

    def _tibia_shift(self, template: AnatomyTemplate, floor: torch.Tensor, roof: torch.Tensor) -> torch.Tensor:
        """How far the tibia has moved up at every (y, x), mm: a tilt through the two compartments (joint closing)."""
        (ym, xm), (yl, xl) = self.contact_mm["medial"], self.contact_mm["lateral"]
        gap = roof - floor
        at = {"medial": _height_at(gap, ym, xm), "lateral": _height_at(gap, yl, xl)}
        # The template's own joint space becomes the drawn one.
        lost = {side: at[side] - self.p.joint_space_mm[side] / self.p.scale[1] for side in at}
        x = torch.arange(gap.shape[1]) * SPACING_MM + EXTENT_MM["x"][0]
        slope = (lost["medial"] - lost["lateral"]) / (xm - xl)
        shift = lost["lateral"] + slope * (x - xl).clamp(min=-30, max=xm - xl + 30)
        return torch.minimum(shift.expand_as(gap), gap - LEAST_SPACE_MM)

    def joint_space_mm(self) -> dict[str, float]:
        """Bone-to-bone joint space width along the leg where each compartment is narrowest (5 mm square), mm.

        The place is the template's, see ``contact_places``. Measured on the deformed knee, with the random shape's own
        stretch of the gap.
        """
        steps = torch.arange(-_MEASURED_MM, _MEASURED_MM + 1e-3, 0.25, device=self.device)
        found = {}
        for side, (yc, xc) in self.contact_mm.items():
            across = torch.linspace(-2.5, 2.5, 5, device=self.device)
            centre = self.output_of(torch.tensor((yc, 0.0, xc), device=self.device))
            dy, dx, z = torch.meshgrid(across, across, steps, indexing="ij")
            q = self.shape(torch.stack((dy + centre[0], z + centre[1], dx + centre[2]), dim=-1))
            surfaces = self.surfaces_at(q[..., 0], q[..., 2])
            femur = _crossing(q[..., 1] - surfaces[0], steps)
            tibia = _crossing(q[..., 1] - (surfaces[1] - surfaces[2]), steps)
            found[side] = float((tibia - femur).mean())
        return found

    def _plateau_slope_deg(self) -> float:
        """A line is fitted to each compartment's roof from front to back.

        The medial one counts more, since the fixed-flexion view aims at its rims.
        """
        steps = torch.linspace(-_PLATEAU_REACH_MM, _PLATEAU_REACH_MM, 5)
        slope = 0.0
        for side, (yc, xc) in self.contact_mm.items():
            y, x = yc + steps, torch.full_like(steps, xc)
            surfaces = self.surfaces_at(y, x)
            found = self.output_of(torch.stack((y, surfaces[1] - surfaces[2], x), dim=-1)).numpy()
            rise = np.polyfit(found[:, 0], found[:, 1], 1)[0]
            slope += _SLOPE_WEIGHT[side] * float(np.degrees(np.arctan(rise)))
        return slope

    def output_of(self, target: torch.Tensor) -> torch.Tensor:
        """The output points [..., 3] that show template points ``target``, by fixed-point iteration."""
        point = target.clone()
        for _ in range(12):
            point = point + (target - self.shape(point[None])[0]) * self.scale
        return point

    def shape(self, points: torch.Tensor) -> torch.Tensor:
        """Size, pose and random shape: output [..., 3] to the template with its joint closed as this knee's is."""
        q = (points @ self.rotation) / self.scale  # R^T p as a row vector
        y, z, x = q.unbind(-1)
        blend = torch.sigmoid(z / 8)
        # the fibula stands behind the tibia and keeps its place
        taper = self.p.tibia_taper * torch.sigmoid((z - TAPER_MM) / 5) * torch.sigmoid((y - BEHIND_TIBIA_MM) / 5)
        flare = 1 + self.p.femur_flare * torch.sigmoid((FLARE_MM - z) / 5)
        x = x / (self.p.femur_width * flare * (1 - blend) + self.p.tibia_width * blend * (1 - taper))
        q = torch.stack((y, z, x), dim=-1)
        grid = normalised(q).reshape(1, -1, 1, 1, 3)
        step = F.grid_sample(self.warp, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return q + step.reshape(3, -1).T.reshape(q.shape)

    def open_joint(self, q: torch.Tensor) -> torch.Tensor:
        """Undo the narrowing: points of the closed joint to points of the template (z changes only).

        Between the bones only the gap gives way; muscle and skin beside them yield over ``SOFT_MM`` above and below.
        """
        y, z, x = q.unbind(-1)
        floor, roof, shift, soft = self.surfaces_at(y, x)
        closed = roof - shift
        inside = (roof - floor) / (closed - floor)
        z_open = torch.where(z <= floor, z, torch.where(z < closed, floor + (z - floor) * inside, z + shift))
        reach = ((z / SOFT_MM + 1) / 2).clamp(0, 1)
        yielding = z + shift * reach * reach * (3 - 2 * reach)
        return torch.stack((y, z_open + soft * (yielding - z_open), x), dim=-1)

    def radiograph_pose(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Template points of the radiograph's pose for femur, tibia and soft tissue.

        On the radiograph the femur is flexed about the condylar axis and the tibia has closed up to it; both move as
        rigid bodies, soft tissue bends smoothly between them.
        """
        y, z, x = q.unbind(-1)
        shift = self.surfaces_at(y, x)[2]
        tibia = torch.stack((y, z + shift, x), dim=-1)
        angle = float(np.radians(self.p.flexion_deg))
        femur = self.flexed(y, z, x, torch.tensor(angle, device=q.device))
        soft = self.flexed(y, z + shift * (z > 0), x, angle * torch.sigmoid((-8 - z) / 6))
        return femur, tibia, soft

    def flexed(self, y: torch.Tensor, z: torch.Tensor, x: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        """Points turned by ``angle`` (radians) about the condylar axis."""
        yc, zc = self.flexion_axis_mm
        sine, cosine = torch.sin(angle), torch.cos(angle)
        return torch.stack(
            (cosine * (y - yc) - sine * (z - zc) + yc, sine * (y - yc) + cosine * (z - zc) + zc, x), dim=-1
        )

    def surfaces_at(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The template's femur floor, tibia roof, the tibia's shift upwards and the share of soft tissue, [4, ...]."""
        grid = normalised(torch.stack((y, torch.zeros_like(y), x), dim=-1))[..., [0, 2]].reshape(1, -1, 1, 2)
        values = F.grid_sample(self.surfaces, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return values.reshape(4, *y.shape)


def contact_places(template: AnatomyTemplate) -> dict[str, tuple[float, float]]:
    """(y, x) in mm where femur and tibia come closest in each compartment: what a radiograph shows as joint space.

    Sought within ``CONTACT_RADIUS_MM`` of the compartment's centre in the gap's mean over some 5 mm; between equal
    gaps the nearest to the centre wins.
    """
    gap = torch.from_numpy(template.tibia_roof_mm - template.femur_floor_mm)[None, None]
    smooth = F.avg_pool2d(gap, 9, stride=1, padding=4, count_include_pad=False)[0, 0].numpy()
    y, x = (np.arange(n) * SPACING_MM + EXTENT_MM[a][0] for n, a in zip(smooth.shape, "yx", strict=True))
    places = {}
    for side, (yc, xc) in template.compartment_mm.items():
        away = np.hypot(y[:, None] - yc, x[None] - xc)
        cost = np.where(away < CONTACT_RADIUS_MM, smooth + _NEARER * away, np.inf)
        j, i = np.unravel_index(int(cost.argmin()), cost.shape)
        # the centre itself where nothing is gained: it need not lie on a voxel
        gained = np.isfinite(cost[j, i]) and away[j, i] > SPACING_MM
        places[side] = (float(y[j]), float(x[i])) if gained else (yc, xc)
    return places


def attrition_depth(template: AnatomyTemplate, parameters: KneeParameters) -> np.ndarray:
    """How far the plateau has sunk at every (y, x) of the template, mm, float32 [Y, X]."""
    y, x = (
        np.arange(n) * SPACING_MM + EXTENT_MM[a][0] for n, a in zip(template.tibia_roof_mm.shape, "yx", strict=True)
    )
    depth = np.zeros(template.tibia_roof_mm.shape, np.float32)
    for side, sunk in parameters.attrition_mm.items():
        yc, xc = template.compartment_mm[side]
        away = ((y[:, None] - yc) / ATTRITION_RADIUS_MM[0]) ** 2 + ((x[None] - xc) / ATTRITION_RADIUS_MM[1]) ** 2
        depth += np.float32(sunk) * np.exp(-away).astype(np.float32)
    return depth


def _crossing(heights: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """Where heights [..., N] that rise with ``steps`` [N] pass through zero, linearly interpolated."""
    index = (heights < 0).sum(dim=-1).clamp(1, len(steps) - 1)
    above, below = heights.gather(-1, index[..., None])[..., 0], heights.gather(-1, index[..., None] - 1)[..., 0]
    return steps[index - 1] + (steps[index] - steps[index - 1]) * below / (below - above)


def _height_at(surface: torch.Tensor, y: float, x: float) -> torch.Tensor:
    j = round((y - EXTENT_MM["y"][0]) / SPACING_MM)
    i = round((x - EXTENT_MM["x"][0]) / SPACING_MM)
    return surface[j - 4 : j + 5, i - 4 : i + 5].mean()


__all__ = ["KneeDeformation", "TissueVolume", "attrition_depth", "contact_places", "random_warp", "structured_warp"]
