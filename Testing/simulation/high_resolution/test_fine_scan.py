"""Fine volumes of a knee of blocks: their field, small lesions where the record says, files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from Testing.material.block_knee import block_template  # noqa: E402
from Xray2MRILib.cli import main  # noqa: E402
from Xray2MRILib.errors import InputError  # noqa: E402
from Xray2MRILib.simulation.high_resolution.fine_scan import FINE_SCAN, FineVolume, scan_fine  # noqa: E402
from Xray2MRILib.simulation.high_resolution.fine_store import (  # noqa: E402
    fine_files,
    fine_path,
    list_fine,
    read_fine,
    write_fine,
)
from Xray2MRILib.simulation.mr.flash_mri import OAI_SCAN  # noqa: E402
from Xray2MRILib.simulation.mr.image_signal import prepared  # noqa: E402
from Xray2MRILib.simulation.pairs.image_knee import draw_image_knee  # noqa: E402


def test_both_scans_cover_the_same_slab() -> None:
    edges = [
        (g.first_depth_mm - g.pitch_mm / 2, g.first_depth_mm + (g.slices - 0.5) * g.pitch_mm)
        for g in (OAI_SCAN, FINE_SCAN)
    ]
    assert edges[0] == pytest.approx(edges[1])
    assert FINE_SCAN.pitch_mm == FINE_SCAN.pixel_mm


@pytest.mark.slow
def test_lesions_lie_where_the_record_says() -> None:
    """With and without lesions the same knee differs at the recorded voxels and nowhere else."""
    source = prepared(block_template())
    knee = draw_image_knee(3, 0, source.template)
    healthy, ill = (scan_fine(source, knee, with_lesions=yes) for yes in (False, True))
    assert len(ill.lesions) == len(healthy.lesions) >= 3
    assert all(lesion.painted for lesion in ill.lesions)
    assert not any(lesion.painted for lesion in healthy.lesions)
    difference = (ill.values - healthy.values).abs().numpy()
    assert healthy.values.shape == (120, 256, 256)
    near = np.zeros(difference.shape, bool)
    for lesion in ill.lesions:
        assert lesion.voxel is not None
        s, r, c = (round(v) for v in lesion.voxel)
        reach = int(np.ceil(lesion.radius_mm / 0.625)) + 2
        box = (slice(s - reach, s + reach + 1), slice(r - reach, r + reach + 1), slice(c - reach, c + reach + 1))
        near[box] = True
        if lesion.kind != "osteophyte":  # of these blocks, an osteophyte may be as dark as what it replaces
            assert difference[box].max() > 0.02, lesion
    assert difference[~near].max() < 0.01  # the percentiles move a little


def test_stored_and_read(tmp_path: Path) -> None:
    values = torch.rand(6, 8, 10)
    write_fine(tmp_path, 4, FineVolume(values, []), {"voxel_mm": 0.625})
    found = read_fine(list_fine(tmp_path)[0])
    assert np.allclose(found.values, values.numpy(), atol=1e-3)
    assert found.record["voxel_mm"] == 0.625
    assert fine_files(tmp_path) == [fine_path(tmp_path, 4)]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"x" * 4000])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = fine_path(tmp_path, 0)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"fine-000000\.npz is not a high-resolution volume"):
        read_fine(path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no high-resolution volumes"):
        list_fine(tmp_path)


def test_pairs_only_options_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["simulate", "-o", str(tmp_path / "fine"), "--high-resolution", "--preview", str(tmp_path / "a.png")]
    assert main(given) == 2
    assert "are for pairs" in capsys.readouterr().err
