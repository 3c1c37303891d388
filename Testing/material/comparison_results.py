"""What the JSON file of a comparison holds, with values that a test can find again."""

from __future__ import annotations

COMPARISON = {
    "per_slice": [
        {"index": index, "depth_mm": -36.75 + 12.25 * index, "psnr_db": 12.5 + index, "ssim": 0.3,
         "rssim": None if index == 3 else 0.41, "edge_mm": 4.0, "f1": 0.2, "correlation": None if index == 6 else 0.9}
        for index in range(7)
    ],
    "summary": {"psnr_db": {"pseudo": 12.84, "blank": None, "mean_volume": 15.2}},
    "verdict": "No closer to this MRI than the mean of many knees & <others>.",
    "warnings": ["Another contrast."],
}  # fmt: skip
