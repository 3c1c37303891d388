"""The command as a user runs it, mostly as real processes: outputs, streams, exit codes, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from Xray2MRILib.cli import COMMANDS, main
from Xray2MRILib.volume.pseudo_mri import PseudoMRI

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def _start(*arguments: object, **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "Xray2MRILib", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT, **options}
    return subprocess.Popen(command, **options)


def _run(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    process = _start(*arguments, **options)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def quick(tiny_model):
    """Options that make a run short."""
    return ["--model", tiny_model, "--slices", "4", "--steps", "2", "--device", "cpu"]


def test_help_is_quick_and_loads_nothing_heavy():
    times = []
    for _ in range(3):
        started = time.perf_counter()
        done = _run("--help")
        times.append(time.perf_counter() - started)
    assert min(times) < 1.0
    assert all(command in done.stdout for command in COMMANDS)

    heavy = ("torch", "diffusers", "numpy", "scipy", "skimage", "SimpleITK", "pydicom", "PIL", "vtk")
    program = (
        "import sys; from Xray2MRILib.cli import main; "
        "[main([name, '--help']) for name in " + repr(list(COMMANDS)) + "]; "
        f"sys.exit(', '.join(name for name in {heavy!r} if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "RADIOGRAPH" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command, capsys):
    assert main([command, "--help"]) == 0
    assert f"xray2mri {command}" in capsys.readouterr().out


def test_generate_writes_everything_and_keeps_the_streams_apart(knee_radiograph, quick, tmp_path):
    done = _run(
        "generate", knee_radiograph, "-o", tmp_path / "knee.nrrd", "--montage", tmp_path / "knee.png", *quick, "--json"
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "knee.json", "knee.nrrd", "knee.png", "knee_noise_free.nrrd"
    ]  # fmt: skip
    assert result["noise_free"] == str(tmp_path / "knee_noise_free.nrrd")
    assert result["volume"] == str(tmp_path / "knee.nrrd")
    assert result["slices"] == 4
    assert result["size"] == [256, 256, 4]
    assert result["spacing_mm"] == pytest.approx([0.625, 0.625, 73.5 / 3])
    assert result["deviation"] is None
    assert {"read", "localise", "prepare", "load model", "volume", "write"} <= set(result["timings_s"])
    for line in done.stderr.splitlines():
        assert line.startswith(("[", "Warning: ")), line

    record = json.loads((tmp_path / "knee.json").read_text(encoding="utf-8"))
    assert "not for diagnosis" in record["notice"]
    assert record["koa"] == result["koa"]
    assert record["plausibility"]["plausible"] is result["plausible"]
    text = (tmp_path / "knee.json").read_text(encoding="utf-8") + done.stderr
    assert knee_radiograph.name not in text
    assert str(knee_radiograph.parent) not in text


def test_the_same_call_gives_the_same_volume_and_another_seed_another(knee_radiograph, quick, tmp_path, capsys):
    volumes = []
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert (
            main([*map(str, ("generate", knee_radiograph, "-o", tmp_path / f"{name}.mha", *quick, "--seed", seed))])
            == 0
        )
        volumes.append(PseudoMRI.load(tmp_path / f"{name}.mha").array)
    np.testing.assert_array_equal(volumes[0], volumes[1])
    assert not np.array_equal(volumes[0], volumes[2])


def test_noise_changes_what_is_shown_and_nothing_that_is_measured(knee_radiograph, quick, tmp_path, capsys):
    volumes = {}
    for noise in (0, 0.5, 1):
        output = tmp_path / f"noise{noise}.nrrd"
        assert main([*map(str, ("generate", knee_radiograph, "-o", output, *quick, "--noise", noise))]) == 0
        assert ("noise-free" in capsys.readouterr().out) is bool(noise)
        volumes[noise] = PseudoMRI.load(output)
        assert volumes[noise].provenance["acquisition"]["scanner_noise"] == noise
        np.testing.assert_array_equal(volumes[noise].array, volumes[0].array)
    assert volumes[0].acquired is None
    assert not np.array_equal(volumes[0.5].shown, volumes[1].shown)


def test_several_samples_write_their_deviation(knee_radiograph, quick, tmp_path, capsys):
    arguments = ("generate", knee_radiograph, "-o", tmp_path / "knee.nii.gz", *quick)
    assert main([*map(str, (*arguments, "--samples", 3, "--kl-grade", 2))]) == 0
    printed = capsys.readouterr().out
    assert (tmp_path / "knee_deviation.nii.gz").exists()
    assert "knee_deviation.nii.gz" in printed
    several = PseudoMRI.load(tmp_path / "knee.nii.gz")
    assert several.deviation.max() > 0
    assert main([*map(str, (*arguments, "--kl-grade", 2))]) == 0
    # the volume is that of the first seed; the deviation of another run is gone
    np.testing.assert_array_equal(PseudoMRI.load(tmp_path / "knee.nii.gz").array, several.array)
    assert not (tmp_path / "knee_deviation.nii.gz").exists()


def test_the_users_choices_reach_the_record(two_knee_radiograph, quick, tmp_path, capsys):
    choices = ("--roi", "20,10,140,140", "--side", "left", "--kl", "0.1,0.2,0.4,0.2,0.1", "--keep-identifiers")
    more = ("--guidance-scale", "2", "--sampler", "dpm", "--seed", "9", "--json")
    arguments = ("generate", two_knee_radiograph, "-o", tmp_path / "knee.nrrd", *quick, *choices, *more)
    assert main([*map(str, arguments)]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["side"], result["side_source"], result["box_source"]) == ("left", "user", "user")
    assert result["koa"] == {"values": pytest.approx([0.1, 0.2, 0.4, 0.2, 0.1]), "source": "given"}
    record = json.loads((tmp_path / "knee.json").read_text(encoding="utf-8"))
    assert record["sampling"]["sampler"] == "dpm"
    assert record["sampling"]["guidance_scale"] == 2
    assert record["sampling"]["seed"] == 9
    assert record["volume"]["mirrored"] is True
    assert record["identifiers"]["radiograph"] == str(two_knee_radiograph)


def test_a_radiograph_of_two_knees(two_knee_radiograph, quick, tmp_path, capsys):
    assert main(["localize", str(two_knee_radiograph), "--json", "--picture", str(tmp_path / "boxes.png")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [knee["side"] for knee in found["knees"]] == ["right", "left"]
    assert (tmp_path / "boxes.png").read_bytes().startswith(b"\x89PNG")

    boxes = {}
    for number, side in ((1, "right"), (2, "left")):
        arguments = ("generate", two_knee_radiograph, "-o", tmp_path / f"{number}.nrrd", *quick, "--json")
        assert main([*map(str, (*arguments, "--knee", number))]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["side"] == side
        assert result["knees_found"] == 2
        boxes[side] = result["box"]
    assert boxes["right"]["x"] < boxes["left"]["x"]

    assert main([*map(str, (*arguments, "--side", "left"))]) == 0
    assert json.loads(capsys.readouterr().out)["box"] == boxes["left"]
    assert main([*map(str, arguments)]) == 0
    printed = capsys.readouterr()
    assert "2 knees were found" in " ".join(json.loads(printed.out)["warnings"])
    assert "Warning: 2 knees were found" in printed.err


def test_a_picture_of_something_else_is_done_with_a_visible_warning(quick, tmp_path, capsys):
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 255, (300, 300)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert main([*map(str, ("generate", tmp_path / "noise.png", "-o", tmp_path / "out.nrrd", *quick))]) == 0
    assert "may not be a frontal knee" in capsys.readouterr().err
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["plausibility"]["plausible"] is False


def test_grade_prints_bars_and_json(knee_radiograph, capsys):
    assert main(["grade", str(knee_radiograph)]) == 0
    assert sum(line.startswith("KL-") for line in capsys.readouterr().out.splitlines()) == 5
    assert main(["grade", str(knee_radiograph), "--json"]) == 0
    graded = json.loads(capsys.readouterr().out)
    assert sum(graded["kl_probabilities"]) == pytest.approx(1)
    assert len(graded["intensity_histogram"]) == 64
    assert sum(graded["intensity_histogram"]) == pytest.approx(1, abs=1e-5)


def test_info_describes_a_model(tiny_model, capsys):
    assert main(["info", str(tiny_model), "--json", "--device", "cpu"]) == 0
    described = json.loads(capsys.readouterr().out)
    size = sum(path.stat().st_size for path in tiny_model.rglob("*.safetensors"))
    assert described["size_mb"] == pytest.approx(size / 1e6, abs=0.01)
    assert described["card"]["preset"] == "tiny"
    assert all(len(digest) == 64 for digest in described["weights_sha256"].values())
    speed = described["speed"]
    assert speed["seconds_for_50_slices_at_20_steps"] >= speed["seconds_for_50_slices_at_the_models_steps"] > 0
    assert main(["info", str(tiny_model), "--no-timing"]) == 0
    assert "licence" in capsys.readouterr().out


def test_progress_without_a_terminal_is_plain_lines(knee_radiograph, quick, tmp_path):
    process = _start("generate", knee_radiograph, "-o", tmp_path / "knee.nrrd", *quick)
    first = process.stderr.readline()
    assert first.startswith("[....")
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "\r" not in rest
    assert "\x1b" not in rest
    assert "100% done" in rest


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals of POSIX")
def test_progress_on_a_terminal_is_one_moving_line(knee_radiograph, quick, tmp_path):
    import pty

    ours, theirs = pty.openpty()
    process = _start("generate", knee_radiograph, "-o", tmp_path / "knee.nrrd", *quick, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        shown += data
    os.close(ours)
    process.communicate(timeout=300)
    text = shown.decode()
    assert text.count("\r\x1b[K") > 5
    assert "100% done" in text
    # one line for the bar, one for the notice, and the warnings
    assert len([line for line in text.split("\n") if line.strip() and "Warning" not in line]) <= 3


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_leaves_nothing(knee_radiograph, quick, tmp_path):
    process = _start(
        "generate", knee_radiograph, "-o", tmp_path / "knee.nrrd", *quick, "--slices", "400", "--steps", "500"
    )
    for line in process.stderr:
        if "sample" in line:
            break
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "xray2mri: Cancelled."
    assert "Traceback" not in rest
    assert list(tmp_path.iterdir()) == []


def test_debug_shows_the_traceback(tmp_path):
    done = _run("grade", tmp_path / "missing.png", env={**ENVIRONMENT, "XRAY2MRI_DEBUG": "1"})
    assert done.returncode == 2
    assert "Traceback" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_leaves_early_is_no_failure(tiny_model):
    reading, writing = os.pipe()
    process = _start("info", tiny_model, "--no-timing", stdout=writing)
    os.close(writing)
    os.close(reading)
    _, rest = process.communicate(timeout=300)
    assert process.returncode == 0
    assert rest == ""
