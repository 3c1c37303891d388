"""A 3-D rendering of the volume from an oblique anterior view, computed on the CPU.

Emission and absorption along parallel rays, composited front to back, with shaded surfaces (Levoy 1988). It needs no
graphics system. In this MR sequence marrow, fat and cortical bone are dark and hardly differ; muscle is grey and
cartilage is bright. The transfer function therefore makes skin almost transparent, muscle translucent and cartilage
nearly opaque. The bones appear as the space between them, covered by their cartilage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Grey levels are relative to the volume's own bright level, so that dim and bright volumes look the same.
_BRIGHT_PERCENTILE = 99.8  # of the voxels that are not air: muscle is nearly as bright as cartilage
_TOP_LEVEL = 1.2
_AIR_LEVEL = 0.05  # lower levels are invisible
_SAMPLES_MM = 0.8  # in the image plane
_RAY_STEP_MM = 0.5  # longer steps cause rings on surfaces that face the viewer
_BLUR_MM = 0.65
_FULL_SURFACE_PER_MM = 0.12  # change of grey level that counts as a clear surface
_LAMP = np.array((-0.75, -0.5, -0.42), np.float32)  # away from the viewer, down, right: light from the upper left
_DARK_BEHIND = 0.7
_SHARE_OF_IMAGE = 0.96
# a sample that is this dark, or a ray of which so little passes, changes no pixel by more than a grey level
_UNSEEN_LEVEL, _UNSEEN_SHARE = 0.004, 0.004


@dataclass(frozen=True)
class Viewpoint:
    """Viewing direction: degrees from the frontal view."""

    lateral: float = 24.0  # towards the lateral side of the knee
    above: float = 10.0


@dataclass(frozen=True)
class TransferFunction:
    """Optical properties by grey level (0 air, 1 cartilage): colour, absorption per mm inside and at surfaces."""

    level: tuple[float, ...] = (0.00, 0.05, 0.12, 0.25, 0.36, 0.55, 0.74, 0.86, 1.20)
    red: tuple[float, ...] = (0.50, 0.50, 0.56, 0.66, 0.80, 0.88, 0.86, 0.93, 1.00)
    green: tuple[float, ...] = (0.58, 0.58, 0.60, 0.56, 0.42, 0.46, 0.62, 0.97, 1.00)
    blue: tuple[float, ...] = (0.70, 0.70, 0.68, 0.54, 0.36, 0.38, 0.54, 0.98, 1.00)
    inside: tuple[float, ...] = (0.0, 0.0, 0.001, 0.002, 0.012, 0.025, 0.06, 0.80, 1.20)
    surface: tuple[float, ...] = (0.0, 0.012, 0.02, 0.03, 0.11, 0.15, 0.15, 0.50, 0.50)
    glow: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.05, 0.35, 0.35)  # light independent of shading

    def tables(self, entries: int = 512) -> np.ndarray:
        """[6, entries] float32: red, green, blue, inside, surface, glow at evenly spaced levels from 0 to 1.2."""
        at = np.linspace(0.0, _TOP_LEVEL, entries)
        curves = (self.red, self.green, self.blue, self.inside, self.surface, self.glow)
        return np.stack([np.interp(at, self.level, curve) for curve in curves]).astype(np.float32)


def render(
    grey: np.ndarray,
    spacing: tuple[float, float, float],
    *,
    size: tuple[int, int] = (512, 512),
    left_knee: bool = False,
    viewpoint: Viewpoint | None = None,
    transfer: TransferFunction | None = None,
    background: tuple[int, int, int] = (16, 18, 22),
) -> np.ndarray:
    """The volume seen obliquely from the front.

    Parameters
    ----------
    grey
        [S, H, W] values in [0, 1] in file order (anterior first, superior to inferior, patient right to left).
    spacing
        (x, y, z) in mm along columns, rows and slices.
    size
        (height, width) of the image; the knee is scaled to fit.
    left_knee
        True if the lateral side of the knee is at the right of the image.

    Returns
    -------
    [height, width, 3] uint8. A volume without content gives an empty image. The result is deterministic.
    """
    image = np.empty((*size, 3), np.float32)
    image[:] = np.asarray(background, np.float32) / 255
    grey, voxel = _average_slices(np.asarray(grey, np.float32), np.array(spacing[::-1]))  # slices, rows, columns
    level = _scale_levels(grey)
    if level is not None:
        rays = _rotate(_crop_air(level), voxel, viewpoint or Viewpoint(), left_knee)
        light, cover = _composite(rays, (transfer or TransferFunction()).tables())
        light, cover = _fit_to_size(light, cover, size)
        image = light + (1 - cover[..., None]) * image
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _scale_levels(grey: np.ndarray) -> np.ndarray | None:
    """Grey values relative to the bright level; None for a volume without contrast."""
    if float(np.ptp(grey)) < 1e-3:
        return None
    sparse = grey[:, ::2, ::2]
    tissue = sparse[sparse > 0.05 * grey.max()]
    bright = float(np.percentile(tissue, _BRIGHT_PERCENTILE)) if tissue.size else float(grey.max())
    return np.clip(grey / bright, 0, _TOP_LEVEL)


def _crop_air(level: np.ndarray) -> np.ndarray:
    """Crop the volume to its visible part with a rim of air, which saves time."""
    box = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        seen = np.flatnonzero((level > _AIR_LEVEL).any(axis=others))
        box.append(slice(max(seen[0] - 2, 0), seen[-1] + 3))
    return level[tuple(box)]


def _rotate(level: np.ndarray, voxel: np.ndarray, view: Viewpoint, left_knee: bool) -> np.ndarray:
    """Resample along the rays: [D, Y, X] with D away from the viewer, Y down, X to the right of the image."""
    from scipy import ndimage

    sample = np.array((_RAY_STEP_MM, _SAMPLES_MM, _SAMPLES_MM))
    turn = np.radians(-view.lateral if left_knee else view.lateral)
    nod = np.radians(view.above)
    # rows: the viewer's axes (ahead, down, right) in the volume's axes (posterior, inferior, left)
    ahead = np.array((np.cos(turn) * np.cos(nod), np.sin(nod), np.sin(turn) * np.cos(nod)))
    right = np.array((-np.sin(turn), 0.0, np.cos(turn)))
    down = np.cross(right, ahead)
    axes = np.stack((ahead, down, right))
    reach = np.abs(axes) @ (np.array(level.shape) * voxel)  # the box around the rotated volume
    shape = np.ceil(reach / sample).astype(int) + 1
    matrix = axes.T * sample / voxel[:, None]
    offset = (np.array(level.shape) - 1) / 2 - matrix @ ((shape - 1) / 2)
    smooth = ndimage.gaussian_filter(level, _BLUR_MM / voxel, mode="constant")
    return ndimage.affine_transform(smooth, matrix, offset, tuple(shape), order=1, mode="constant", cval=0.0)


def _average_slices(grey: np.ndarray, voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average slices much thinner than a sample in groups, which saves most of the time and memory in dense volumes."""
    group = int(_SAMPLES_MM / voxel[0])
    if group < 2:
        return grey, voxel
    count = len(grey) // group
    return grey[: count * group].reshape(count, group, *grey.shape[1:]).mean(axis=1), voxel * (group, 1, 1)


