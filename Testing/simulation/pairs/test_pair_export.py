"""Pairs as PNG and NRRD, and what the command refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
sitk = pytest.importorskip("SimpleITK")

from Xray2MRILib.simulation.anatomy.knee_parameters import KneeParameters  # noqa: E402
from Xray2MRILib.simulation.mr.flash_mri import FIRST_DEPTH_MM, PITCH_MM  # noqa: E402
from Xray2MRILib.simulation.pairs.knee_pair import KneePair  # noqa: E402
from Xray2MRILib.simulation.pairs.pair_export import export_pairs  # noqa: E402
from Xray2MRILib.simulation.pairs.pair_store import read_record, write_pair  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One pair whose volume has a bright block in slices 10 to 39, rows 0 to 99, columns 0 to 79."""
    volume = np.full((50, 256, 256), 0.1, np.float32)
    volume[10:40, :100, :80] = 0.9
    film = np.random.default_rng(0).random((2, 288, 288), np.float32)
    pair = KneePair(KneeParameters(seed=7, kl_grade=1), volume, film[0], film[1], {"medial": 4.0, "lateral": 5.0})
    (tmp_path / "pairs").mkdir()
    write_pair(tmp_path / "pairs", 0, pair, {"person": {"sex": "woman"}})
    return tmp_path / "pairs"


def test_the_record_keeps_further_entries(folder: Path) -> None:
    assert read_record(folder / "knee-000000.npz")["person"] == {"sex": "woman"}


def test_both_files_lie_where_a_viewer_expects_them(folder: Path, tmp_path: Path) -> None:
    from PIL import Image

    radiograph, volume = export_pairs(folder, tmp_path / "out")
    assert Image.open(radiograph).size == (256, 256)
    image = sitk.ReadImage(str(volume))
    values = sitk.GetArrayFromImage(image)
    assert values.shape == (50, 256, 256)
    # the middle of the block: right of the patient, superior, in front of the first slice by 24.5 pitches
    x, y, z = image.TransformContinuousIndexToPhysicalPoint((39.5, 49.5, 24.5))
    assert x < 0 and z > 0  # noqa: PT018
    assert y == pytest.approx(-(FIRST_DEPTH_MM + 24.5 * PITCH_MM))
    assert values[12, 20:80, 20:60].mean() > 4 * values[45].mean()
