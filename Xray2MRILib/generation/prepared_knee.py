"""From a radiograph to the model's input: the box of one knee, its side, and the plausibility check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError, Notice
from ..localization.knee_box import KneeBox
from .settings import GenerationSettings

if TYPE_CHECKING:
    from ..preparation.joint_crop import PreparedRadiograph
    from ..preparation.plausibility import Plausibility
    from ..radiograph.reading import Radiograph


@dataclass(frozen=True)
class PreparedKnee:
    """One knee of one radiograph, ready for the model.

    ``boxes`` are all knees found, from left to right on the radiograph. ``box`` is the chosen one, or None when no knee
    was found and the whole radiograph was used. ``warnings`` are sentences for the user; a warning that a setting can
    resolve is a Notice.
    """

    prepared: PreparedRadiograph
    boxes: list[KneeBox]
    box: KneeBox | None
    box_source: str
    plausibility: Plausibility
    warnings: list[str]


def prepare_knee(
    radiograph: Radiograph, settings: GenerationSettings, on_stage: Callable[[str], None] = lambda stage: None
) -> PreparedKnee:
    """Localise the knee, determine its side, crop it and check its plausibility.

    ``on_stage`` receives "localise" and "prepare" when these stages begin. Raises InputError for a rectangle outside
    the radiograph, a knee number that does not exist, or a side that contradicts the header.
    """
    from ..preparation.joint_crop import prepare_radiograph
    from ..preparation.laterality import decide_side
    from ..preparation.plausibility import assess_plausibility

    on_stage("localise")
    boxes, box, box_source, warnings = choose_box(radiograph, settings)
    on_stage("prepare")
    if settings.side == "auto" and box is not None and box.side is not None:
        # on a radiograph of both knees the position gives the side; header and file name describe the whole radiograph
        radiograph = replace(radiograph, side=box.side, side_source="position on the radiograph")
    unmirrored = prepare_radiograph(radiograph, box, "right", "none").image
    side, side_source, _, side_warnings = decide_side(radiograph, unmirrored, settings.side)
    prepared = prepare_radiograph(radiograph, box, side, side_source)
    plausibility = assess_plausibility(radiograph.pixels, prepared.image, box)
    prepared.record["plausibility"] = asdict(plausibility)
    prepared.record["box_source"] = box_source
    warnings += [*side_warnings, *prepared.record.get("warnings", [])]
    if not plausibility.plausible:
        reasons = "; ".join(plausibility.reasons) or "it is unlike the training radiographs"
        warnings.append(f"This may not be a frontal knee radiograph ({reasons}). Do not interpret the volume.")
    return PreparedKnee(prepared, boxes, box, box_source, plausibility, warnings)


def choose_box(
    radiograph: Radiograph, settings: GenerationSettings
) -> tuple[list[KneeBox], KneeBox | None, str, list[str]]:
    """All boxes from left to right, the chosen box, its source ("user", "detector", "none"), and warnings."""
    if settings.roi is not None:
        from ..preparation.joint_crop import box_from_rectangle

        box = box_from_rectangle(settings.roi, radiograph.pixels.shape, radiograph.pixel_aspect)
        return [box], box, "user", []
    from ..localization.localize import localize_knees

    best_first = localize_knees(radiograph.pixels, pixel_aspect=radiograph.pixel_aspect)
    boxes = sorted(best_first, key=lambda box: box.x)
    if settings.knee is not None and settings.knee > len(boxes):
        found = {0: "no knee was", 1: "one knee was"}.get(len(boxes), f"{len(boxes)} knees were")
        raise InputError(
            f"There is no knee {settings.knee}: {found} found on the radiograph.",
            code="no-such-knee",
            hint="Choose one of the knees found, or give the knee's rectangle.",
            field="knee",
        )
    if not boxes:
        sentence = "No knee was found; the whole radiograph was used. Choose the knee's rectangle."
        return [], None, "none", [Notice(sentence, field="roi")]
    if settings.knee is not None:
        return boxes, boxes[settings.knee - 1], "detector", []
    wanted = settings.side if settings.side != "auto" else radiograph.side
    of_side = [box for box in best_first if box.side is not None and box.side == wanted]
    box = (of_side or best_first)[0]
    if len(boxes) == 1:
        return boxes, box, "detector", []
    place = boxes.index(box) + 1
    choice = f"{len(boxes)} knees were found; number {place} from the left was used."
    return boxes, box, "detector", [Notice(f"{choice} Choose another knee if it is wrong.", field="knee")]


def describe_knee(knee: PreparedKnee) -> dict[str, Any]:
    """Box, side and plausibility of a knee for a result or a log, without pixels and names."""
    from ..volume.provenance import plain

    return plain(
        {
            "side": knee.prepared.side,
            "side_source": knee.prepared.record.get("side_source"),
            "box": None if knee.box is None else asdict(knee.box),
            "box_source": knee.box_source,
            "knees_found": len(knee.boxes) if knee.box_source == "detector" else None,
            "plausible": knee.plausibility.plausible,
            "plausibility": asdict(knee.plausibility),
        }
    )


def shown_rectangle(knee: PreparedKnee, radiograph: Radiograph) -> list[float]:
    """The part of the radiograph that the crop shows: x, y, width, height in its pixels; may reach beyond it."""
    x, y, width = knee.prepared.record["square"]
    return [x, y, width, width / radiograph.pixel_aspect]
