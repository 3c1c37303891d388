"""``xray2mri localize``: the knees found on a radiograph."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .radiograph_arguments import add_json_argument, add_radiograph_argument
from .terminal import Terminal

if TYPE_CHECKING:
    import numpy as np


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    add_radiograph_argument(parser)
    parser.add_argument("--picture", metavar="OUT.png", type=Path, help="the radiograph with the boxes drawn into it")
    add_json_argument(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> None:
    """Print the boxes from left to right, with side and confidence."""
    if options.picture is not None and options.picture.suffix.lower() != ".png":
        raise InputError(
            f"The picture {options.picture.name!r} is not named as a PNG.", code="bad-output", hint="End it in .png."
        )
    from ..localization.localize import localize_knees
    from ..preparation.joint_crop import prepare_radiograph
    from ..preparation.laterality import decide_side
    from ..radiograph.reading import read_radiograph

    radiograph = read_radiograph(options.radiograph)
    knees: list[dict[str, Any]] = []
    for box in sorted(localize_knees(radiograph.pixels), key=lambda box: box.x):
        side, source = box.side, "position on the radiograph"
        if side is None:
            crop = prepare_radiograph(radiograph, box, "right", "none").image
            side, source, _, _ = decide_side(radiograph, crop)
        knees.append({**asdict(box), "side": side, "side_source": source})
    if options.picture is not None:
        _draw(radiograph.pixels, knees, options.picture)

    rows, columns = radiograph.pixels.shape
    if options.json:
        picture = None if options.picture is None else str(options.picture)
        terminal.print_json({"film": {"width": columns, "height": rows}, "knees": knees, "picture": picture})
        return
    if not knees:
        terminal.print("No knee was found.")
        return
    terminal.print("knee       x       y   width  height  confidence  side   side from")
    for number, knee in enumerate(knees, start=1):
        place = "".join(f"{knee[name]:8.1f}" for name in ("x", "y", "width", "height"))
        terminal.print(f"{number:<4}{place}  {knee['confidence']:10.2f}  {knee['side']:<5}  {knee['side_source']}")


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
