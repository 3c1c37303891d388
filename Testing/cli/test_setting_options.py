"""Options of the command line, fields of the protocol and the panel's parameters say what the settings say."""

from __future__ import annotations

import argparse
import dataclasses

import pytest

from Xray2MRILib.cli import main
from Xray2MRILib.cli.setting_options import add_setting, settings_from
from Xray2MRILib.generation.settings import SETTINGS, GenerationSettings
from Xray2MRILib.worker.protocol import SETTINGS as FIELDS


def parser_of(*names: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser()
    for name in names or SETTINGS:
        add_setting(parser, name)
    return parser


def test_without_options_the_settings_are_the_defaults():
    assert settings_from(parser_of().parse_args([])) == GenerationSettings()
    assert settings_from(parser_of("side", "knee").parse_args([])) == GenerationSettings()


def test_every_option_reaches_its_setting():
    words = "--slices 7 --steps 3 --model m --device cpu --seed 5 --samples 2 --side left --roi 1,2,30,40 --kl-grade 3 "
    words += "--guidance-scale 2.5 --noise-scale 0.5 --sampler dpm --keep-identifiers --noise 0.5 --precision bf16"
    assert settings_from(parser_of().parse_args(words.split())) == GenerationSettings(
        slices=7, steps=3, model="m", device="cpu", seed=5, samples=2, side="left", roi=(1.0, 2.0, 30.0, 40.0),
        kl_grade=3, guidance_scale=2.5, noise_scale=0.5, sampler="dpm", keep_identifiers=True,
        scanner_noise=0.5, precision="bf16",
    )  # fmt: skip


def test_a_changed_range_changes_help_and_protocol(monkeypatch):
    """Nothing repeats it: the help and the refusal follow the one statement."""
    text = " ".join(parser_of().format_help().split())
    for name in ("slices", "steps", "samples", "guidance_scale", "noise_scale"):
        assert SETTINGS[name].range in text
        assert SETTINGS[name].range in FIELDS[name].meaning
    monkeypatch.setitem(SETTINGS, "slices", dataclasses.replace(SETTINGS["slices"], high=77))
    assert "2 to 77" in parser_of("slices").format_help()


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [("--slices", "1", "number of slices"), ("--steps", "0", "number of denoising steps"), ("--kl-grade", "7", "grade"),
     ("--guidance-scale", "99", "guidance scale"), ("--roi", "1,2,3,4", "rectangle of the knee")],
)  # fmt: skip
def test_the_refusal_names_the_option(capsys, tmp_path, option, value, named):
    code = main(["generate", str(tmp_path / "knee.png"), "-o", str(tmp_path / "out.nrrd"), option, value])
    sentence = capsys.readouterr().err
    assert code == 2
    assert named in sentence
    assert option in sentence
