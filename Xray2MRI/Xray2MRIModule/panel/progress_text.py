"""Words for what a job is doing and how long it may take."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _


def stageSentence(progress: Any, ofJob: dict[str, str] | None = None) -> str:
    """What goes on, and how long it may still take; ``ofJob`` has words of stages that mean something else there."""
    stages = {
        "read": _("Reading the radiograph"),
        "localise": _("Looking for the knee"),
        "prepare": _("Cutting out the joint"),
        "load model": _("Loading the model"),
        "encode": _("Looking at the radiograph"),
        "sample": _("Drawing the slices"),
        "decode": _("Finishing the slices"),
        "write": _("Writing the volume"),
        "align": _("Aligning the real MRI"),
        "controls": _("Preparing the controls"),
        "measure": _("Measuring slice by slice"),
        "report": _("Writing the report"),
        "done": _("Done"),
    }
    stages.update(ofJob or {})
    text = stages.get(progress.stage, str(progress.stage).capitalize())
    if progress.eta_s is None:
        return _("{stage} ...").format(stage=text)
    return _("{stage}, about {duration} left").format(stage=text, duration=durationText(progress.eta_s))


def durationText(seconds: float) -> str:
    """Seconds in words: "8 s", "3 min"."""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    return _("{count} min").format(count=round(seconds / 60))
