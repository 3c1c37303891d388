"""Draw docs/figures/data_flow.svg: the way of a radiograph through the background process into the scene.

python docs/figures/draw_data_flow.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 1200, 600
SANS, MONO = "Helvetica, Arial, sans-serif", "Menlo, Consolas, 'DejaVu Sans Mono', monospace"
BOX_WIDTH, GAP, LEFT = 166, 26, 37
INK, GREY, LINE = "#1f2933", "#52606d", "#334e68"

# title, what happens, folder
UPPER = (
    ("Radiograph", ("read, bone bright,", "knee found, crop", "256 x 256, side"), ("radiograph/", "preparation/")),
    ("Conditions", ("latent and tokens,", "grades p,", "histogram i"), ("conditions/", "models/")),
    ("Latents", ("one noise; for every", "depth u, DDIM steps", "of the U-Net"), ("diffusion/", "models/")),
    ("Slices", ("decoded by the", "autoencoder,", "256 x 256"), ("models/",)),
    ("Volume", ("mm, orientation,", "provenance,", "mirrored back"), ("volume/", "generation/")),
    ("Files", ("NRRD, NIfTI, MHA,", "DICOM series,", "report, table"), ("export/", "reports/")),
)
LOWER = (
    ("Panel", ("seven sections,", "parameter node"), ("panel/",)),
    ("Session", ("starts the process,", "writes and reads lines"), ("worker/",)),
    ("Jobs", ("one at a time,", "result or failure"), ("jobs/",)),
    ("Scene", ("volume, sequence,", "table, transform"), ("scene/",)),
    ("Views", ("layout, rendering,", "chart, difference"), ("views/",)),
)


def text(x: float, y: float, words: str, size: int = 14, *, mono: bool = False, **style: str) -> str:
    """One line of text; ``style`` are attributes such as fill, weight and anchor."""
    attributes = {"fill": style.get("fill", INK), "font-weight": style.get("weight", "normal")}
    attributes |= {"text-anchor": style.get("anchor", "middle"), "font-family": MONO if mono else SANS}
    inside = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" {inside}>{escape(words)}</text>'


def box(x: float, y: float, height: float, content: tuple, fill: str) -> list[str]:
    """A rounded box with title, lines and folders, BOX_WIDTH wide."""
    title, lines, folders = content
    middle = x + BOX_WIDTH / 2
    found = [f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{height}" rx="7" fill="{fill}" stroke="{LINE}"/>']
    found.append(text(middle, y + 26, title, 17, weight="bold"))
    found += [text(middle, y + 50 + 19 * k, line, 14) for k, line in enumerate(lines)]
    start = y + height - 14 - 17 * (len(folders) - 1)
    return found + [text(middle, start + 17 * k, name, 13, mono=True, fill=GREY) for k, name in enumerate(folders)]


def arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A horizontal or vertical line with a head, drawn as a polygon: some viewers do not turn SVG markers."""
    (x, y), across, along = end, end[0] - start[0], end[1] - start[1]
    size = 11 if across + along > 0 else -11
    foot = (x - size, y) if across else (x, y - size)
    corners = ((0, 5), (0, -5)) if across else ((5, 0), (-5, 0))
    head = " ".join(f"{foot[0] + right:g},{foot[1] + down:g}" for right, down in corners) + f" {x:g},{y:g}"
    line = f'<line x1="{start[0]:g}" y1="{start[1]:g}" x2="{foot[0]:g}" y2="{foot[1]:g}"'
    return f'{line} stroke="{LINE}" stroke-width="2"/><polygon points="{head}" fill="{LINE}"/>'


def row(y: float, height: float, contents: tuple, fill: str, left: float) -> list[str]:
    """Boxes from left to right with arrows between them."""
    found = []
    for place, content in enumerate(contents):
        x = left + place * (BOX_WIDTH + GAP)
        found += box(x, y, height, content, fill)
        if place + 1 < len(contents):
            found.append(arrow((x + BOX_WIDTH, y + height / 2), (x + BOX_WIDTH + GAP - 2, y + height / 2)))
    return found


def band(y: float, height: float, title: str, command: str, fill: str) -> list[str]:
    """A process: a tinted area with its name and its program."""
    return [
        f'<rect x="15" y="{y}" width="{WIDTH - 30}" height="{height}" rx="10" fill="{fill}"/>',
        text(37, y + 28, title, 16, weight="bold", anchor="start"),
        text(WIDTH - 37, y + 28, command, 14, mono=True, fill=GREY, anchor="end"),
    ]


def main() -> None:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>Data flow: radiograph, conditions, latents, slices, volume, scene</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *band(15, 225, "Background process: the library, with torch", "python -m Xray2MRILib.worker", "#e3edf7"),
        *row(60, 160, UPPER, "#ffffff", LEFT),
    ]
    lower_left = LEFT + (BOX_WIDTH + GAP) / 2
    session = lower_left + BOX_WIDTH + GAP
    asks, answers = session + 40, session + BOX_WIDTH - 40
    parts += [
        *band(375, 210, "3D Slicer: module, no torch", "Xray2MRI/Xray2MRIModule/", "#fdf1dc"),
        *row(425, 140, LOWER, "#ffffff", lower_left),
        arrow((asks, 425), (asks, 240)),
        arrow((answers, 240), (answers, 424)),
        text(asks - 14, 284, "requests", 15, weight="bold", anchor="end"),
        text(asks - 14, 306, "generate, densify, prepare,", anchor="end"),
        text(asks - 14, 326, "compare, export, cancel", anchor="end"),
        text(answers + 14, 284, "reports", 15, weight="bold", anchor="start"),
        text(answers + 14, 306, "progress, slice, result, error", anchor="start"),
        text(answers + 14, 326, "volumes and slices as files", anchor="start"),
        text(WIDTH - 37, 284, "the door", 15, weight="bold", anchor="end"),
        text(WIDTH - 37, 306, "one JSON object a line,", anchor="end"),
        text(WIDTH - 37, 326, "stdin and stdout", anchor="end"),
        "</svg>",
    ]
    Path(__file__).with_name("data_flow.svg").write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
