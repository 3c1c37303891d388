"""Section 6: files for other programs, marked as synthetic and with a record of how they were made."""

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
    """Writes the volume shown, or the comparison table, into a folder; never overwrites a file."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        ui = self.ui
        self._format = Choice(self, ui.formatSelector, None, [
            ("nrrd", _("NRRD volume with record")), ("nifti", _("NIfTI volume with record")),
            ("dicom", _("DICOM series (derived, synthetic)")), ("report", _("Report with images and measures")),
            ("table", _("Comparison table (CSV)"))])  # fmt: skip
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
        self.ui.exportButton.text = _("Cancel") if self.job is not None else _("Export")
        self.ui.exportButton.enabled = self.job is not None or (ready and bool(folder))
        self.ui.openFolderButton.enabled = bool(folder) and Path(folder).is_dir()

    def sceneClosed(self) -> None:
        say(self.ui.exportMessageLabel, "")

    def _onFormat(self, *_arguments: Any) -> None:
        if self._format.value == "table" and self.panel.comparison is None:
            say(self.ui.exportMessageLabel, _("The table needs a comparison first, see section 5."))
        else:
            say(self.ui.exportMessageLabel, "")
        self.panel.refresh()

    def _onFolder(self, path: str) -> None:
        if self.parameters is not None:
            self.parameters.exportFolder = str(path)

    def _onButton(self, *_arguments: Any) -> None:
        if self.job is not None:
            self.logic.cancel(self.job)
            return
        folder = Path(self.parameters.exportFolder).expanduser()
        if not folder.is_dir():
            sentence = _("The folder {name} does not exist. Choose another one.").format(name=folder.name)
            say(self.ui.exportMessageLabel, emphasised(_("Not exported:"), sentence))
            return
        kind = self._format.value
        target = freePath(folder, self._stem(), _ENDINGS[kind])
        if kind == "table":
            self._writeTable(target)
            return
        say(self.ui.exportMessageLabel, _("Writing ..."))
        self.watch(
            lambda callbacks: self.logic.export(
                self.parameters.volume, str(target), _FORMATS[kind], comparison=self.panel.comparison, **callbacks
            ), self._onDone, self._onError,
        )  # fmt: skip

    def _stem(self) -> str:
        """A file name from the volume's name: letters, digits and hyphens, always with "synthetic"."""
        name = "" if self.parameters.volume is None else self.parameters.volume.GetName()
        stem = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "knee"
        return stem if "synthetic" in stem.lower() else f"{stem}-synthetic"

    def _writeTable(self, target: Path) -> None:
        try:
            self.logic.writeComparisonCsv(self.panel.comparison, str(target))
        except OSError as error:
            sentence = _("The table could not be written: {reason}.").format(reason=error.strerror or error)
            say(self.ui.exportMessageLabel, emphasised(_("Not exported:"), sentence))
            return
        say(self.ui.exportMessageLabel, emphasised(_("Written:"), target.name))

    def _onDone(self, job: Any) -> None:
        files = [Path(path) for path in (job.result or {}).get("files", [])]
        if len(files) > 6:
            text = _("{count} files in {folder}").format(count=len(files), folder=files[0].parent.name)
        else:
            text = ", ".join(path.name for path in files)
        say(self.ui.exportMessageLabel, emphasised(_("Written:"), text))
        self.panel.refresh()

    def _onError(self, failure: Any) -> None:
        if failure.code == "cancelled":
            say(self.ui.exportMessageLabel, _("Cancelled. No files were written."))
        else:
            say(self.ui.exportMessageLabel, emphasised(_("Not exported:"), self.panel.failed(failure)))
        self.panel.refresh()

    def _onOpenFolder(self, *_arguments: Any) -> None:
        # spaces, "#" and "%" in a name, drives and network shares of Windows: as_uri knows them all
        folder = Path(self.parameters.exportFolder).expanduser().absolute()
        qt.QDesktopServices.openUrl(qt.QUrl(folder.as_uri(), qt.QUrl.TolerantMode))


def freePath(folder: Path, stem: str, ending: str) -> Path:
    """The first of ``stem``, ``stem-2``, ``stem-3`` ... with this ending of which no file exists yet.

    A volume is several files, see VolumeFiles; volumes in two formats must not share one record.
    """
    number = 1
    while True:
        path = folder / f"{stem}{'' if number == 1 else f'-{number}'}{ending}"
        if not any(file.exists() for file in _filesOf(path)):
            return path
        number += 1


def _filesOf(path: Path) -> tuple[Path, ...]:
    if not path.name.endswith((_ENDINGS["nrrd"], _ENDINGS["nifti"])):
        return (path,)
    from Xray2MRILib.volume.writing import VolumeFiles

    files = VolumeFiles.of(path)
    return files.volume, files.record, files.deviation, files.noise_free
