"""A 3-D view of the knee from the front and from its outer side, cut open at the joint, computed on the CPU.

The leg is a solid body. A quarter of it, in front and at the viewer's side, is taken away, so that a coronal, a
sagittal and, at the upper end, an axial section lie open: they show the volume's own grey values, the skin is shaded.
In this MR sequence marrow, fat and cortical bone are dark and hardly differ, so a translucent rendering of bright
tissue would show muscle and hide the joint. Rays are parallel, and each ends at the first surface; it needs no graphics
system.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..metrics.leg_mask import leg_mask

# Grey levels are relative to the volume's own bright level, so that dim and bright volumes look the same.
_BRIGHT_PERCENTILE = 99.6  # of the leg's voxels: muscle is nearly as bright as cartilage
_GAMMA = 0.85
_THINNEST_SLICE_MM = 0.75
_SKIN = np.array((0.78, 0.66, 0.57), np.float32)
_SMOOTH_SKIN_MM = 1.2
_RAY_STEP_MM = 1.8
_HALVINGS = 4  # of a step, until the surface is found
_PIXELS_MM = (0.4, 1.0)  # of the picture's own pixels, finer ones are interpolated
_BEHIND_MM = 1.6  # towards the viewer: where the uncut leg goes on there, the surface is a section
_INSIDE_MM = 0.9  # sections are read this deep, where the smoothed edge of the cut ends
_LAMP = np.array((0.75, 0.5, 0.42), np.float32)  # away from the viewer, down, right: light from the upper left
_SHARE_OF_IMAGE = 0.96


@dataclass(frozen=True)
class Viewpoint:
    """Viewing direction: degrees from the frontal view."""

    lateral: float = 32.0  # towards the lateral side of the knee
    above: float = 18.0


@dataclass(frozen=True)
class Cut:
    """What is taken away: all in front of a slice, from the lateral side to a column.

    Shares of the leg's extent from front to back and from its lateral to its medial side; None leaves the leg whole.
    """

    depth: float = 0.5
    width: float = 0.68


def cutaway_view(
    grey: np.ndarray,
    spacing: tuple[float, float, float],
    *,
    size: tuple[int, int] = (512, 512),
    left_knee: bool = False,
    viewpoint: Viewpoint | None = None,
    cut: Cut | None = Cut(),
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
    picture = np.empty((*size, 3), np.float32)
    picture[:] = np.asarray(background, np.float32) / 255
    grey, voxel = _average_slices(np.asarray(grey, np.float32), np.array(spacing[::-1]))  # slices, rows, columns
    if left_knee:
        grey = grey[:, :, ::-1]
    body = _body(grey) if float(np.ptp(grey)) >= 1e-3 else np.zeros(grey.shape, bool)
    if body.any():
        level = np.clip(grey / float(np.percentile(grey[body], _BRIGHT_PERCENTILE)), 0, 1)
        colour, cover = _Scene(level, body, voxel, viewpoint or Viewpoint(), cut).picture(size)
        picture = cover[..., None] * colour + (1 - cover[..., None]) * picture
        if left_knee:
            picture = picture[:, ::-1]
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


class _Scene:
    """A right knee [S, H, W] with its body, seen along parallel rays."""

    def __init__(
        self, level: np.ndarray, body: np.ndarray, voxel: np.ndarray, view: Viewpoint, cut: Cut | None
    ) -> None:
        from scipy import ndimage

        box = _box(body)
        self.level, body = level[box], body[box]
        self.voxel = voxel
        # 1 within the body, 0.5 at the skin; one voxel of air around it, so that its ends are surfaces too
        whole = ndimage.gaussian_filter(body.astype(np.float32), _SMOOTH_SKIN_MM / voxel, mode="nearest")
        self.whole = np.pad(whole, 1, mode="edge")
        self.solid = np.pad(whole, 1)
        if cut is not None:
            self.solid[: 1 + round(cut.depth * len(body)), :, : 1 + round(cut.width * body.shape[2])] = 0
        turn, nod = np.radians(view.lateral), np.radians(view.above)
        # rows: the viewer's axes (ahead, down, right) in the volume's axes (posterior, inferior, left)
        ahead = np.array((np.cos(turn) * np.cos(nod), np.sin(nod), np.sin(turn) * np.cos(nod)))
        right = np.array((-np.sin(turn), 0.0, np.cos(turn)))
        self.axes = np.stack((ahead, np.cross(right, ahead), right))

    def picture(self, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Colours [height, width, 3] and the share [height, width] of each pixel that the knee covers."""
        reach = np.abs(self.axes) @ (np.array(self.solid.shape) * self.voxel)  # ahead, down, right, in mm
        fitting = float(np.max(reach[1:] / (_SHARE_OF_IMAGE * np.array(size))))  # mm a pixel of the picture
        pixel = float(np.clip(fitting, *_PIXELS_MM))
        shape = np.ceil(reach[1:] / pixel).astype(int) + 1
        down, right = (axis.ravel() for axis in np.indices(shape))
        on_screen = np.stack((down, right)) * pixel - (reach[1:, None] / 2)
        start = self._places(np.vstack((np.full(len(down), -reach[0] / 2), on_screen)))
        depth, most = self._first_surface(start)
        cover = np.clip((most - 0.25) / 0.5, 0, 1)
        seen = np.isfinite(depth)
        colour = np.zeros((len(down), 3), np.float32)
        colour[seen] = self._colours(start[:, seen] + self._ahead[:, None] * depth[seen])
        return _fit(colour.reshape(*shape, 3), cover.reshape(shape), size)

    @property
    def _ahead(self) -> np.ndarray:
        """One mm away from the viewer, in voxels."""
        return self.axes[0] / self.voxel

    def _places(self, from_centre: np.ndarray) -> np.ndarray:
        """Points [3, n] in mm along the viewer's axes from the volume's centre -> in voxels of the padded volume."""
        centre = (np.array(self.solid.shape) - 1) / 2
        return self.axes.T @ from_centre / self.voxel[:, None] + centre[:, None]

    def _passage(self, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays [3, n] enter the box of the volume and leave it, in mm; those that miss it leave first."""
        ahead = np.where(np.abs(self._ahead) < 1e-9, 1e-9, self._ahead)[:, None]
        ends = np.stack([(end - start) / ahead for end in (-0.5, np.array(self.solid.shape)[:, None] - 0.5)])
        return ends.min(axis=0).max(axis=0), ends.max(axis=0).min(axis=0)

    def _first_surface(self, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where rays [3, n] meet the solid, in mm, infinite for those that miss it; and 1 for those that meet it, for
        the others the highest value that they passed."""
        from scipy import ndimage

        def solid(rays: np.ndarray, depth: np.ndarray | float) -> np.ndarray:
            return ndimage.map_coordinates(self.solid, start[:, rays] + self._ahead[:, None] * depth, order=1)

        depth, most = np.full(start.shape[1], np.inf), np.zeros(start.shape[1], np.float32)
        along, leaving = self._passage(start)
        going = np.flatnonzero(along < leaving)
        while len(going):
            met = solid(going, along[going])
            most[going] = np.maximum(most[going], met)
            depth[going[met > 0.5]] = along[going[met > 0.5]]
            along[going] += _RAY_STEP_MM
            going = going[(met <= 0.5) & (along[going] < leaving[going])]
        hit = np.flatnonzero(np.isfinite(depth))
        far, near = depth[hit], depth[hit] - _RAY_STEP_MM
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            within = solid(hit, middle) > 0.5
            near, far = np.where(within, near, middle), np.where(within, middle, far)
        depth[hit], most[hit] = far, 1.0
        return depth, most

    def _colours(self, places: np.ndarray) -> np.ndarray:
        """Colours [n, 3] of surface points [3, n], in voxels of the padded volume."""
        from scipy import ndimage

        smooth = ndimage.gaussian_filter(self.solid, _SMOOTH_SKIN_MM / self.voxel)
        slopes = [ndimage.map_coordinates(slope, places, order=1) for slope in np.gradient(smooth, *self.voxel)]
        inward = np.stack(slopes)
        inward /= np.linalg.norm(inward, axis=0) + 1e-9
        lamp = self.axes.T @ (_LAMP / np.linalg.norm(_LAMP))
        lit = np.clip(lamp @ inward, 0, 1)
        nearer = places - self._ahead[:, None] * _BEHIND_MM
        section = ndimage.map_coordinates(self.whole, nearer, order=1, mode="nearest") > 0.5
        deeper = places + inward * (_INSIDE_MM / self.voxel)[:, None] - 1
        grey = ndimage.map_coordinates(self.level, deeper, order=1, mode="nearest") ** _GAMMA
        skin = _SKIN * (0.22 + 0.8 * lit[:, None])
        return np.where(section[:, None], (grey * (0.72 + 0.28 * lit))[:, None], skin).astype(np.float32)


def _body(grey: np.ndarray) -> np.ndarray:
    """The leg [S, H, W] as one solid: dark bone that reaches the ends of the volume is no hole in it."""
    mask = leg_mask(grey)
    from_left, from_right = (np.maximum.accumulate(each, axis=2) for each in (mask, mask[:, :, ::-1]))
    return from_left & from_right[:, :, ::-1]


def _box(body: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around the body."""
    box = []
    for axis in range(3):
        seen = np.flatnonzero(body.any(axis=tuple(other for other in range(3) if other != axis)))
        box.append(slice(seen[0], seen[-1] + 1))
    return tuple(box)


def _average_slices(grey: np.ndarray, voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average slices much thinner than a ray's step in groups: most of the time and memory of dense volumes."""
    group = int(_THINNEST_SLICE_MM / voxel[0])
    if group < 2:
        return grey, voxel
    count = len(grey) // group
    return grey[: count * group].reshape(count, group, *grey.shape[1:]).mean(axis=1), voxel * (group, 1, 1)


def _fit(colour: np.ndarray, cover: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Colours and cover scaled to ``size`` and centred by what is covered."""
    from scipy import ndimage

    seen = cover > 0.5
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    extent = np.array((rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1))
    zoom = float(np.max(extent / (_SHARE_OF_IMAGE * np.array(size))))
    centre = np.array(((rows[0] + rows[-1]) / 2, (columns[0] + columns[-1]) / 2))
    offset = centre - zoom * (np.array(size) - 1) / 2
    # colours are weighed by the cover, so that nothing of the empty neighbours enters at the outline
    layers = [*np.moveaxis(colour * cover[..., None], -1, 0), cover]
    scaled = [ndimage.affine_transform(v, (zoom, zoom), offset, size, order=1, mode="constant") for v in layers]
    weight = np.maximum(scaled[3], 1e-6)
    return np.stack([layer / weight for layer in scaled[:3]], axis=-1), scaled[3]
