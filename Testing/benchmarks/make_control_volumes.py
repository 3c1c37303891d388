"""Make the volumes that stand beside every evaluation: the mean of training knees, and one training knee.

    xray2mri simulate -o runs/pairs --count 500
    python Testing/benchmarks/make_control_volumes.py --training runs/pairs

Both in the frame of their radiographs, in which volumes are generated. They are written to Resources/controls/ as 8-bit
WebP mosaics of 10 x 5 slices, posterior first, right knee.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 10


def save_mosaic(volume: np.ndarray, path: Path, quality: int) -> None:
    """Write a volume [50, 256, 256] in [0, 1]."""
    from PIL import Image

    slices, height, width = volume.shape
    grey = np.rint(volume * 255).astype(np.uint8).reshape(slices // COLUMNS, COLUMNS, height, width)
    mosaic = grey.transpose(0, 2, 1, 3).reshape(slices // COLUMNS * height, COLUMNS * width)
    Image.fromarray(mosaic).save(path, "webp", quality=quality, method=6)
    print(f"{path.name} {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Average, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--training", type=Path, required=True, help="folder of simulated training pairs")
    parser.add_argument("--count", type=int, default=500, help="pairs that make the mean (default: %(default)s)")
    parser.add_argument("--knee", type=int, default=126, help="number of the single knee (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "Resources/controls")
    options = parser.parse_args()

    from Xray2MRILib.simulation.pairs.crop_frame import nominal_frame, volume_in_frame
    from Xray2MRILib.simulation.pairs.pair_store import list_pairs, pair_path, read_pair

    paths = list_pairs(options.training)[: options.count]
    total = np.zeros((50, 256, 256))
    for path in paths:
        pair = read_pair(path, radiograph=False)
        total += volume_in_frame(pair, nominal_frame(pair))
    options.output.mkdir(parents=True, exist_ok=True)
    save_mosaic(total / len(paths), options.output / "training_mean.webp", 85)
    knee = read_pair(pair_path(options.training, options.knee), radiograph=False)
    save_mosaic(volume_in_frame(knee, nominal_frame(knee)), options.output / "training_knee.webp", 85)
    print(f"mean of {len(paths)} knees; knee {options.knee}: KL {knee.parameters.kl_grade}")


if __name__ == "__main__":
    main()
