"""``xray2mri localize``: the knees found on a radiograph."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .radiograph_arguments import add_json_argument, add_radiograph_argument
from .setting_options import add_setting
from .terminal import Terminal

if TYPE_CHECKING:
    import numpy as np

    from ..localization.knee_box import KneeBox
    from ..radiograph.reading import Radiograph

_NOTHING_FOUND = (
    "Check that the picture is one frontal radiograph of a knee, upright and uncropped. If bone is dark, say so with "
    "--photometric inverted. Otherwise give the knee's rectangle to xray2mri grade or generate with --roi X,Y,W,H."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_radiograph_argument(parser)
    add_setting(parser, "photometric")
    parser.add_argument("--picture", metavar="OUT.png", type=Path, help="the radiograph with the boxes drawn into it")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Print the boxes from left to right with side, confidence and plausibility; doubts are warnings."""
    if options.picture is not None and options.picture.suffix.lower() != ".png":
        raise InputError(
            f"The picture {options.picture.name!r} is not named as a PNG.", code="bad-output", hint="End it in .png."
        )
    from ..localization.localize import localize_knees
    from ..radiograph.reading import read_radiograph

    radiograph = read_radiograph(options.radiograph, photometric=options.photometric)
    boxes = sorted(localize_knees(radiograph.pixels, pixel_aspect=radiograph.pixel_aspect), key=lambda box: box.x)
    knees = [_judged(radiograph, box) for box in boxes]
    if options.picture is not None:
        _draw(radiograph.pixels, knees, options.picture)
    warnings = [*radiograph.record["warnings"], *_doubts(knees)]
    terminal.warn(warnings)

    rows, columns = radiograph.pixels.shape
    if options.json:
        picture = None if options.picture is None else str(options.picture)
        film = {"width": columns, "height": rows, "pixel_aspect": radiograph.pixel_aspect,
                "inverted": radiograph.record["inverted"]}  # fmt: skip
        terminal.print_json({"film": film, "knees": knees, "picture": picture, "warnings": warnings})
        return
    if not knees:
        terminal.print("No knee was found.")
        terminal.say(_NOTHING_FOUND)
        return
    terminal.print("knee       x       y   width  height  confidence  plausibility  side   side from")
    for number, knee in enumerate(knees, start=1):
        place = "".join(f"{knee[name]:8.1f}" for name in ("x", "y", "width", "height"))
        score = knee["plausibility"]["score"]
        judged = f"{knee['confidence']:10.2f}  {score:12.2f}"
        terminal.print(f"{number:<4}{place}  {judged}  {knee['side']:<5}  {knee['side_source']}")


def _judged(radiograph: Radiograph, box: KneeBox) -> dict[str, Any]:
    """A knee with its side, where the side comes from, and whether the crop looks like a frontal knee at all."""
    from ..preparation.joint_crop import prepare_radiograph
    from ..preparation.laterality import decide_side
    from ..preparation.plausibility import assess_plausibility

    side, source, doubts = box.side, "position on the radiograph", list[str]()
    crop = prepare_radiograph(radiograph, box, "right", "none")
    if side is None:
        side, source, _, doubts = decide_side(radiograph, crop.image)
    own = [warning for warning in crop.record["warnings"] if warning not in radiograph.record["warnings"]]
    plausibility = assess_plausibility(radiograph.pixels, crop.image, box)
    return {
        **asdict(box),
        "side": side,
        "side_source": source,
        "plausible": plausibility.plausible,
        "plausibility": asdict(plausibility),
        "warnings": [*doubts, *own],
    }


def _doubts(knees: list[dict[str, Any]]) -> list[str]:
    """Sentences about the knees, each with the number of its knee where there are several."""
    sentences: list[str] = []
    for number, knee in enumerate(knees, start=1):
        own = list(knee["warnings"])
        if not knee["plausible"]:
            reasons = "; ".join(knee["plausibility"]["reasons"])
            own.append(f"This may not be a frontal knee radiograph ({reasons}).")
        sentences += own if len(knees) == 1 else [f"Knee {number}: {sentence}" for sentence in own]
    return sentences


def _draw(pixels: np.ndarray, knees: list[dict[str, Any]], path: Path) -> None:
    """Write the radiograph as an 8-bit picture with the boxes as frames."""
    import numpy as np
    from PIL import Image, ImageDraw

    from ..files.atomic_write import AtomicFiles

    low, high = np.percentile(pixels, (0.5, 99.5))
    grey = np.clip((pixels - low) / max(high - low, 1e-6), 0.0, 1.0) * 255
    picture = Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")
    frame = ImageDraw.Draw(picture)
    line = max(1, round(min(picture.size) / 200))
    for number, knee in enumerate(knees, start=1):
        corners = (knee["x"], knee["y"], knee["x"] + knee["width"], knee["y"] + knee["height"])
        frame.rectangle(corners, outline=(255, 200, 0), width=line)
        frame.text(
            (max(corners[0], 0) + 2 * line, max(corners[1], 0) + 2 * line), f"{number} {knee['side']}", (255, 200, 0)
        )
    with AtomicFiles() as transaction:
        picture.save(transaction.stage(path), format="PNG")
