"""Pictures of the panel in its states: ``python Testing/module/panel/panel_screenshots.py FOLDER``.

Taken without a desktop Slicer: plain stand-ins take the place of ctk and qMRML widgets, the rest is real.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
_ROOT = Path(__file__).resolve().parents[3]
_FOLDERS = ("", "Testing/module/panel", "Testing/module/stand_ins", "Testing/material", "Xray2MRI")
sys.path[:0] = [str(_ROOT / name) for name in _FOLDERS]
RADIOGRAPHS = _ROOT / "Testing/localization/radiographs"
WIDTH = 400


def main(folder: Path) -> None:
    """Walk through the panel and save one picture for each state."""
    from PySide6.QtWidgets import QApplication

    QApplication([])
    from panel_desk import Desk, panel_logic, slicer_stand_ins

    folder.mkdir(parents=True, exist_ok=True)
    with slicer_stand_ins(), panel_logic() as logic:
        desk = Desk(logic)
        try:
            walk(desk, lambda name: save(desk, folder / f"panel_{name}.webp"))
        finally:
            desk.close()


def walk(desk: Any, shot: Any) -> None:
    """The states, in the order of a first visit."""
    ui = desk.ui
    only(ui, "radiograph", "grade", "generate", "view", "compare", "export", "environment", shown=())
    only(ui, shown=("radiograph", "grade", "generate"))
    shot("01_start")
    desk.load(RADIOGRAPHS / "0052.webp")
    only(ui, shown=("radiograph", "grade"))
    shot("02_two_knees")
    desk.load(RADIOGRAPHS / "0075.webp")
    shot("03_radiograph_and_grade")
    ui.whatIfCheckBox.click()
    ui.gradeSlider3.value = 70.0
    only(ui, shown=("grade",))
    shot("04_what_if")
    ui.whatIfCheckBox.click()
    only(ui, shown=("generate",))
    ui.moreChoicesBox.collapsed = False
    shot("05_choices")
    ui.moreChoicesBox.collapsed = True
    desk.quick(50, 8)
    ui.generateButton.click()
    desk.until(lambda: ui.progressBar.value > 500, 400)
    shot("06_generating")
    desk.until(lambda: ui.generateButton.text == "Generate pseudo-MRI", 400)
    only(ui, shown=("generate", "view"))
    shot("07_done")
    ui.densitySlider.value = 99.0
    desk.until(lambda: ui.generateButton.text == "Cancel" and ui.progressBar.value > 400, 400)
    shot("08_more_slices")
    desk.until(lambda: ui.generateButton.text == "Generate pseudo-MRI", 400)
    # fewer slices are compared sooner
    ui.densitySlider.value = 50.0
    compare(desk)
    only(ui, shown=("compare",))
    shot("09_comparison")
    only(ui, shown=("export",))
    with tempfile.TemporaryDirectory() as folder:
        ui.exportFolderEdit.currentPath = folder
        ui.exportButton.click()
        desk.until(lambda: ui.exportButton.text == "Export")
        ui.exportFolderEdit.currentPath = "/home/reader/knees"
        shot("10_export")
    only(ui, shown=("environment",))
    desk.until(lambda: ui.checkButton.enabled)
    # the report in a picture must not show the path of this machine's Python
    from Xray2MRIModule.environment.report import withoutUserNames

    text = desk.panel.environment._text()
    for path, replacement in ((sys.executable, "PythonSlicer"), (sys.prefix, "...")):
        text = text.replace(path, replacement).replace(withoutUserNames(path), replacement)
    ui.reportEdit.setPlainText(text)
    shot("11_environment")
    troubles(desk, shot)


def troubles(desk: Any, shot: Any) -> None:
    """A picture that is no knee, and a worker that dies."""
    import numpy as np
    from PIL import Image
    from Xray2MRIModule.worker.process_runner import kill_process

    ui = desk.ui
    with tempfile.TemporaryDirectory() as folder:
        noise = np.random.default_rng(0).integers(0, 256, (300, 300), dtype=np.uint8)
        Image.fromarray(noise).save(Path(folder) / "no_knee.png")
        desk.load(Path(folder) / "no_knee.png")
    only(ui, shown=("radiograph",))
    shot("12_caution")
    desk.load(RADIOGRAPHS / "0075.webp")
    desk.quick(50, 8)
    ui.generateButton.click()
    desk.until(lambda: ui.progressBar.value > 300, 400)
    kill_process(desk.logic.jobs.workerPid)
    desk.until(lambda: ui.generateButton.text == "Generate pseudo-MRI", 60)
    only(ui, shown=("generate",))
    shot("13_worker_died")


def compare(desk: Any) -> None:
    """Compare with a stand-in for a real MRI: the volume itself, moved, with noise."""
    import numpy as np
    import slicer
    import vtk

    volume = desk.parameters.volume
    voxels = slicer.util.arrayFromVolume(volume).astype(np.float32)
    voxels += np.random.default_rng(0).normal(0, 120, voxels.shape).astype(np.float32)
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    matrix.SetElement(0, 3, matrix.GetElement(0, 3) + 4.0)
    reference = slicer.util.addVolumeFromArray(voxels, matrix, name="Test MRI of the knee")
    desk.ui.referenceSelector.setCurrentNode(reference)
    desk.ui.compareButton.click()
    desk.until(lambda: desk.ui.compareButton.text == "Compare", 600)


def only(ui: Any, *_all: str, shown: tuple[str, ...]) -> None:
    """Unfold these sections and fold the others."""
    for name in ("radiograph", "grade", "generate", "view", "compare", "export", "environment"):
        getattr(ui, f"{name}Section").collapsed = name not in shown


def save(desk: Any, path: Path) -> None:
    """Save the whole panel as it is, as high as it needs to be, as lossless WebP (a third of a PNG)."""
    from PIL import Image
    from PySide6.QtWidgets import QApplication

    widget = desk.root._qt
    for _ in range(3):
        QApplication.processEvents()
        widget.resize(WIDTH, widget.layout().totalHeightForWidth(WIDTH))
    QApplication.processEvents()
    png = path.with_suffix(".png")  # Qt's own WebP needs a plug-in
    widget.grab().save(str(png))
    with Image.open(png) as picture:
        picture.convert("RGB").save(path, lossless=True, quality=100, method=6)
    png.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else _ROOT / "docs/screenshots"))
