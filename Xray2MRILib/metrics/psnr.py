"""Peak signal-to-noise ratio, and the value that results from 8-bit arithmetic."""

from __future__ import annotations

import numpy as np

from .intensity_range import check_pair

IDENTICAL_DB = 99.0  # instead of infinity, which JSON does not allow


def psnr_db(reference: np.ndarray, image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """[S] PSNR in dB of each slice of ``image`` against ``reference``, both [S, H, W] in [0, 1]; data range 1.

    ``mask`` ([S, H, W] bool) selects the voxels; a slice without any gives NaN. Equal slices give 99 dB.
    Raises TypeError for integers and ValueError for values outside [0, 1].
    """
    from skimage.metrics import peak_signal_noise_ratio

    reference, image = check_pair(reference, image)
    values = np.full(len(reference), np.nan)
    for place, (truth, found) in enumerate(zip(reference, image, strict=True)):
        if mask is not None:
            truth, found = truth[mask[place]], found[mask[place]]
        if truth.size:
            with np.errstate(divide="ignore"):
                values[place] = min(peak_signal_noise_ratio(truth, found, data_range=1.0), IDENTICAL_DB)
    return values


def paper_psnr_db(reference: np.ndarray, image: np.ndarray) -> np.ndarray:
    """[S] AN ARTEFACT, not a PSNR: the result of subtracting and squaring 8-bit images without conversion.

    Differences and their squares wrap modulo 256, so that two images of pure noise reach 27.9 dB. The values of 28 to
    29 dB in the paper agree with this arithmetic and not with a PSNR. It serves for comparison only and must be
    labelled as an artefact wherever it is shown. The pitfall is known, e.g. torchmetrics issue 2787.
    """
    reference, image = check_pair(reference, image)
    truth, found = (np.rint(volume * 255).astype(np.uint8) for volume in (reference, image))
    wrapped = (truth - found) ** 2
    error = wrapped.reshape(len(wrapped), -1).mean(axis=1)
    with np.errstate(divide="ignore"):
        return np.minimum(10 * np.log10(255.0**2 / error), IDENTICAL_DB)
