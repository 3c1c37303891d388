"""Statistics of a volume beside those of real coronal water-excited FLASH scans of the knee: 28 figures, ranges.

    python Testing/benchmarks/mr_realism.py volume.nrrd other.npy --csv figures.csv

A volume is read as the project writes it (NRRD, NIfTI or MetaImage, anterior slice first) or as an array [50, 256, 256]
with the posterior slice first. Levels are relative to the 99th percentile. Places are fixed in the 160 mm field with
the joint line near row 152. The ranges come from two scans of two people and are a place to look, not a verdict.
"""

from __future__ import annotations

import argparse
import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import ndimage

PIXEL_MM = 0.625
RANGES = {
    "background mean": (0.05, 0.10), "background mean/SD": (2.8, 3.6), "femoral marrow": (0.12, 0.18),
    "tibial marrow": (0.10, 0.18), "subcutaneous fat": (0.20, 0.26), "marrow/fat": (0.45, 0.75),
    "marrow spread": (0.030, 0.050), "marrow power slope": (-1.8, -0.8), "skin line": (0.50, 0.70),
    "muscle": (0.88, 0.95), "muscle SD": (0.09, 0.13), "muscle septa share": (0.04, 0.10),
    "muscle power slope": (-3.2, -2.5), "joint band mm": (4.7, 5.9), "joint band dip": (0.85, 1.0),
    "columns with two layers": (0.0, 0.25), "notch bright share": (0.50, 0.70), "bright dots per slice": (35, 65),
    "white top-hat share": (0.04, 0.065), "black top-hat share": (0.015, 0.035), "edge share": (0.23, 0.31),
    "adjacent correlation": (0.83, 0.91), "adjacent correlation, fine": (0.35, 0.48),
    "bright share, slice 1": (0.20, 0.35), "bright share, slice 8": (0.34, 0.44),
    "bright share, slice 20": (0.16, 0.26), "bright share, slice 32": (0.08, 0.13),
    "bright share, slice 48": (0.08, 0.12),
}  # fmt: skip


class Scan:
    """One volume with what several figures need: leg mask, depth below the skin in the slice, smoothed copy."""

    def __init__(self, volume: np.ndarray) -> None:
        self.values = np.asarray(volume, np.float64) / max(float(np.percentile(volume, 99)), 1e-9)
        self.leg = self._leg()
        # the leg runs out of the picture above and below, which is no edge
        self.depth = np.stack(
            [ndimage.distance_transform_edt(np.pad(m, ((1, 1), (0, 0)), mode="edge"))[1:-1] for m in self.leg]
        )
        self.smooth = ndimage.gaussian_filter(self.values, (0, 1.5, 1.5))

    def _leg(self) -> np.ndarray:
        blurred = ndimage.gaussian_filter(self.values, (0, 2, 2))
        sides = np.concatenate((blurred[:, :, 3:10], blurred[:, :, -10:-3]), axis=2)
        floor = float(np.median(sides))
        mask = np.zeros(self.values.shape, bool)
        for result, plane in zip(mask, blurred > max(1.7 * floor, floor + 0.05), strict=True):
            parts, count = ndimage.label(ndimage.binary_fill_holes(ndimage.binary_closing(plane, iterations=6)))
            if not count:
                continue
            largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
            for row in np.flatnonzero(largest.any(axis=1)):
                columns = np.flatnonzero(largest[row])
                result[row, columns[0] : columns[-1] + 1] = True
        return mask


def log_power_slope(windows: list[np.ndarray]) -> float:
    """Slope of log power over log frequency from 0.06 to 0.46 cycles a pixel, mean spectrum of flat windows."""
    if not windows:
        return float("nan")
    height, width = windows[0].shape
    rows, columns = np.mgrid[:height, :width]
    plane = np.stack((rows.ravel(), columns.ravel(), np.ones(height * width)), axis=1)
    taper = np.outer(np.hanning(height), np.hanning(width))
    total = np.zeros((height, width))
    for window in windows:
        fitted, *_ = np.linalg.lstsq(plane, window.ravel(), rcond=None)
        total += np.abs(np.fft.fft2((window - (plane @ fitted).reshape(window.shape)) * taper)) ** 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    bands = np.linspace(0.06, 0.46, 9)
    power = [total[(frequency >= a) & (frequency < b)].mean() for a, b in pairwise(bands)]
    middle = (bands[:-1] + bands[1:]) / 2
    positive = np.array(power) > 0
    if positive.sum() < 4:
        return float("nan")
    return float(np.polyfit(np.log(middle[positive]), np.log(np.array(power)[positive]), 1)[0])


