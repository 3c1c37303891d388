"""The bias field of a measured volume by N4, on the fine grid: guidance for the network.

Tustison et al. 2010, "N4ITK: Improved N3 Bias Correction", in the implementation of SimpleITK.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_SHRINK, _ITERATIONS = 4, (30, 20, 10)


def log_bias_map(measured: np.ndarray, fine_size: tuple[int, int, int]) -> Tensor:
    """Logarithm of the bias of ``measured`` float32 [S, H, W], mean 0, as float32 ``fine_size`` (S, H, W)."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(measured - min(float(measured.min()), 0.0), np.float32))
    small = sitk.Shrink(image, [min(_SHRINK, max(n // 8, 1)) for n in image.GetSize()])
    mask = sitk.OtsuThreshold(small, 0, 1, 64)
    filter_ = sitk.N4BiasFieldCorrectionImageFilter()
    filter_.SetMaximumNumberOfIterations(list(_ITERATIONS))
    filter_.Execute(small, mask)
    found = torch.from_numpy(sitk.GetArrayFromImage(filter_.GetLogBiasFieldAsImage(small)))[None, None]
    fine = functional.interpolate(found.float(), fine_size, mode="trilinear", align_corners=False)[0, 0]
    return fine - fine.mean()
