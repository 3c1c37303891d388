"""Bad input at the door: whatever is wrong, one sentence on stderr, exit code 1 or 2, no traceback and no file.

More than 300 cases: mutated real radiographs in all formats, impossible options, broken models, unwritable places.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bad_radiographs import mutations, radiograph_bytes, write_dicom

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ("png", "jpg", "tif", "webp", "dcm", "nrrd", "nii.gz", "mha")


def test_the_case_without_fault_succeeds(door, arguments):
    assert door.knock(*arguments(), must_refuse=False) == 0


@pytest.mark.parametrize("ending", FORMATS)
def test_mutated_radiographs(door, arguments, knee_radiograph, tmp_path, ending):
    whole = radiograph_bytes(knee_radiograph, ending, tmp_path)
    for case, data in mutations(whole, ending).items():
        radiograph = tmp_path / f"film.{ending}"
        radiograph.write_bytes(data)
        door.knock(*arguments(radiograph=radiograph), must_refuse=not data, case=f"{ending} {case}")
    # a reader may forgive damage within the pixels, not all of this
    assert door.refused >= 7


def test_files_that_are_no_radiograph(door, arguments, tmp_path):
    import SimpleITK as sitk

    volume = tmp_path / "volume.nrrd"
    sitk.WriteImage(
        sitk.GetImageFromArray(np.random.default_rng(0).integers(0, 99, (30, 64, 64)).astype(np.int16)), volume
    )
    frames = tmp_path / "frames.dcm"
    write_dicom(np.zeros((64, 64)), frames, NumberOfFrames=2, PixelData=bytes(2 * 64 * 64))
    computed_tomography = tmp_path / "ct.dcm"
    write_dicom(np.arange(4096).reshape(64, 64), computed_tomography, Modality="CT")
    pictures = {
        "constant": np.full((200, 200), 7, np.uint8),
        "single pixel": np.zeros((1, 1), np.uint8),
        "single row": np.arange(200, dtype=np.uint8)[None],
    }
    from PIL import Image

    paths = [volume, frames, computed_tomography, tmp_path, tmp_path / "missing.png", Path("")]
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    nan = tmp_path / "nan.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.full((100, 100), np.nan, np.float32)), nan)
    locked = tmp_path / "locked.pdf"
    locked.write_bytes(b"%PDF-1.7\n1 0 obj<</Encrypt 2 0 R>>endobj")
    for path in (*paths, nan, locked):
        assert door.knock(*arguments(radiograph=path), case=path.name) == 2


BAD_VALUES = {
    "--slices": ("1", "0", "-3", "501", "1e9", "2.5", "many", "", "nan", "99999999999999999999"),
    "--steps": ("0", "-1", "1001", "1.5", "few", "", "inf"),
    "--seed": ("-1", "9223372036854775808", "1.0", "x", ""),
    "--samples": ("0", "-2", "101", "1.1", "x", ""),
    "--noise-scale": ("0", "1.1", "-1", "nan", "x", ""),
    "--guidance-scale": ("-1", "20.1", "nan", "inf", "-inf", "x", "", "1,5"),
    "--roi": (
        "", "1", "1,2,3", "1,2,3,4,5", "a,b,c,d", "0,0,0,0", "0,0,50,-50", "nan,0,50,50", "inf,0,50,50", "0,0,1e9,1e9",
        "5000,5000,100,100", "0,0,7,7", ",,,", "0;0;50;50", "1e400,0,50,50",
    ),
    "--kl": (
        "", "1", "1,0,0,0", "1,0,0,0,0,0", "0,0,0,0,0", "1,1,1,1,1", "-1,1,1,0,0", "nan,0,0,0,1", "inf,0,0,0,0",
        "a,b,c,d,e", "0.2,0.2,0.2,0.2", "2,-1,0,0,0", "0.5;0.5;0;0;0",
    ),
    "--kl-grade": ("-1", "5", "2.5", "x", "", "nan"),
    "--side": ("both", "", "Left", "r", "0"),
    "--sampler": ("euler", "", "DDIM", "1"),
    "--device": ("tpu", "", "cuda:99", "gpu", "CPU"),
    "--knee": ("0", "-1", "3", "21", "x", "", "1.5"),
    "--model": ("", "no/such/model/at/all", "../nothing", "compact2", "/dev/null", "/etc/passwd", "..", "/"),
    "--montage": ("picture.jpg", "picture", "", "/proc/picture.png", "/missing/folder/picture.png", "."),
}  # fmt: skip


@pytest.mark.parametrize("option", BAD_VALUES)
def test_impossible_options(door, arguments, option):
    for value in BAD_VALUES[option]:
        # --knee 3 needs a look at the radiograph, a model its folder; all others are refused before that
        door.knock(*arguments(f"{option}={value}"), case=f"{option}={value}")


def test_impossible_command_lines(door, arguments, knee_radiograph):
    radiograph = str(knee_radiograph)
    for given in (
        [],
        ["fly"],
        ["--frobnicate"],
        ["generate"],
        ["generate", radiograph],
        ["generate", "-o", "x.nrrd"],
        ["generate", radiograph, radiograph, "-o", "x.nrrd"],
        arguments("--no-such-option"),
        arguments("--kl-grade", "2", "--kl", "1,0,0,0,0"),
        arguments("--knee", "1", "--roi", "0,0,100,100"),
        arguments("--slice", "5"),  # no guessing of abbreviations
        arguments("--seed", "9223372036854775807", "--samples", "2"),
        ["localize"],
        ["localize", "missing.png"],
        ["localize", radiograph, "--picture", "x.jpg"],
        ["localize", radiograph, "--picture", "/missing/folder/x.png"],
        ["grade"],
        ["grade", "missing.png"],
        ["grade", radiograph, "--roi", "1,2"],
        ["info", "/no/such/model"],
        ["info", "compact", "more"],
        ["simulate"],
        ["simulate", "-o", radiograph],
        ["simulate", "-o", "x", "--count", "0"],
        ["simulate", "-o", "x", "--count", "5", "--first", "5"],
        ["simulate", "-o", "x", "--seed", "-1"],
        ["train"],
        ["train", "unet", "-o", "x"],
        ["train", "diffusion"],
        ["train", "diffusion", "-o", radiograph],
        ["train", "diffusion", "-o", "x", "--config", radiograph],
        ["train", "diffusion", "-o", "x", "--config", "missing.json"],
        ["train", "diffusion", "-o", "x", "--set", "nothing=1"],
        ["train", "diffusion", "-o", "x", "--set", "steps"],
        ["train", "diffusion", "-o", "x", "--set", "steps.more=1"],
    ):
        assert door.knock(*given) == 2


def test_places_that_cannot_be_written(door, arguments, knee_radiograph, tmp_path):
    (tmp_path / "a file").write_text("x", encoding="utf-8")
    (tmp_path / "folder.nrrd").mkdir()
    os.symlink(tmp_path / "loop.nrrd", tmp_path / "loop.nrrd")
    (tmp_path / "notes.json").write_text('{"of": "somebody else"}', encoding="utf-8")
    before = (tmp_path / "notes.json").read_bytes()
    for output in (
        "", ".", "volume", "volume.png", ".nrrd", "volume.nrrd.exe", "/missing/folder/volume.nrrd", "/proc/volume.nrrd",
        "/dev/null", f"{tmp_path}/a file/volume.nrrd", f"{tmp_path}/folder.nrrd", f"{tmp_path}/loop.nrrd",
        f"{tmp_path}/notes.nrrd", f"{tmp_path}/{'long' * 80}.nrrd",
    ):  # fmt: skip
        # a place without any room is a failure, all others are the user's mistakes
        assert door.knock(*arguments(output=output), case=output) == (1 if output.startswith("/proc") else 2)
    assert (tmp_path / "notes.json").read_bytes() == before


def test_the_radiograph_is_never_overwritten(door, arguments, knee_radiograph, tmp_path):
    import SimpleITK as sitk
    from PIL import Image

    radiograph = door.folder / "film.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(np.asarray(Image.open(knee_radiograph).convert("L"))), radiograph)
    picture = door.folder / "film.png"
    Image.open(knee_radiograph).convert("L").save(picture)
    before = radiograph.read_bytes(), picture.read_bytes()
    assert door.knock(*arguments(radiograph=radiograph, output=str(radiograph))) == 2
    assert door.knock(*arguments("--montage", str(picture), radiograph=picture)) == 2
    assert (radiograph.read_bytes(), picture.read_bytes()) == before


def test_broken_models(door, arguments, tiny_model, tmp_path):
    def knock(change) -> None:
        folder = tmp_path / "model"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tiny_model, folder)
        change(folder)
        door.knock(*arguments("--model", str(folder)), case=f"{change.__name__} {path}")

    rng = np.random.default_rng(0)

    def missing(folder: Path) -> None:
        (folder / path).unlink()

    def emptied(folder: Path) -> None:
        (folder / path).write_bytes(b"")

    def truncated(folder: Path) -> None:
        (folder / path).write_bytes((folder / path).read_bytes()[: (folder / path).stat().st_size // 2])

    def tampered(folder: Path) -> None:
        data = bytearray((folder / path).read_bytes())
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        (folder / path).write_bytes(data)

    def replaced_by_a_folder(folder: Path) -> None:
        (folder / path).unlink()
        (folder / path).mkdir()

    files = sorted(item.relative_to(tiny_model) for item in tiny_model.rglob("*") if item.is_file())
    for path in files:
        for change in (missing, emptied, truncated, tampered, replaced_by_a_folder):
            if path.name == "checksums.json" and change is missing:
                continue  # models from elsewhere have none
            knock(change)
    assert door.cases >= 35

    def pickled(folder: Path) -> None:
        weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
        weights.unlink()
        # unpickling this would leave a file behind, which would be noticed
        weights.with_suffix(".bin").write_bytes(b"cos\nsystem\n(S'touch %s/out.nrrd'\ntR." % str(door.folder).encode())

    def with_a_foreign_path_in_its_checksums(folder: Path) -> None:
        table = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))
        (folder / "checksums.json").write_text(json.dumps({**table, "../../etc/passwd": "0" * 64}), encoding="utf-8")

    def of_another_kind(folder: Path) -> None:
        index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
        (folder / "model_index.json").write_text(
            json.dumps({**index, "unet": ["diffusers", "UNet2DModel"]}), encoding="utf-8"
        )
        (folder / "checksums.json").unlink()

    for change in (pickled, with_a_foreign_path_in_its_checksums, of_another_kind):
        knock(change)


def _command(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "Xray2MRILib", *arguments], env=environment, capture_output=True, text=True, **options
    )


def test_a_real_process_says_the_same(arguments, knee_radiograph, tmp_path):
    radiograph = tmp_path / "film.png"
    radiograph.write_bytes(radiograph_bytes(knee_radiograph, "png", tmp_path)[:900])
    for given, code in ((["generate"], 2), (arguments(radiograph=radiograph), 2), (arguments("--slices", "1"), 2)):
        done = _command(*given)
        lines = [line for line in done.stderr.splitlines() if not line.startswith("[")]
        assert done.returncode == code
        assert len(lines) == 1
        assert lines[0].startswith("xray2mri: ")
        assert done.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk(arguments, tmp_path):
    import resource

    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))

    done = _command(*arguments("--montage", str(tmp_path / "output" / "out.png")), preexec_fn=no_large_files)
    assert done.returncode == 1
    assert "disk" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "output").iterdir()) == []