def _composite(rays: np.ndarray, tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Composite the rays: light [Y, X, 3] and the share [Y, X] of the background that is hidden."""
    light = np.zeros((3, rays[0].size), np.float32)
    passing = np.ones(rays[0].size, np.float32)
    lamp = _LAMP / np.linalg.norm(_LAMP)
    for depth in range(1, len(rays) - 1):
        # most samples are air or lie behind what hides them
        seen = np.flatnonzero((rays[depth].ravel() > _UNSEEN_LEVEL) & (passing > _UNSEEN_SHARE))
        if not len(seen):
            continue
        here = rays[depth].ravel()[seen]
        down, right = (slope.ravel()[seen] for slope in np.gradient(rays[depth], _SAMPLES_MM))
        ahead = (rays[depth + 1].ravel()[seen] - rays[depth - 1].ravel()[seen]) / (2 * _RAY_STEP_MM)
        steepness = np.sqrt(ahead**2 + down**2 + right**2) + 1e-6
        # light both faces of a surface: the inside of a muscle is visible as often as its outside
        facing = np.abs(ahead * lamp[0] + down * lamp[1] + right * lamp[2]) / steepness
        surface = np.minimum(steepness / _FULL_SURFACE_PER_MM, 1)
        entries = (here * ((tables.shape[1] - 1) / _TOP_LEVEL)).astype(np.intp)
        red, green, blue, inside, at_surface, glow = (table[entries] for table in tables)
        opacity = 1 - np.exp(-(inside + surface * at_surface) * _RAY_STEP_MM)
        shade = 0.30 + 0.85 * (surface * facing + (1 - surface) * 0.5)
        # darken the structures behind the bones, so that the bones stand out
        shade *= 1 - _DARK_BEHIND * float(np.clip((depth / len(rays) - 0.3) / 0.5, 0, 1))
        gain = passing[seen] * opacity * np.minimum(shade + glow, 1.1)
        for channel, colour in enumerate((red, green, blue)):
            light[channel, seen] += gain * colour
        passing[seen] *= 1 - opacity
    picture = rays.shape[1:]
    return np.moveaxis(light.reshape(3, *picture), 0, -1), 1 - passing.reshape(picture)


def _fit_to_size(light: np.ndarray, cover: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Crop to the covered part, scale it to ``size`` without distortion, and centre it."""
    from scipy import ndimage

    seen = cover > 0.05
    if not seen.any():
        return np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    centre = np.array(((rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2))
    extent = np.array((rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1))
    scale = float(np.max(extent / (_SHARE_OF_IMAGE * np.array(size))))
    offset = centre - scale * (np.array(size) - 1) / 2
    layers = [*np.moveaxis(light, -1, 0), cover]
    zoom = (scale, scale)
    scaled = [ndimage.affine_transform(layer, zoom, offset, size, order=1, mode="constant") for layer in layers]
    return np.stack(scaled[:3], axis=-1), scaled[3]
