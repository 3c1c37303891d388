"""The stage of a job and its remaining time as text."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _


def stageSentence(progress: Any, ofJob: dict[str, str] | None = None) -> str:
    """The stage and the remaining time; ``ofJob`` replaces texts for stages that differ in a job."""
    stages = {
        "read": _("Reading the radiograph"),
        "localise": _("Detecting the knee"),
        "prepare": _("Cropping the joint"),
        "load model": _("Loading the model"),
        "encode": _("Encoding the radiograph"),
        "sample": _("Generating the slices"),
        "decode": _("Decoding the slices"),
        "write": _("Writing the volume"),
        "align": _("Registering the real MRI"),
        "controls": _("Preparing the control volumes"),
        "measure": _("Measuring each slice"),
        "report": _("Writing the report"),
        "done": _("Done"),
    }
    stages.update(ofJob or {})
    text = stages.get(progress.stage, str(progress.stage).capitalize())
    if progress.eta_s is None:
        return _("{stage} ...").format(stage=text)
    return _("{stage}, about {duration} left").format(stage=text, duration=durationText(progress.eta_s))


def durationText(seconds: float) -> str:
    """Seconds as text: "8 s", "3 min"."""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    return _("{count} min").format(count=round(seconds / 60))
