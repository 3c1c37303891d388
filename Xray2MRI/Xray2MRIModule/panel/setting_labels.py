"""The panel's own words for the setting that an error or a warning names: the label beside its widget."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

# field of an error, as in the worker's protocol -> the widget of Xray2MRI.ui whose text names that setting
LABELS = {
    "radiograph": "radiographLabel",
    "side": "sideLabel",
    "knee": "kneeLabel",
    "roi": "useRoiCheckBox",
    "photometric": "photometricLabel",
    "kl": "whatIfCheckBox",
    "kl_grade": "whatIfCheckBox",
    "age": "ageLabel",
    "sex": "sexLabel",
    "bmi": "bmiLabel",
    "slices": "slicesLabel",
    "model": "modelLabel",
    "device": "deviceLabel",
    "precision": "precisionLabel",
    "steps": "stepsLabel",
    "seed": "seedLabel",
    "samples": "samplesLabel",
    "scanner_noise": "scannerNoiseCheckBox",
    "align": "alignmentLabel",
    "initial": "nudgeLabel",
    "format": "formatLabel",
    "spacing": "enhanceSpacingLabel",
    "network": "earlyFolderLabel",
    "to_grade": "progressionGradeLabel",
    "course": "progressionCourseLabel",
    "frames": "progressionFramesLabel",
    "morphing_model": "progressionModelLabel",
}


def withLabel(ui: Any, sentence: str, field: str) -> str:
    """The sentence, followed by the label of the setting ``field``; unchanged where the panel does not show it."""
    widget = LABELS.get(field)
    if widget is None:
        return sentence
    label = getattr(ui, widget).text.rstrip(": ")
    return f"{sentence} " + _('Setting: "{label}".').format(label=label)