def background_figures(scan: Scan) -> dict[str, float]:
    """Air well away from the leg and from the picture's edges."""
    air = ndimage.distance_transform_edt(~scan.leg, (1000, 1, 1)) > 10
    air[:, :8] = air[:, -8:] = air[:, :, :6] = air[:, :, -6:] = False
    values = scan.values[air]
    return {"background mean": values.mean(), "background mean/SD": values.mean() / max(values.std(), 1e-9)}


def fatty_figures(scan: Scan) -> dict[str, float]:
    """Marrow in the calmer half of windows 24 x 32 of the shafts' ends, and subcutaneous fat 6 to 12 pixels deep."""
    calm = {}
    for bone, rows in (("femoral", range(50, 97, 6)), ("tibial", range(172, 203, 6))):
        found = []
        for at in np.ndindex(15, len(rows), 10):
            s, y, x = 24 + at[0], rows[at[1]], 72 + 8 * at[2]
            window = scan.values[s, y : y + 24, x : x + 32]
            level = float(np.median(window))
            if level < 0.33 and scan.depth[s, y : y + 24, x : x + 32].min() > 22:
                found.append((float(np.percentile(window, 98)) / max(level, 1e-3), at, window))
        found.sort(key=lambda entry: entry[:2])
        calm[bone] = [entry[2] for entry in found[: max(8, len(found) // 2)]]
    figures = {f"{bone} marrow": np.median(windows) if windows else np.nan for bone, windows in calm.items()}
    deviations = [1.4826 * np.median(np.abs(w - np.median(w))) for windows in calm.values() for w in windows]
    figures["marrow spread"] = np.median(deviations) if deviations else np.nan
    figures["marrow power slope"] = np.nanmean([log_power_slope(windows) for windows in calm.values()])
    fat = (scan.depth > 6) & (scan.depth < 12) & (scan.smooth < 0.5)
    fat[:16] = fat[40:] = fat[:, :60] = fat[:, 200:] = False
    figures["subcutaneous fat"] = np.median(scan.values[fat]) if fat.any() else np.nan
    marrow = (figures["femoral marrow"] + figures["tibial marrow"]) / 2
    figures["marrow/fat"] = marrow / figures["subcutaneous fat"]
    peaks = []
    for s in range(12, 40, 4):
        for y in range(60, 200, 5):
            columns = np.flatnonzero(scan.leg[s, y])
            if len(columns) > 30:
                line, (a, b) = scan.values[s, y], (columns[0], columns[-1])
                peaks += [line[max(a - 2, 0) : a + 5].max(), line[b - 4 : b + 3].max()]
    figures["skin line"] = np.median(peaks) if peaks else np.nan
    return figures


def muscle_figures(scan: Scan) -> dict[str, float]:
    """Level deep in muscle of the posterior 16 slices, and texture of windows 32 x 32 that are nearly all muscle."""
    deep = ndimage.binary_erosion(scan.smooth > 0.55, np.ones((1, 9, 9)))
    deep[16:] = deep[:, :8] = deep[:, -10:] = False
    windows = []
    for s in range(2, 16, 2):
        for y in range(8, 216, 16):
            for x in range(40, 200, 16):
                place = (s, slice(y, y + 32), slice(x, x + 32))
                if (scan.smooth[place] > 0.45).mean() > 0.97:
                    windows.append(scan.values[place])
    empty = not windows
    return {
        "muscle": scan.values[deep].mean() if deep.any() else np.nan,
        "muscle SD": np.nan if empty else np.mean([w.std() for w in windows]),
        "muscle septa share": np.nan if empty else np.mean([(w < 0.7).mean() for w in windows]),
        "muscle power slope": log_power_slope(windows),
    }


def joint_figures(scan: Scan) -> dict[str, float]:
    """The bright band between the bones in columns through both compartments, and the notch."""
    spans, dips, parted = [], [], []
    for s in range(24, 34):
        for x in (*range(80, 104), *range(150, 170)):
            column = scan.values[s, 128:184, x - 1 : x + 2].mean(axis=1)
            bright = column > 0.45
            rows = np.flatnonzero(bright)
            if len(rows) < 3:
                continue
            parts, count = ndimage.label(bright)
            thickest = 1 + int(np.argmax([(parts == k + 1).sum() for k in range(count)]))
            centre = int(np.flatnonzero(parts == thickest).mean())
            rows = rows[np.abs(rows - centre) <= 13]
            top, bottom = rows[0], rows[-1]
            if (bottom - top + 1) * PIXEL_MM > 16:
                continue
            spans.append((bottom - top + 1) * PIXEL_MM)
            if bottom - top > 3:
                dips.append(column[top + 1 : bottom].min() / np.percentile(column[top : bottom + 1], 90))
            inside = parts[top : bottom + 1]
            parted.append(len(np.unique(inside[inside > 0])) > 1)
    return {
        "joint band mm": np.median(spans) if spans else np.nan,
        "joint band dip": np.median(dips) if dips else np.nan,
        "columns with two layers": np.mean(parted) if parted else np.nan,
        "notch bright share": (scan.values[22:32, 120:150, 112:136] > 0.4).mean(),
    }


def detail_figures(scan: Scan) -> dict[str, float]:
    """Small bright spots, thin bright and dark structures, edges."""
    spots = 0
    for s in range(14, 40):
        parts, count = ndimage.label(scan.values[s] > 0.45)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        small = 1 + np.flatnonzero((sizes >= 3) & (sizes <= 80))
        if len(small):
            centres = ndimage.center_of_mass(parts > 0, parts, small)
            spots += sum(bool(scan.leg[s, int(y), int(x)]) for y, x in centres)
    deep = scan.leg[10:44] & (scan.depth[10:44] > 8)
    fine = [ndimage.gaussian_filter(plane, 0.7) for plane in scan.values[10:44]]
    white = np.stack([ndimage.white_tophat(plane, 5) for plane in fine])
    black = np.stack([ndimage.black_tophat(plane, 5) for plane in fine])
    slope = np.hypot(*np.gradient(ndimage.gaussian_filter(scan.values, (0, 1, 1)), axis=(1, 2)))
    return {
        "bright dots per slice": spots / 26,
        "white top-hat share": (white[deep] > 0.15).mean() if deep.any() else np.nan,
        "black top-hat share": (black[deep] > 0.15).mean() if deep.any() else np.nan,
        "edge share": (slope[scan.leg] > 0.05).mean() if scan.leg.any() else np.nan,
    }


def depth_figures(scan: Scan) -> dict[str, float]:
    """How slices follow each other, and how much of some slices is bright."""
    fine = scan.values - ndimage.gaussian_filter(scan.values, (0, 3, 3))
    whole, detail = [], []
    for s in range(len(fine) - 1):
        whole.append(np.corrcoef(scan.values[s].ravel(), scan.values[s + 1].ravel())[0, 1])
        either = scan.leg[s] | scan.leg[s + 1]
        if either.sum() > 100:
            detail.append(np.corrcoef(fine[s][either], fine[s + 1][either])[0, 1])
    figures = {
        "adjacent correlation": np.nanmean(whole),
        "adjacent correlation, fine": np.nanmean(detail) if detail else np.nan,
    }
    return figures | {f"bright share, slice {s}": (scan.values[s] > 0.5).mean() for s in (1, 8, 20, 32, 48)}


def realism_figures(volume: np.ndarray) -> dict[str, float]:
    """All figures of a volume [50, 256, 256], posterior slice first, any scale; NaN where nothing could be measured."""
    scan = Scan(volume)
    groups = (background_figures, fatty_figures, muscle_figures, joint_figures, detail_figures, depth_figures)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = {name: value for group in groups for name, value in group(scan).items()}
    return {name: float(found[name]) for name in RANGES}


def within_range(figures: dict[str, float]) -> int:
    """How many of the figures lie in their ranges."""
    return sum(low <= figures[name] <= high for name, (low, high) in RANGES.items())


def read_volume(path: Path) -> np.ndarray:
    """[S, H, W] with the posterior slice first."""
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[::-1]


def main() -> None:
    """Print a table; one column a volume, an exclamation mark outside the range."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volumes", nargs="+", type=Path)
    parser.add_argument("--csv", type=Path, help="also write the figures there")
    options = parser.parse_args()
    found = [realism_figures(read_volume(path)) for path in options.volumes]
    for name, (low, high) in RANGES.items():
        cells = [f"{f[name]:8.3f}{' ' if low <= f[name] <= high else '!'}" for f in found]
        print(f"{name:28s}{low:8.3f} {high:7.3f}  " + " ".join(cells))
    print(f"{'in range, of 28':28s}{'':18s}" + " ".join(f"{within_range(f):8d} " for f in found))
    if options.csv:
        with options.csv.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("volume", "in range", *RANGES))
            rows.writerows((p.name, within_range(f), *f.values()) for p, f in zip(options.volumes, found, strict=True))


if __name__ == "__main__":
    main()
