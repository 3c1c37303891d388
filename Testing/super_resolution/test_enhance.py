"""The command on real files: frame, provenance, consistency, refusals, and nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
sitk = pytest.importorskip("SimpleITK")

from Xray2MRILib.cli import main  # noqa: E402
from Xray2MRILib.errors import Cancelled, InputError  # noqa: E402
from Xray2MRILib.super_resolution.enhance import EnhancementSettings, enhance  # noqa: E402
from Xray2MRILib.super_resolution.enhancement_network import EnhancementUNet  # noqa: E402
from Xray2MRILib.volume.pseudo_mri import PseudoMRI  # noqa: E402

SPACING = (0.9, 0.9, 2.7)
SIZE = (80, 90, 26)


def leg() -> np.ndarray:
    """A grey leg with dark bones and a bright joint, [26, 90, 80]; its axis is that of the rows."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in SIZE[::-1]), indexing="ij")
    away = np.hypot(z / 0.9, x / 0.85)
    grey = np.where(away < 1, 500.0, 0.0)
    grey[(away < 0.6) & (np.abs(y) > 0.06)] = 120.0
    grey[(away < 0.6) & (np.abs(y) <= 0.06)] = 900.0
    noise = np.random.default_rng(0).normal(0, 12, (2, *grey.shape))
    return np.hypot(grey + noise[0], noise[1]).round()


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A coronal scan, obliquely placed, as NRRD."""
    image = sitk.GetImageFromArray(leg().astype(np.int16))
    image.SetSpacing(SPACING)
    image.SetOrigin((-30.0, 12.0, 44.0))
    turn = sitk.Euler3DTransform((0, 0, 0), 0.0, 0.1, 0.05)
    coronal = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)
    image.SetDirection((np.reshape(turn.GetMatrix(), (3, 3)) @ coronal).ravel().tolist())
    path = tmp_path_factory.mktemp("scans") / "scan.nrrd"
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random student that changes a little."""
    torch.manual_seed(1)
    student = EnhancementUNet(width=8, multipliers=(1, 2), blocks=1, residual_scale=0.01)
    torch.nn.init.normal_(student.head[-1].weight, std=0.02)
    folder = tmp_path_factory.mktemp("models") / "small"
    student.save_pretrained(folder / "student")
    torch.manual_seed(2)
    teacher = EnhancementUNet(width=8, multipliers=(1, 2), blocks=1, teacher=True, residual_scale=0.01)
    torch.nn.init.normal_(teacher.head[-1].weight, std=0.5)
    teacher.save_pretrained(folder / "teacher")
    return folder


def centre_mm(image: sitk.Image) -> np.ndarray:
    return np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz", ".mha"])
