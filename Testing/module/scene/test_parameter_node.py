"""What the panel keeps in the scene begins with the library's defaults and stays within the library's ranges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import slicer

from Xray2MRILib.generation.settings import SETTINGS, GenerationSettings

TESTING = Path(__file__).resolve().parents[2]


@pytest.fixture
def parameters(application, monkeypatch) -> Any:
    from parameter_node_stand_in import install

    install()
    from Xray2MRIModule.parameter_node import Xray2MRIParameterNode

    return Xray2MRIParameterNode(application.scene.AddNode(slicer.vtkMRMLScriptedModuleNode()))


def test_a_new_panel_asks_for_what_the_library_does_by_default(parameters):
    from Xray2MRIModule.parameter_node import settings

    chosen = settings(parameters)
    assert chosen == {
        "slices": 50, "steps": 4, "model": "compact", "device": "auto", "seed": 0, "samples": 1, "side": "auto",
        "photometric": "auto", "scanner_noise": 1.0, "precision": "auto",
    }  # fmt: skip
    assert GenerationSettings.from_message(chosen).num_slices == GenerationSettings().num_slices
    parameters.scannerNoise = False
    assert settings(parameters)["scanner_noise"] == 0


@pytest.mark.parametrize("name", ["slices", "steps", "seed", "samples", "knee"])
def test_the_ends_of_a_range_are_settings_that_the_library_takes(parameters, name):
    """The panel's ranges are the library's or narrower; 0 of ``knee`` leaves it to the program."""
    from Xray2MRIModule.parameter_node import settings

    low, high = SETTINGS[name].panel_range
    for value in (low, high):
        setattr(parameters, name, value)
        assert getattr(GenerationSettings.from_message(settings(parameters)), name) == value
    for value in (-1, high + 1):
        with pytest.raises(ValueError, match="not within"):
            setattr(parameters, name, value)


@pytest.mark.parametrize("name", ["side", "device", "photometric", "precision"])
def test_words_are_those_of_the_library(parameters, name):
    for word in SETTINGS[name].words:
        setattr(parameters, name, word)
        assert getattr(parameters, name) == word
    with pytest.raises(ValueError, match="none of"):
        setattr(parameters, name, "neither")


def test_the_settings_need_no_package():
    """Slicer's Python reads them; torch must never enter its process, and numpy is not needed."""
    program = (
        "import sys, json, Xray2MRILib.generation.model_steps as steps; steps.steps_of_model(); "
        "print(json.dumps([m for m in ('numpy', 'torch', 'diffusers', 'SimpleITK') if m in sys.modules]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(TESTING.parent)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout) == []


def test_what_is_known_of_the_patient_is_told_and_nothing_else(parameters):
    from Xray2MRIModule.parameter_node import settings

    assert not {"age", "sex", "bmi"} & set(settings(parameters))
    parameters.age, parameters.sex, parameters.bmi = 61, "woman", 31
    chosen = settings(parameters)
    assert (chosen["age"], chosen["sex"], chosen["bmi"]) == (61, "woman", 31)
    assert GenerationSettings.from_message(chosen).told() == {"age": 61, "sex": "woman", "bmi": 31}
    for name in ("age", "bmi"):
        low, high = int(SETTINGS[name].low), int(SETTINGS[name].high)
        for value in (low, high):
            setattr(parameters, name, value)
            assert GenerationSettings.from_message(settings(parameters)).told()[name] == value
        setattr(parameters, name, low - 1)
        assert name not in settings(parameters)
