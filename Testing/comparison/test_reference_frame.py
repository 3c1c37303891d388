"""Volume files as the real MRI: a frame that is missing, sheared or contradictory is refused; others are read in place.

The right places come from headers written byte by byte here (nifti1.h, the NRRD and MetaImage specifications).
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from volumes import asymmetric_volume

from Xray2MRILib.comparison.compare import compare
from Xray2MRILib.comparison.preconditions import check_not_a_copy, check_not_the_same
from Xray2MRILib.comparison.reference_volume import read_reference
from Xray2MRILib.errors import InputError
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

SHAPE = (14, 22, 26)  # slices, rows, columns
VOXELS = np.random.default_rng(0).integers(1, 900, SHAPE).astype("<i2")
# columns 1.2 mm to the left, rows 1.1 mm downwards, slices 2.5 mm to the back; first voxel at (-10, 5, 30), in RAS
SFORM = (-1.2, 0, 0, -10, 0, 0, -2.5, 5, 0, -1.1, 0, 30)
ORIGIN_LPS, SPACING = (10, -5, 30), (1.2, 1.1, 2.5)
DIRECTION_LPS = (1, 0, 0, 0, 0, 1, 0, -1, 0)


def nifti(*, sform=SFORM, codes=(0, 1), quaternion=(0.0,) * 6, pixdim=(1, *SPACING), dims=None, units=2, order="<",
          magic=b"n+1\0", data=VOXELS, slope=(1, 0), description=b"") -> bytes:  # fmt: skip
    """A NIfTI-1 file of 16-bit integers."""
    head = bytearray(348)
    struct.pack_into(f"{order}i", head, 0, 348)
    struct.pack_into(f"{order}8h", head, 40, *(dims or (3, *SHAPE[::-1], 1, 1, 1, 1)))
    struct.pack_into(f"{order}2h", head, 70, 4, 16)
    struct.pack_into(f"{order}8f", head, 76, *pixdim, *(0,) * (8 - len(pixdim)))
    struct.pack_into(f"{order}3f", head, 108, 352, *slope)
    head[123] = units
    head[148 : 148 + len(description)] = description
    struct.pack_into(f"{order}2h", head, 252, *codes)
    struct.pack_into(f"{order}6f", head, 256, *quaternion)
    struct.pack_into(f"{order}12f", head, 280, *sform)
    head[344:348] = magic
    return bytes(head) + bytes(4) + data.astype(f"{order}i2").tobytes()


def read(path: Path, content: bytes) -> sitk.Image:
    path.write_bytes(content)
    return read_reference(path).image


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_reference(path)
    assert caught.value.message.startswith(f"The reference {path.name} ")
    assert caught.value.hint
    return caught.value.message


def assert_in_place(image: sitk.Image, voxels: np.ndarray = VOXELS) -> None:
    np.testing.assert_allclose(image.GetSpacing(), SPACING, atol=1e-5)
    np.testing.assert_allclose(image.GetOrigin(), ORIGIN_LPS, atol=1e-4)
    np.testing.assert_allclose(image.GetDirection(), DIRECTION_LPS, atol=1e-6)
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), voxels, rtol=1e-6)


def test_nifti_by_sform_and_by_qform(tmp_path):
    assert_in_place(read(tmp_path / "a.nii", nifti()))
    assert_in_place(read(tmp_path / "a.nii", nifti(order=">")))
    assert_in_place(read(tmp_path / "a.nii.gz", gzip.compress(nifti())))
    # the same directions as a quaternion: half a turn about (0, 1, -1) / sqrt 2
    half = np.sqrt(0.5)
    turn = (0, half, -half, -10, 5, 30)
    assert_in_place(read(tmp_path / "a.nii", nifti(codes=(1, 0), quaternion=turn)))
    assert_in_place(read(tmp_path / "a.nii", nifti(codes=(1, 2), quaternion=turn)))
    scaled = read(tmp_path / "a.nii", nifti(slope=(2, 5)))
    assert_in_place(scaled, VOXELS * 2.0 + 5)


def test_a_neighbour_of_the_same_name_is_another_file(tmp_path):
    """The NIfTI library opens knee.nii where knee.nii.gz was meant, and the other way round."""
    (tmp_path / "a.nii").write_bytes(nifti(data=VOXELS[::-1]))
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(nifti()))
    assert_in_place(read_reference(tmp_path / "a.nii.gz").image)
    assert_in_place(read_reference(tmp_path / "a.nii").image, VOXELS[::-1])
    (tmp_path / "a.img").write_bytes(bytes(100))
    (tmp_path / "a.hdr").write_bytes(bytes(100))
    assert_in_place(read_reference(tmp_path / "a.nii.gz").image)


def test_a_left_handed_nifti_is_read_in_its_place(tmp_path):
    """Columns to the right instead: the same voxels, mirrored, at the mirrored place."""
    mirrored = (1.2, *SFORM[1:3], -10 - 1.2 * (SHAPE[2] - 1), *SFORM[4:])
    image = read(tmp_path / "a.nii", nifti(sform=mirrored, data=VOXELS[:, :, ::-1]))
    assert np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) == pytest.approx(-1)
    assert_in_place(_mirrored_back(image))


def _mirrored_back(image: sitk.Image) -> sitk.Image:
    """The image on the right-handed grid, by the places of its voxels."""
    back = sitk.GetImageFromArray(np.zeros(SHAPE, np.float32))
    back.SetSpacing(SPACING)
    back.SetOrigin(ORIGIN_LPS)
    back.SetDirection(DIRECTION_LPS)
    return sitk.Resample(image, back, sitk.Transform(), sitk.sitkNearestNeighbor)


def test_lengths_in_metres_are_metres(tmp_path):
    small = tuple(value / 1000 for value in SFORM)
    assert_in_place(read(tmp_path / "a.nii", nifti(sform=small, pixdim=(1, *(s / 1000 for s in SPACING)), units=1)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codes": (0, 0)}, "does not say how it lies in the patient (neither qform nor sform is set)"),
        ({"pixdim": (1, 1.2, 0, 2.5)}, "has voxels of no size (pixdim)"),
        ({"pixdim": (1, 1.2, float("nan"), 2.5)}, "has voxels of no size (pixdim)"),
        ({"sform": (-1.2, 0.4, 0, 0, 0, 0, -2.5, 0, 0, -1.1, 0, 0)}, "has a sheared frame: its axes are 20.0 degrees"),
        ({"sform": (float("nan"), *SFORM[1:])}, "has a frame with values that are not numbers"),
        ({"sform": (0, 0, 0, 0, *SFORM[4:])}, "has voxels of no size (spacing 0)"),
        ({"sform": (-0.6, *SFORM[1:])}, "contradicts itself: its voxels measure 0.6 x 1.1 x 2.5 mm by sform and 1.2"),
        ({"codes": (1, 0), "quaternion": (float("nan"), 0, 0, 0, 0, 0)}, "has a damaged qform"),
        ({"codes": (1, 0), "quaternion": (1, 1, 0, 0, 0, 0)}, "has a damaged qform"),
        ({"codes": (1, 1), "quaternion": (0, 0, 0, 0, 0, 0)}, "two frames that contradict each other"),
        ({"codes": (1, 1), "pixdim": (-1, *SPACING), "quaternion": (0, 0.5**0.5, -(0.5**0.5), -10, 5, 30)},
         "two frames that contradict each other"),
        ({"magic": b"\0\0\0\0"}, "an Analyze header knows no frame"),
        ({"dims": (4, 26, 22, 7, 2, 1, 1, 1)}, "holds 2 volumes instead of one"),
        ({"dims": (5, 26, 22, 7, 1, 2, 1, 1)}, "holds 2 volumes instead of one"),
        ({"dims": (2, 26, 22, 1, 1, 1, 1, 1)}, "is not a volume of at least 3 slices"),
        ({"dims": (3, 26, 22, 2, 1, 1, 1, 1)}, "is not a volume of at least 3 slices"),
        ({"dims": (3, 26, 0, 14, 1, 1, 1, 1)}, "is damaged: its header gives no size"),
        ({"dims": (3, 26, 22, 15, 1, 1, 1, 1)}, "is cut: voxels are missing at its end"),
        ({"description": b"synthetic, not for diagnosis; grey = stored / 4095"}, "is itself a synthetic volume"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_nifti_that_is_refused(tmp_path, changes, words, packed):
    content = nifti(**changes)
    path = tmp_path / ("scan.nii.gz" if packed else "scan.nii")
    assert words in refusal(path, gzip.compress(content) if packed else content)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.99])
@pytest.mark.parametrize("ending", ["nii", "nii.gz", "nrrd", "mha", "packed.nrrd", "packed.mha"])
def test_cut_files_are_never_filled_up(tmp_path, share, ending):
    path = tmp_path / f"scan.{ending}"
    image = _image()
    sitk.WriteImage(image, str(path), useCompression="packed" in ending)
    content = path.read_bytes()
    assert_in_place(read_reference(path).image)
    refusal(path, content[: int(len(content) * share)])


def _image() -> sitk.Image:
    image = sitk.GetImageFromArray(VOXELS)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN_LPS)
    image.SetDirection(DIRECTION_LPS)
    return image


def test_a_fourth_axis_of_one_is_no_second_volume(tmp_path):
    for ending in ("nii", "nrrd", "mha"):
        sitk.WriteImage(sitk.JoinSeries([_image()]), str(tmp_path / f"one.{ending}"))
        sitk.WriteImage(sitk.JoinSeries([_image(), _image()]), str(tmp_path / f"two.{ending}"))
        if ending != "nrrd":  # SimpleITK names no space there
            assert_in_place(read_reference(tmp_path / f"one.{ending}").image)
        assert "holds 2 volumes instead of one" in refusal(
            tmp_path / f"two.{ending}", (tmp_path / f"two.{ending}").read_bytes()
        )


NRRD = {
    "type": "short", "dimension": "3", "space": "left-posterior-superior", "sizes": "26 22 14",
    "space directions": "(1.2,0,0) (0,0,-1.1) (0,2.5,0)", "space origin": "(10,-5,30)", "endian": "little",
    "encoding": "raw",
}  # fmt: skip


def nrrd(**changes: str | None) -> bytes:
    fields = {**NRRD, **{name.replace("_", " "): value for name, value in changes.items()}}
    lines = ["NRRD0005", *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return "\n".join([*lines, "", ""]).encode() + VOXELS.tobytes()


def test_nrrd_in_all_spaces(tmp_path):
    assert_in_place(read(tmp_path / "a.nrrd", nrrd()))
    ras = {"space_directions": "(-1.2,0,0) (0,0,-1.1) (0,-2.5,0)", "space_origin": "(-10,5,30)"}
    assert_in_place(read(tmp_path / "a.nrrd", nrrd(space="right-anterior-superior", **ras)))
    assert_in_place(read(tmp_path / "a.nrrd", nrrd(space="RAS", **ras)))
    las = {"space_directions": "(1.2,0,0) (0,0,-1.1) (0,-2.5,0)", "space_origin": "(10,5,30)"}
    assert_in_place(read(tmp_path / "a.nrrd", nrrd(space="left-anterior-superior", **las)))
    assert_in_place(read(tmp_path / "a.nrrd", nrrd(space_units='"mm" "mm" "mm"')))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space": None, "space_directions": None, "space_origin": None, "spacings": "1.2 1.1 2.5"},
         "spacings without space directions"),
        ({"space": None, "space_directions": None, "space_origin": None}, "no space directions"),
        ({"space": "scanner-xyz"}, "the space 'scanner-xyz' is none of a patient"),
        ({"space_units": '"cm" "cm" "cm"'}, "measures in cm instead of mm"),
        ({"space_origin": None}, "no space origin"),
        ({"space_directions": "(1.2,0.4,0) (0,0,-1.1) (0,2.5,0)"}, "sheared frame"),
        ({"space_directions": "(0,0,0) (0,0,-1.1) (0,2.5,0)"}, "voxels of no size"),
        ({"space_directions": "(nan,0,0) (0,0,-1.1) (0,2.5,0)"}, "not numbers"),
        ({"dimension": "4", "sizes": "2 26 22 7", "kinds": "list domain domain domain",
          "space_directions": "none (1.2,0,0) (0,0,-1.1) (0,2.5,0)"}, "holds 2 volumes instead of one"),
        ({"dimension": "4", "sizes": "2 26 22 7", "kinds": "2-vector domain domain domain",
          "space_directions": "none (1.2,0,0) (0,0,-1.1) (0,2.5,0)"}, "colours or vectors"),
        ({"encoding": "unknown"}, "is damaged or not an image"),
    ],
)  # fmt: skip
def test_nrrd_that_is_refused(tmp_path, changes, words):
    assert words in refusal(tmp_path / "scan.nrrd", nrrd(**changes))


METAIMAGE = {
    "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
    "TransformMatrix": "1 0 0 0 0 -1 0 1 0", "Offset": "10 -5 30", "ElementSpacing": "1.2 1.1 2.5",
    "DimSize": "26 22 14", "ElementType": "MET_SHORT", "ElementDataFile": "LOCAL",
}  # fmt: skip


def metaimage(**changes: str | None) -> bytes:
    fields = {name: value for name, value in {**METAIMAGE, **changes}.items() if value is not None}
    fields["ElementDataFile"] = fields.pop("ElementDataFile")
    return "".join(f"{name} = {value}\n" for name, value in fields.items()).encode() + VOXELS.tobytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ElementSpacing": None}, "no ElementSpacing"),
        ({"ElementSpacing": "1.2 0 2.5"}, "voxels of no size"),
        ({"TransformMatrix": None}, "no TransformMatrix"),
        ({"Offset": None}, "no Offset"),
        ({"TransformMatrix": "1 0 0 0.3 0 -1 0 1 0"}, "not of unit length"),
        ({"TransformMatrix": "1 0 0 0.28735 0 -0.95783 0 1 0"}, "sheared frame"),
        ({"NDims": "4", "DimSize": "26 22 7 2", "ElementSpacing": "1 1 1 1"}, "holds 2 volumes instead of one"),
    ],
)
def test_metaimage_that_is_refused(tmp_path, changes, words):
    assert_in_place(read(tmp_path / "scan.mha", metaimage()))
    assert words in refusal(tmp_path / "scan.mha", metaimage(**changes))


@pytest.mark.parametrize("ending", ["tif", "vtk", "gipl", "mrc"])
def test_formats_without_a_frame(tmp_path, ending):
    path = tmp_path / f"scan.{ending}"
    sitk.WriteImage(_image(), str(path))
    assert "does not say how it lies in the patient" in refusal(path, path.read_bytes())


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_our_own_volume_without_its_side_car(tmp_path, ending):
    files = asymmetric_volume(7).save(tmp_path / f"knee{ending}")
    files.record.unlink()
    moved = files.volume.rename(tmp_path / f"scan{ending}")
    assert "is itself a synthetic volume" in refusal(moved, moved.read_bytes())


def test_a_copy_without_any_mark_is_refused(pseudo, pseudo_file, tmp_path):
    """Converted elsewhere: other units, other axes, no description, a part of it."""
    stored = pseudo.to_sitk(np.rint(pseudo.array * 4095).astype(np.int16))
    eight_bit = sitk.Cast(sitk.RescaleIntensity(stored, 0, 255), sitk.sitkUInt8)
    for name, (copy, method) in {
        "same": (stored, "rigid"),
        "flipped": (sitk.Flip(eight_bit, (True, False, True)), "rigid"),
        "turned": (sitk.PermuteAxes(stored, (2, 0, 1)), "none"),
        "part": (stored[20:90, 10:110, 2:18], "none"),
    }.items():
        path = tmp_path / f"{name}.nrrd"
        sitk.WriteImage(copy, str(path))
        with pytest.raises(InputError, match=rf"{name}\.nrrd shows the same picture") as caught:
            compare(pseudo_file, path, method=method)
        assert caught.value.code == "reference-synthetic"


def test_other_knees_are_no_copies(pseudo, truth):
    noise = np.random.default_rng(1).normal(0, 0.02, truth.shape).astype(np.float32)
    check_not_the_same(pseudo.array, truth[::-1] + noise, "scan")
    check_not_a_copy(pseudo.array, truth[::-1] + noise, np.ones(truth.shape, bool), "scan")
    check_not_the_same(np.zeros_like(truth), truth, "scan")
    empty = PseudoMRI.from_depth_slices(np.zeros_like(truth), False, {})
    check_not_a_copy(empty.array, truth, np.ones(truth.shape, bool), "scan")
