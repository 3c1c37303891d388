"""The settings of the panel, saved with the scene; ranges and defaults are those of the library's settings."""

from __future__ import annotations

from typing import Annotated, Any

from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

from Xray2MRILib.generation.model_steps import steps_of_model
from Xray2MRILib.generation.settings import SETTINGS


def _even_grades() -> list[float]:
    return [0.2] * 5


def _within(name: str) -> WithinRange:
    return WithinRange(*SETTINGS[name].panel_range)


def _not_given(name: str) -> int:
    """The value that stands for "not given": one below the smallest, because a parameter always has a value."""
    return int(SETTINGS[name].low) - 1


def _optional(name: str) -> WithinRange:
    return WithinRange(_not_given(name), int(SETTINGS[name].high))


def _one_of(name: str) -> Choice:
    return Choice(list(SETTINGS[name].words))


@parameterNodeWrapper
class Xray2MRIParameterNode:
    """The settings of the panel.

    Attributes
    ----------
    radiograph, volume, reference
        The radiograph (scalar or colour), the pseudo-MRI shown, the real MRI to compare with.
    roi, useRoi
        A manual box, and whether it replaces the detected knee.
    side, knee
        Which knee: side of the body; place on the radiograph counted from 1 at its left edge, 0 for
        the automatic choice.
    photometric
        Whether bone is bright ("normal") or dark ("inverted") in the file of the radiograph, or "auto".
    age, sex, bmi
        The patient, for models that were trained with it; ``_not_given`` and "" tell nothing.
    whatIf, grades
        Whether the five Kellgren-Lawrence probabilities are set manually, and their values.
    model, modelFolder, device
        "compact", a folder's path or a hub name; the folder that was selected last; the device.
    slices, steps, seed, samples
        Number of depths (50 = the paper's), denoising steps, seed, number of samples.
    precision
        Number format of the computation: "auto", "fp32", "bf16" or "fp16".
    scannerNoise
        Whether the volume shows scanner noise of the measured strength.
    alignment, showRendering, showUncertainty, showDifference, showReadings, differenceForm, overlayOpacity,
    exportFolder
        What the sections View, Compare and Export show.
    """

    # colour radiographs are of a subclass; the common base class of volumes is abstract, which connectGui does not
    # accept
    radiograph: vtkMRMLScalarVolumeNode
    volume: vtkMRMLScalarVolumeNode
    reference: vtkMRMLScalarVolumeNode
    roi: vtkMRMLMarkupsROINode
    useRoi: bool = False
    side: Annotated[str, _one_of("side")] = SETTINGS["side"].default
    knee: Annotated[int, WithinRange(0, SETTINGS["knee"].high)] = 0
    photometric: Annotated[str, _one_of("photometric")] = SETTINGS["photometric"].default
    age: Annotated[int, _optional("age")] = _not_given("age")
    sex: Annotated[str, Choice(["", *SETTINGS["sex"].words])] = ""
    bmi: Annotated[int, _optional("bmi")] = _not_given("bmi")
    whatIf: bool = False
    grades: Annotated[list[float], Default(generator=_even_grades)]
    model: str = SETTINGS["model"].default
    modelFolder: str = ""
    device: Annotated[str, _one_of("device")] = SETTINGS["device"].default
    slices: Annotated[int, _within("slices")] = SETTINGS["slices"].default
    steps: Annotated[int, _within("steps")] = steps_of_model()
    seed: Annotated[int, _within("seed")] = SETTINGS["seed"].default
    samples: Annotated[int, _within("samples")] = SETTINGS["samples"].default
    precision: Annotated[str, _one_of("precision")] = SETTINGS["precision"].default
    scannerNoise: bool = SETTINGS["scanner_noise"].default > 0
    alignment: Annotated[str, Choice(["rigid", "similarity", "none"])] = "rigid"
    showRendering: bool = True
    showUncertainty: bool = False
    showDifference: bool = False
    showReadings: bool = True
    differenceForm: Annotated[str, Choice(["signed", "paper"])] = "signed"
    overlayOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.6
    exportFolder: str = ""


def settings(parameters: Any) -> dict[str, Any]:
    """The settings of a generation under the names of the worker's protocol; the manual box is not among them,
    because it needs the radiograph's geometry (see scene.radiograph_node.rectangle_of_roi)."""
    chosen: dict[str, Any] = {
        "slices": parameters.slices,
        "steps": parameters.steps,
        "model": parameters.model,
        "device": parameters.device,
        "precision": parameters.precision,
        "seed": parameters.seed,
        "samples": parameters.samples,
        "scanner_noise": SETTINGS["scanner_noise"].default if parameters.scannerNoise else 0.0,
        "side": parameters.side,
        "photometric": parameters.photometric,
    }
    for name in ("age", "bmi"):
        if getattr(parameters, name) > _not_given(name):
            chosen[name] = getattr(parameters, name)
    if parameters.sex:
        chosen["sex"] = parameters.sex
    if parameters.whatIf:
        chosen["kl"] = list(parameters.grades)
    if parameters.knee and not parameters.useRoi:
        chosen["knee"] = parameters.knee
    return chosen
