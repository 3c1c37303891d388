"""Scans of the archive's shape become the paper's volume, voxel for voxel; faulty ones are refused for their fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_archive import DESCRIPTION, PIXELS, SLICES, scan_datasets, write_scan

from Xray2MRILib.errors import InputError
from Xray2MRILib.real_pairs.coronal_scan import read_coronal_scan


def expected(voxels: np.ndarray, side: str = "right") -> np.ndarray:
    """What the paper does to a scan, written out: slices 13 to 62, means of 2 x 2, one scale, a right knee."""
    chosen = voxels[13:63].astype(np.float64)
    halved = (chosen[:, ::2, ::2] + chosen[:, 1::2, ::2] + chosen[:, ::2, 1::2] + chosen[:, 1::2, 1::2]) / 4
    low, high = np.percentile(halved, (0.5, 99.5))
    scaled = np.clip((halved - low) / (high - low), 0, 1)
    return scaled[:, :, ::-1] if side == "left" else scaled


def refused(folder: Path, datasets: list, side: str = "right") -> str:
    with pytest.raises(InputError) as caught:
        read_coronal_scan(write_scan(folder, datasets), side)
    assert caught.value.hint
    assert "\n" not in caught.value.sentence()
    return caught.value.message


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("anterior_first", [True, False])
def test_slices_are_those_of_the_paper(tmp_path: Path, voxels: np.ndarray, side: str, anterior_first: bool) -> None:
    scan = read_coronal_scan(
        write_scan(tmp_path / "s", scan_datasets(voxels, side, anterior_first=anterior_first)), side
    )
    np.testing.assert_allclose(scan.volume, expected(voxels, side), atol=2e-6)
    assert scan.record["matrix"] == [PIXELS, PIXELS]
    assert scan.record["slices"] == SLICES
    assert scan.record["parameters"]["EchoTime"] == pytest.approx(7.57)
    assert not scan.remarks


def test_turned_and_compressed_files_give_the_same_volume(tmp_path: Path, voxels: np.ndarray) -> None:
    """Rows from inferior to superior and columns from left to right, in RLE and JPEG 2000."""
    from pydicom.uid import JPEG2000Lossless, RLELossless

    datasets = scan_datasets(np.ascontiguousarray(voxels[:, ::-1, ::-1]))
    edge = (PIXELS - 1) / 2 * 0.3125
    for place, dataset in enumerate(datasets):
        dataset.ImageOrientationPatient = [-1, 0, 0, 0, 0, 1]
        dataset.ImagePositionPatient = [edge, dataset.ImagePositionPatient[1], -edge]
        if place % 20 == 0:
            dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
        elif place % 20 == 10:
            dataset.compress(RLELossless, generate_instance_uid=False)
    scan = read_coronal_scan(write_scan(tmp_path / "s", datasets), "right")
    np.testing.assert_allclose(scan.volume, expected(voxels), atol=2e-6)


def test_numbers_of_slices_do_not_decide_their_order(tmp_path: Path, voxels: np.ndarray) -> None:
    """Two slices with one number, and files named in another order: positions decide."""
    datasets = scan_datasets(voxels)
    datasets[30].InstanceNumber = datasets[31].InstanceNumber
    scan = read_coronal_scan(write_scan(tmp_path / "s", datasets[40:] + datasets[:40]), "right")
    np.testing.assert_allclose(scan.volume, expected(voxels), atol=2e-6)


def test_the_sequence_is_chosen_among_others(tmp_path: Path, voxels: np.ndarray) -> None:
    """A scan of another sequence in the same folder, as large; and a folder of series folders."""
    other = scan_datasets(voxels[:, ::8, ::8], SeriesDescription="SAG_3D_DESS_RIGHT", SeriesInstanceUID="1.2.9",
                          SequenceName="*de3d1", EchoTime=4.7)  # fmt: skip
    folder = write_scan(tmp_path / "together", scan_datasets(voxels) + other)
    np.testing.assert_allclose(read_coronal_scan(folder, "right").volume, expected(voxels), atol=2e-6)

    write_scan(tmp_path / "study" / "1", other)
    with pytest.raises(InputError, match=r"study contains no coronal 3-D FLASH"):
        read_coronal_scan(tmp_path / "study", "right")
    write_scan(tmp_path / "study" / "3", scan_datasets(voxels))
    np.testing.assert_allclose(read_coronal_scan(tmp_path / "study", "right").volume, expected(voxels), atol=2e-6)


@pytest.mark.slow
def test_faulty_series_are_refused_for_their_fault(tmp_path: Path, voxels: np.ndarray) -> None:
    small = np.ascontiguousarray(voxels[:, ::8, ::8])  # the same geometry in 64 x 64

    def datasets(**elements):
        return scan_datasets(small, **elements)

    gone = datasets()
    del gone[30:32]
    assert "slices 31 to 32" in refused(tmp_path / "gap", gone).replace("31 and 32", "31 to 32")
    assert "79 slices instead of 80" in refused(tmp_path / "short", datasets()[:-1])
    assert "2 stacks of slices" in refused(
        tmp_path / "echoes", datasets() + datasets(EchoTime=11.0, EchoNumbers=2, SeriesInstanceUID="1.2.3.9000099.7")
    )
    mixed = datasets()
    for dataset in mixed[:30]:
        dataset.PixelSpacing = [2.0, 2.0]
    assert "stack" in refused(tmp_path / "spacing", mixed) or "incomplete" in refused(tmp_path / "spacing", mixed)
    doubled = datasets()
    doubled[10].ImagePositionPatient = doubled[11].ImagePositionPatient
    assert "at one place" in refused(tmp_path / "place", doubled)
    assert "shows the left knee" in refused(tmp_path / "side", datasets(SeriesDescription="COR_T1_3D_FLASH_LEFT"))
    assert "not described" in refused(tmp_path / "dess", datasets(SeriesDescription="SAG_3D_DESS_RIGHT"))
    assert "EchoTime of 70" in refused(tmp_path / "echo", datasets(EchoTime=70))
    assert "120 x 120 mm" in refused(tmp_path / "field", datasets(PixelSpacing=[1.875, 1.875]))
    sagittal = datasets()
    for place, dataset in enumerate(sagittal):
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [1.5 * place, 0, 0]
    assert "not coronal" in refused(tmp_path / "sagittal", sagittal)
    written = write_scan(tmp_path / "cut", datasets())
    (written / "040").write_bytes((written / "040").read_bytes()[:3000])
    with pytest.raises(InputError, match="damaged or cut"):
        read_coronal_scan(written, "right")


def test_an_oblique_scan_is_coronal(tmp_path: Path, voxels: np.ndarray) -> None:
    small = np.ascontiguousarray(voxels[:, ::8, ::8])
    datasets = scan_datasets(small, SeriesDescription=DESCRIPTION.format(side="RIGHT"))
    turn = np.radians(20)
    row, column = np.array([np.cos(turn), np.sin(turn), 0]), np.array([0, 0, -1.0])
    normal = np.cross(row, column)
    for place, dataset in enumerate(datasets):  # acquired from anterior to posterior
        dataset.ImageOrientationPatient = [f"{value:.6f}" for value in (*row, *column)]
        dataset.ImagePositionPatient = [f"{value:.6f}" for value in -normal * np.sign(normal[1]) * -1.5 * place]
    scan = read_coronal_scan(write_scan(tmp_path / "s", datasets), "right")
    whole = expected(small.repeat(8, 1).repeat(8, 2))  # without the smooth steps between its coarse pixels
    for found, wanted in zip(scan.volume, whole, strict=True):
        assert np.corrcoef(found.ravel(), wanted.ravel())[0, 1] > 0.95
    np.testing.assert_allclose(scan.volume.mean(axis=(1, 2)), whole.mean(axis=(1, 2)), atol=0.05)
