"""Dark bone is put right by one option in every command that reads a radiograph, and what it said is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_radiograph import stored
from PIL import Image, ImageDraw
from radiograph_files import write_dicom

from Xray2MRILib.cli import main
from Xray2MRILib.cli.remedy import option_of
from Xray2MRILib.generation.settings import PHOTOMETRIC, GenerationSettings
from Xray2MRILib.radiograph.photometric import PHOTOMETRIC_CHOICES, recorded_photometric


@pytest.fixture
def dark_bone(tmp_path: Path) -> Path:
    """The header says that bone is bright, and it is not."""
    return write_dicom(tmp_path / "dark.dcm", (4095 - stored()).astype(np.uint16), 12)


def printed(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[dict, str]:
    assert main([*arguments, "--json"]) == 0
    streams = capsys.readouterr()
    return json.loads(streams.out), streams.err


def test_the_words_are_those_of_reading() -> None:
    assert PHOTOMETRIC == PHOTOMETRIC_CHOICES


@pytest.mark.parametrize("command", ["generate", "grade", "localize", "progress"])
def test_every_command_that_reads_a_radiograph_has_the_option(command: str) -> None:
    import argparse
    import importlib

    parser = argparse.ArgumentParser()
    importlib.import_module(f"Xray2MRILib.cli.{command}").add_arguments(parser)
    assert option_of(parser, "photometric") == "--photometric auto|normal|inverted"


@pytest.mark.parametrize("command", ["localize", "grade"])
def test_the_warning_names_the_option_and_the_option_answers_it(command, dark_bone, capsys) -> None:
    _, remarks = printed(capsys, [command, str(dark_bone)])
    (line,) = [line for line in remarks.splitlines() if "Bone looks dark" in line]
    assert line.endswith("Option: --photometric auto|normal|inverted.")
    answered, remarks = printed(capsys, [command, str(dark_bone), "--photometric", "inverted"])
    assert "Bone looks dark" not in remarks
    bright = write_dicom(dark_bone.with_name("bright.dcm"), stored(), 12)
    plain, _ = printed(capsys, [command, str(bright)])
    if command == "localize":
        assert answered["knees"][0]["x"] == pytest.approx(plain["knees"][0]["x"])
        assert answered["film"]["inverted"]
    else:
        assert answered["kl_probabilities"] == pytest.approx(plain["kl_probabilities"])


def test_a_wrong_word_is_refused(dark_bone, capsys) -> None:
    assert main(["grade", str(dark_bone), "--photometric", "negative"]) == 2
    assert "auto" in capsys.readouterr().err


def test_a_volume_remembers_the_choice(dark_bone, tiny_model, tmp_path, capsys) -> None:
    """Densify and a report read the radiograph again, and must see the crop that the volume was made from."""
    from Xray2MRILib.generation.volume_from_radiograph import densify, reopen
    from Xray2MRILib.reports.volume_pictures import radiograph_picture
    from Xray2MRILib.volume.pseudo_mri import PseudoMRI

    output = tmp_path / "out.nrrd"
    quick = ["--model", str(tiny_model), "--slices", "2", "--steps", "1", "--device", "cpu"]
    result, _ = printed(capsys, ["generate", str(dark_bone), "-o", str(output), *quick, "--photometric", "inverted"])
    assert not any("dark" in warning for warning in result["warnings"])
    film = json.loads(output.with_suffix(".json").read_text(encoding="utf-8"))["radiograph"]["film"]
    assert (film["inverted"], film["inversion_source"]) == (True, "user")
    earlier = reopen(output, dark_bone, model=str(tiny_model), device="cpu")
    assert earlier.settings.photometric == "inverted"
    assert densify(earlier, 3, tmp_path / "dense.nrrd").volume.num_slices == 3
    assert radiograph_picture(PseudoMRI.load(output), dark_bone)[1]


@pytest.mark.parametrize(
    ("film", "choice"),
    [
        ({"inverted": True, "inversion_source": "user"}, "inverted"),
        ({"inverted": False, "inversion_source": "user"}, "normal"),
        ({"inverted": True, "inversion_source": "picture"}, "auto"),
        ({}, "auto"),
    ],
)
def test_only_the_user_s_word_is_repeated(film, choice) -> None:
    assert recorded_photometric({"film": film}) == choice
    assert GenerationSettings(photometric=choice).photometric == choice


# localize tells its doubts


def test_localize_doubts_what_is_no_knee(tmp_path, capsys) -> None:
    words = Image.new("L", (160, 36))
    ImageDraw.Draw(words).text((4, 10), "KNEE AP STANDING 70 kV", fill=255)
    words.save(tmp_path / "words.png")
    assert main(["localize", str(tmp_path / "words.png")]) == 0
    streams = capsys.readouterr()
    if "No knee was found" in streams.out:
        assert "--roi" in streams.err
        return
    assert "plausibility" in streams.out
    assert "Warning: This may not be a frontal knee radiograph" in streams.err


def test_localize_says_what_to_do_when_nothing_is_found(tmp_path, capsys) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    assert main(["localize", str(tmp_path / "noise.png")]) == 0
    streams = capsys.readouterr()
    assert streams.out == "No knee was found.\n"
    assert ("--roi" in streams.err, "--photometric" in streams.err) == (True, True)


def test_localize_is_calm_about_knees(two_knee_radiograph, capsys) -> None:
    result, remarks = printed(capsys, ["localize", str(two_knee_radiograph)])
    assert [knee["plausible"] for knee in result["knees"]] == [True, True]
    assert (result["warnings"], remarks) == ([], "")


def test_localize_numbers_the_knee_it_doubts() -> None:
    from Xray2MRILib.cli.localize import _doubts

    clear = {"plausible": True, "plausibility": {"reasons": []}, "warnings": []}
    odd = {"plausible": False, "plausibility": {"reasons": ["it is dark"]}, "warnings": ["Small."]}
    sentence = "This may not be a frontal knee radiograph (it is dark)."
    assert _doubts([odd]) == ["Small.", sentence]
    assert _doubts([clear, odd]) == ["Knee 2: Small.", f"Knee 2: {sentence}"]
