"""Section 6: files for other programs, each marked as synthetic and with the record of how it was made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from .section import Choice, Section, emphasised, say

_ENDINGS = {"nrrd": ".nrrd", "nifti": ".nii.gz", "dicom": "_dicom", "report": "_report", "table": ".csv"}
_FORMATS = {"nrrd": "file", "nifti": "file", "dicom": "dicom", "report": "report"}


class ExportPanel(Section):
    """Writes the shown volume, or the comparison's table, into a folder; never over a file that is there."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._run: Any = None
        ui = self.ui
        self._format = Choice(self, ui.formatSelector, None, [
            ("nrrd", _("Volume as NRRD, with record")), ("nifti", _("Volume as NIfTI, with record")),
            ("dicom", _("DICOM series (derived, synthetic)")), ("report", _("Report with pictures and figures")),
            ("table", _("Table of the comparison (CSV)"))])  # fmt: skip
        self.listen(ui.formatSelector, "currentIndexChanged(int)", self._onFormat)
        self.listen(ui.exportFolderEdit, "currentPathChanged(QString)", self._onFolder)
        self.listen(ui.exportButton, "clicked(bool)", self._onButton)
        self.listen(ui.openFolderButton, "clicked(bool)", self._onOpenFolder)
        say(ui.exportMessageLabel, "")

    def refresh(self) -> None:
        parameters = self.parameters
        volume = None if parameters is None else parameters.volume
        if self._format.value == "table":
            ready = self.panel.comparison is not None
        else:
            ready = volume is not None and not self.logic.isBusy
        folder = "" if parameters is None else str(parameters.exportFolder)
        if parameters is not None and folder and str(self.ui.exportFolderEdit.currentPath) != folder:
            self.ui.exportFolderEdit.currentPath = folder
        self.ui.exportButton.text = _("Cancel") if self._run is not None else _("Export")
        self.ui.exportButton.enabled = self._run is not None or (ready and bool(folder))
        self.ui.openFolderButton.enabled = bool(folder) and Path(folder).is_dir()

    def sceneClosed(self) -> None:
        say(self.ui.exportMessageLabel, "")

    def _onFormat(self, *_arguments: Any) -> None:
        if self._format.value == "table" and self.panel.comparison is None:
            say(self.ui.exportMessageLabel, _("There is no table before a comparison, see section 5."))
        else:
            say(self.ui.exportMessageLabel, "")
        self.panel.refresh()

    def _onFolder(self, path: str) -> None:
        if self.parameters is not None:
            self.parameters.exportFolder = str(path)

    def _onButton(self, *_arguments: Any) -> None:
        if self._run is not None:
            self.logic.cancel(self._run)
            return
        folder = Path(self.parameters.exportFolder).expanduser()
        if not folder.is_dir():
            sentence = _("There is no folder {name}. Choose another one.").format(name=folder.name)
            say(self.ui.exportMessageLabel, emphasised(_("Not exported:"), sentence))
            return
        kind = self._format.value
        target = freePath(folder, self._stem(), _ENDINGS[kind])
        if kind == "table":
            self._writeTable(target)
            return
        over: list[bool] = []

        def onDone(run: Any) -> None:
            over.append(True)
            self._onDone(run)

        def onError(failure: Any) -> None:
            over.append(True)
            self._onError(failure)

        say(self.ui.exportMessageLabel, _("Writing ..."))
        run = self.logic.export(
            self.parameters.volume, str(target), _FORMATS[kind], comparison=self.panel.comparison,
            onDone=onDone, onError=onError,
        )  # fmt: skip
        if not over:
            self._run = run
        self.panel.refresh()

    def _stem(self) -> str:
        """A file name from the volume's name: letters, digits and hyphens, "synthetic" always among them."""
        name = "" if self.parameters.volume is None else self.parameters.volume.GetName()
        stem = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "knee"
        return stem if "synthetic" in stem.lower() else f"{stem}-synthetic"

    def _writeTable(self, target: Path) -> None:
        try:
            self.logic.writeComparisonCsv(self.panel.comparison, str(target))
        except OSError as error:
            sentence = _("The table cannot be written: {reason}.").format(reason=error.strerror or error)
            say(self.ui.exportMessageLabel, emphasised(_("Not exported:"), sentence))
            return
        say(self.ui.exportMessageLabel, emphasised(_("Written:"), target.name))

    def _onDone(self, run: Any) -> None:
        self._run = None
        files = [Path(path) for path in (run.result or {}).get("files", [])]
        if len(files) > 6:
            text = _("{count} files in {folder}").format(count=len(files), folder=files[0].parent.name)
        else:
            text = ", ".join(path.name for path in files)
        say(self.ui.exportMessageLabel, emphasised(_("Written:"), text))
        self.panel.refresh()

    def _onError(self, failure: Any) -> None:
        self._run = None
        if failure.code == "cancelled":
            say(self.ui.exportMessageLabel, _("Cancelled. Nothing was left behind."))
        else:
            say(self.ui.exportMessageLabel, emphasised(_("Not exported:"), self.panel.failed(failure)))
        self.panel.refresh()

    def _onOpenFolder(self, *_arguments: Any) -> None:
        folder = Path(self.parameters.exportFolder).expanduser().as_posix()
        qt.QDesktopServices.openUrl(qt.QUrl("file:///" + folder.lstrip("/"), qt.QUrl.TolerantMode))


def freePath(folder: Path, stem: str, ending: str) -> Path:
    """The first of ``stem``, ``stem-2``, ``stem-3`` ... with this ending that does not exist yet."""
    number = 1
    while True:
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}{ending}"
        if not path.exists():
            return path
        number += 1