def test_interpolation_keeps_the_frame_and_explains_the_voxels(scan: Path, tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"fine{ending}"
    assert main(["enhance", str(scan), "-o", str(output), "--spacing", "0.9", "--model", "interpolation"]) == 0
    before, after = sitk.ReadImage(str(scan)), sitk.ReadImage(str(output))
    assert after.GetSize() == (80, 90, 78)
    assert after.GetSpacing() == pytest.approx((0.9, 0.9, 0.9), abs=1e-4)
    assert np.allclose(after.GetDirection(), before.GetDirection(), atol=1e-5)
    assert np.allclose(centre_mm(before), centre_mm(after), atol=1e-3)
    assert after.GetPixelID() == sitk.sitkInt16
    record = json.loads((tmp_path / "fine.json").read_text(encoding="utf-8"))
    facts = record["enhancement"]
    assert facts["model"] == {"name": "interpolation"}
    assert facts["residual_in_noise"] <= 1.1
    assert facts["noise"] == pytest.approx(12, rel=0.25)
    assert facts["measured_spacing_mm"] == pytest.approx(SPACING)
    assert "computed" in record["notice"]
    assert "not for diagnosis" in record["notice"]


def test_a_student_is_named_in_the_record_and_the_header(scan: Path, network: Path, tmp_path: Path) -> None:
    shares = []
    result = enhance(
        scan, tmp_path / "fine.nrrd", EnhancementSettings(spacing_mm=0.9, model=str(network), device="cpu"),
        on_progress=lambda event: shares.append(event["fraction"]),
    )  # fmt: skip
    record = json.loads((tmp_path / "fine.json").read_text(encoding="utf-8"))
    assert record["enhancement"]["model"]["network"] == "student"
    assert len(record["enhancement"]["model"]["weights_sha256"]) == 64
    header = sitk.ReadImage(str(tmp_path / "fine.nrrd"))
    assert header.GetMetaData("Xray2MRI.enhancement.model.name") == "small"
    assert "computed" in header.GetMetaData("Xray2MRI.notice")
    assert str(tmp_path) not in json.dumps(record)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert result["residual_in_noise"] <= 1.1


def test_the_teacher_depends_on_its_seed_alone(scan: Path, network: Path, tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        settings = EnhancementSettings(
            spacing_mm=1.5, model=str(network), teacher=True, steps=1, seed=seed, device="cpu", bias_map=seed == 1
        )
        enhance(scan, tmp_path / f"{name}.nrrd", settings)
        found.append(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.nrrd"))))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_a_pseudo_mri_keeps_both_notices(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    array = np.clip(np.repeat(rng.random((8, 1, 1)), 32, 1).repeat(40, 2), 0, 1).astype(np.float32)
    PseudoMRI(array, {"model": {"name": "tiny"}}).save(tmp_path / "pseudo.nrrd")
    output = tmp_path / "fine.nrrd"
    code = main(
        ["enhance", str(tmp_path / "pseudo.nrrd"), "-o", str(output), "--spacing", "4", "--model", "interpolation"]
    )
    assert code == 0
    record = json.loads((tmp_path / "fine.json").read_text(encoding="utf-8"))
    assert "one radiograph" in record["notice"]
    assert "computed" in record["notice"]
    assert record["pseudo_mri"]["model"]["name"] == "tiny"
    with pytest.raises(InputError, match="enhanced already"):
        enhance(output, tmp_path / "again.nrrd", EnhancementSettings(spacing_mm=1.0, model="interpolation"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--spacing", "0.5"], "5.4 times as fine"),
        (["--spacing", "3"], "already"),
        (["--model", "nowhere"], "no model 'nowhere'"),
        (["--model", "interpolation", "--teacher"], "no teacher"),
        (["--slice-thickness", "0"], "--slice-thickness"),
        (["--steps", "0"], "--steps"),
    ],
)
def test_refusals(scan: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list, words: str) -> None:
    given = ["enhance", str(scan), "-o", str(tmp_path / "fine.nrrd"), "--model", "interpolation", *options]
    assert main(given) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []


def test_a_volume_without_spacing_is_refused(tmp_path: Path) -> None:
    bare = tmp_path / "bare.nrrd"
    data = leg().astype("<i2").tobytes()
    head = "NRRD0004\ntype: int16\ndimension: 3\nsizes: 80 90 26\nendian: little\nencoding: raw\n\n"
    bare.write_bytes(head.encode() + data)
    with pytest.raises(InputError, match=r"The volume bare.nrrd .*how it lies") as refused:
        enhance(bare, tmp_path / "fine.nrrd", EnhancementSettings(model="interpolation"))
    assert "reference" not in refused.value.sentence().lower()
    assert not (tmp_path / "fine.nrrd").exists()


def test_a_foreign_json_is_not_overwritten(scan: Path, tmp_path: Path) -> None:
    (tmp_path / "fine.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="would be overwritten"):
        enhance(scan, tmp_path / "fine.nrrd", EnhancementSettings(spacing_mm=0.9, model="interpolation"))
    assert (tmp_path / "fine.json").read_text(encoding="utf-8") == "{}"


def test_an_enhanced_volume_does_not_take_the_record_of_its_source(tmp_path: Path) -> None:
    """pseudo.mha would be written with pseudo.json, which pseudo.nrrd needs."""
    array = np.linspace(0, 1, 8 * 32 * 40, dtype=np.float32).reshape(8, 32, 40)
    PseudoMRI(array, {"model": {"name": "tiny"}}).save(tmp_path / "pseudo.nrrd")
    before = (tmp_path / "pseudo.json").read_bytes()
    settings = EnhancementSettings(spacing_mm=4.0, model="interpolation")
    with pytest.raises(InputError, match=r"pseudo.json would be overwritten, and it is that of the volume pseudo.nrrd"):
        enhance(tmp_path / "pseudo.nrrd", tmp_path / "pseudo.mha", settings)
    assert (tmp_path / "pseudo.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pseudo.json", "pseudo.nrrd"]


def test_cancelled_in_the_middle_leaves_nothing(scan: Path, network: Path, tmp_path: Path) -> None:
    asked = iter([False] * 6 + [True] * 100)
    with pytest.raises(Cancelled):
        enhance(
            scan, tmp_path / "fine.nrrd", EnhancementSettings(spacing_mm=0.9, model=str(network), device="cpu"),
            should_cancel=lambda: next(asked),
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_teacher_is_no_student(scan: Path, network: Path, tmp_path: Path) -> None:
    settings = EnhancementSettings(spacing_mm=0.9, model=str(network / "teacher"), device="cpu")
    with pytest.raises(InputError, match="is a teacher, not a student"):
        enhance(scan, tmp_path / "fine.nrrd", settings)
