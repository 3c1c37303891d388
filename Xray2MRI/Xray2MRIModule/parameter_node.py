"""The settings of the panel, saved with the scene."""

from __future__ import annotations

from typing import Annotated, Any

from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper


def _even_grades() -> list[float]:
    return [0.2] * 5


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
    whatIf, grades
        Whether the five Kellgren-Lawrence probabilities are set manually, and their values.
    model, modelFolder, device
        "compact", a folder's path or a hub name; the folder that was selected last; the device.
    slices, steps, seed, samples
        Number of depths (50 = the paper's), denoising steps, seed, number of samples.
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
    side: Annotated[str, Choice(["auto", "left", "right"])] = "auto"
    knee: Annotated[int, WithinRange(0, 20)] = 0
    whatIf: bool = False
    grades: Annotated[list[float], Default(generator=_even_grades)]
    model: str = "compact"
    modelFolder: str = ""
    device: Annotated[str, Choice(["auto", "cpu", "cuda", "mps"])] = "auto"
    slices: Annotated[int, WithinRange(30, 500)] = 50
    steps: Annotated[int, WithinRange(1, 1000)] = 20
    seed: Annotated[int, WithinRange(0, 2147483647)] = 0
    samples: Annotated[int, WithinRange(1, 20)] = 1
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
        "seed": parameters.seed,
        "samples": parameters.samples,
        "side": parameters.side,
    }
    if parameters.whatIf:
        chosen["kl"] = list(parameters.grades)
    if parameters.knee and not parameters.useRoi:
        chosen["knee"] = parameters.knee
    return chosen
