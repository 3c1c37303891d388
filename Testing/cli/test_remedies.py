"""Errors and warnings name a setting; the shell adds the option that sets it, as the command's own parser calls it."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

import pytest

from Xray2MRILib.cli import main
from Xray2MRILib.cli.remedy import append_option, option_of
from Xray2MRILib.errors import InputError, Notice, fields_of
from Xray2MRILib.generation.prepared_knee import prepare_knee
from Xray2MRILib.generation.settings import SETTINGS, GenerationSettings
from Xray2MRILib.radiograph.reading import read_radiograph


def parser_of(command: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"Xray2MRILib.cli.{command}").add_arguments(parser)
    return parser


@pytest.mark.parametrize(
    ("command", "field", "option"),
    [
        ("generate", "roi", "--roi X,Y,W,H"),
        ("generate", "side", "--side auto|left|right"),
        ("generate", "kl_grade", "--kl-grade G"),
        ("generate", "keep_identifiers", "--keep-identifiers"),
        ("generate", "scanner_noise", "--noise X"),
        ("evaluate", "align", "--align rigid|similarity|none"),
        ("progress", "towards_roi", "--towards-roi X,Y,W,H"),
        ("train", "resume", "--resume"),
        ("train", "autoencoder", "--set autoencoder=VALUE"),
        ("generate", "radiograph", ""),
        ("localize", "roi", ""),
    ],
)
def test_options_are_those_of_the_parser(command: str, field: str, option: str) -> None:
    assert option_of(parser_of(command), field) == option
    assert append_option("Fault.", field, parser_of(command)) == (f"Fault. Option: {option}." if option else "Fault.")


def test_every_setting_of_a_generation_is_an_option_of_generate() -> None:
    parser = parser_of("generate")
    assert all(option_of(parser, name).startswith("--") for name in SETTINGS)


def test_no_remedy_without_a_setting_or_a_command() -> None:
    assert append_option("Fault.", "", parser_of("generate")) == "Fault."
    assert append_option("Fault.", "roi", None) == "Fault."


@pytest.mark.parametrize("command", ["generate", "grade"])
def test_an_error_is_followed_by_the_option(
    command: str, knee_radiograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["-o", str(tmp_path / "out.nrrd")] if command == "generate" else []
    assert main([command, str(knee_radiograph), *output, "--roi", "5000,5000,100,100"]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("xray2mri: ")]
    assert line.startswith("xray2mri: The rectangle 5000,5000,100,100 is mostly outside the radiograph. Give x, y")
    assert line.endswith(" Option: --roi X,Y,W,H.")


def test_a_recipe_entry_is_named_by_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["--set", "device=gpu0", "--set", "data=none"]
    assert main(["train", "autoencoder", "-o", str(tmp_path / "run"), *changes]) == 2
    assert capsys.readouterr().err.strip().endswith("Choose auto or cpu. Option: --set device=VALUE.")


def test_a_warning_is_followed_by_the_option_and_keeps_its_field_in_json(
    two_knee_radiograph: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ["--model", str(tiny_model), "--slices", "2", "--steps", "1", "--device", "cpu", "--json"]
    assert main(["generate", str(two_knee_radiograph), "-o", str(tmp_path / "out.nrrd"), *quick]) == 0
    printed = capsys.readouterr()
    result = json.loads(printed.out)
    (sentence,) = [text for text in result["warnings"] if "knees were found" in text]
    assert result["warning_fields"] == {sentence: "knee"}
    assert f"Warning: {sentence} Option: --knee N." in printed.err.splitlines()
    assert sentence in json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["warnings"]


def test_a_python_caller_reads_a_neutral_sentence_and_the_field(two_knee_radiograph: Path) -> None:
    radiograph = read_radiograph(two_knee_radiograph)
    with pytest.raises(InputError) as caught:
        prepare_knee(radiograph, GenerationSettings(knee=3))
    assert caught.value.sentence() == (
        "There is no knee 3: 2 knees were found on the radiograph. "
        "Choose one of the knees found, or give the knee's rectangle."
    )
    assert caught.value.field == "knee"
    (warning,) = prepare_knee(radiograph, GenerationSettings()).warnings
    assert isinstance(warning, Notice)
    assert (warning.field, fields_of([warning, "other"])) == ("knee", {str(warning): "knee"})
