"""Section 1: the radiograph, the knee on it, the side, and whether it is a frontal knee radiograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..scene.radiograph_node import (
    RadiographError,
    is_radiograph,
    load_radiograph,
    place_roi,
    radiograph_size,
    rectangle_of_roi,
    roi_from_rectangle,
)
from ..views.knee_box_overlay import KneeBoxOverlay, show_in_radiograph_view_only
from .section import Choice, Section, emphasised, say, show

_FILTER = "*.dcm *.dic *.ima *.png *.jpg *.jpeg *.tif *.tiff *.webp *.nrrd *.nii *.nii.gz *.mha"


class RadiographPanel(Section):
    """Selects the radiograph and starts its analysis whenever radiograph, knee, side or box change."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._analysed: tuple | None = None
        self._radiograph: str | None = None
        self._roiTag: tuple[Any, int] | None = None
        self._overlay = KneeBoxOverlay(self.logic.application.scene)
        self._timer = self.timer(250, self._analyse)
        ui = self.ui
        self._side = Choice(self, ui.sideSelector, "side", [
            ("auto", _("From file or image")), ("right", _("Right")), ("left", _("Left"))])  # fmt: skip
        self._photometric = Choice(self, ui.photometricSelector, "photometric", [
            ("auto", _("From file or image")), ("normal", _("Bright")), ("inverted", _("Dark"))])  # fmt: skip
        self._knee = Choice(self, ui.kneeSelector, "knee", [(0, _("Automatic"))])
        self.listen(ui.loadFileButton, "clicked(bool)", self._onLoadFile)
        self.listen(ui.loadDicomButton, "clicked(bool)", self._onLoadDicom)
        self.listen(ui.sampleKneeButton, "clicked(bool)", self._onSampleKnee)
        self.listen(ui.sampleKneesButton, "clicked(bool)", self._onSampleKnees)
        self._forget()

    def restrictSelector(self) -> None:
        """Offer colour images too: binding the parameter has just restricted the selector to its own class."""
        self.ui.radiographSelector.nodeTypes = ["vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode"]
        if self.parameters is not None:
            self.ui.radiographSelector.setCurrentNode(self.parameters.radiograph)

    def refresh(self) -> None:
        self._side.refresh()
        self._photometric.refresh()
        self._knee.refresh()
        several = self.panel.prepared is not None and len(self.panel.prepared["knees"]) > 1
        show(self.ui.kneeLabel, several)
        show(self.ui.kneeSelector, several)
        chosen = self.parameters is not None and self.parameters.radiograph is not None
        for widget in (self.ui.sideSelector, self.ui.photometricSelector, self.ui.useRoiCheckBox):
            widget.enabled = chosen

    def parametersChanged(self) -> None:
        """Reset knee, box and sense of bone for another radiograph; analyse the radiograph again after any change."""
        parameters = self.parameters
        radiograph = None if parameters.radiograph is None else parameters.radiograph.GetID()
        if radiograph != self._radiograph:
            former, self._radiograph = self._radiograph, radiograph
            if former is not None:  # the first one may come from a saved scene with its own settings
                parameters.knee, parameters.useRoi, parameters.photometric = 0, False, "auto"
            self._forget()
        self._followRoi()
        self._markKnee()
        if self._analysisInput() != self._analysed:
            self._timer.start()

    def sceneRead(self) -> None:
        """A scene was read: its radiograph keeps the knee and the box that were saved with it."""
        radiograph = self.parameters.radiograph
        if radiograph is None or radiograph.GetID() != self._radiograph:
            self._radiograph = None

    def sceneClosed(self) -> None:
        self._radiograph = None
        self._overlay.remove()
        self._unfollowRoi()
        self._timer.stop()
        self._forget()

    def cleanup(self) -> None:
        self._timer.stop()
        self._unfollowRoi()
        self._overlay.remove()
        super().cleanup()

    def _forget(self) -> None:
        self.panel.prepared = None
        self._analysed = None
        self._overlay.hide()
        self._knee.fill([(0, _("Automatic"))])
        say(self.ui.radiographStatusLabel, _("Select a radiograph, load a file, or use a sample."))
        say(self.ui.plausibilityLabel, "")

    # load

    def _onLoadFile(self, *_arguments: Any) -> None:
        pictures = _("Radiographs ({endings});;All files (*)").format(endings=_FILTER)
        path = qt.QFileDialog.getOpenFileName(self.panel.parent, _("Load a radiograph"), "", pictures)
        if path:
            self.loadFile(Path(path))

    def loadFile(self, path: Path) -> None:
        """Load a file as a radiograph and select it; the section shows why it cannot."""
        try:
            node = load_radiograph(self.logic.application, path)
        except RadiographError as error:
            say(self.ui.radiographStatusLabel, emphasised(_("Not loaded:"), str(error)))
            return
        self._choose(node)

    def _onLoadDicom(self, *_arguments: Any) -> None:
        if hasattr(getattr(slicer, "modules", None), "dicom"):
            slicer.util.selectModule("DICOM")
        else:
            sentence = _("This Slicer has no DICOM module. Load the file of the radiograph.")
            say(self.ui.radiographStatusLabel, sentence)

    def _onSampleKnee(self, *_arguments: Any) -> None:
        self._sample("single")

    def _onSampleKnees(self, *_arguments: Any) -> None:
        self._sample("both")

    def _sample(self, name: str) -> None:
        from ..scene.sample_data import loadSample

        self._choose(loadSample(name))

    def _choose(self, node: Any) -> None:
        if self.parameters is not None:
            self.parameters.radiograph = node

    # analysis

    def _analysisInput(self) -> tuple | None:
        """All that the analysis depends on; None without a radiograph."""
        parameters = self.parameters
        if parameters is None or parameters.radiograph is None:
            return None
        rectangle = self.rectangle()
        return (parameters.radiograph.GetID(), parameters.side, parameters.photometric, parameters.knee,
                None if rectangle is None else tuple(round(value) for value in rectangle))  # fmt: skip

    def rectangle(self) -> list[float] | None:
        """The knee box that the user has set, [x, y, w, h] in radiograph pixels; None for the detected one."""
        parameters = self.parameters
        if parameters is None or not parameters.useRoi or parameters.roi is None or parameters.radiograph is None:
            return None
        return rectangle_of_roi(parameters.roi, parameters.radiograph)

    def _analyse(self) -> None:
        wanted = self._analysisInput()
        if wanted is None or wanted == self._analysed:
            return
        node = self.parameters.radiograph
        reason = is_radiograph(node)
        if reason is not None:
            self._forget()
            self._analysed = wanted
            say(self.ui.radiographStatusLabel, emphasised(_("Not a radiograph:"), reason.sentence()))
            self.panel.refresh()
            return
        another = self._analysed is None or self._analysed[0] != wanted[0]
        self._analysed = wanted
        if another:
            self.panel.view.showRadiograph(node)
        busy = self.logic.isBusy
        say(
            self.ui.radiographStatusLabel,
            _("The radiograph will be analysed after the current job.") if busy else _("Analysing the radiograph ..."),
        )
        rectangle = self.rectangle()
        self.logic.prepare(
            node, side=self.parameters.side, roi=rectangle, photometric=self.parameters.photometric,
            # a manual box already says which knee is meant
            knee=None if rectangle is not None else self.parameters.knee or None,
            onDone=lambda prepared: self._onPrepared(wanted, prepared),
            onError=lambda failure: self._onFailed(wanted, failure),
        )  # fmt: skip

    def _onPrepared(self, wanted: tuple, prepared: dict[str, Any]) -> None:
        if wanted != self._analysed:
            return
        self.panel.prepared = prepared
        if self.rectangle() is None:
            self._offerKnees(prepared)
        self._markKnee()
        say(self.ui.radiographStatusLabel, self._description(prepared))
        fields = prepared.get("warning_fields", {})
        # the status already gives the number of knees
        others = [warning for warning in prepared["film_warnings"] if fields.get(warning) != "knee"]
        text = self.panel.worded(others, fields)
        say(self.ui.plausibilityLabel, emphasised(_("Caution:"), text) if text else "")
        self.panel.refresh()

    def _onFailed(self, wanted: tuple, failure: Any) -> None:
        if wanted != self._analysed:
            return
        self._forget()
        self._analysed = wanted
        say(self.ui.radiographStatusLabel, emphasised(_("Not usable:"), self.panel.failed(failure)))
        self.panel.refresh()

    def _offerKnees(self, prepared: dict[str, Any]) -> None:
        choices = [(0, _("Automatic"))]
        for number, knee in enumerate(prepared["knees"], start=1):
            side = {"left": _("left knee"), "right": _("right knee")}.get(knee["side"], _("knee"))
            choices.append((number, _("{number} from the left: {side}").format(number=number, side=side)))
        self._knee.fill(choices)

    def _description(self, prepared: dict[str, Any]) -> str:
        side = {"left": _("left"), "right": _("right")}.get(prepared["side"], _("unknown"))
        source = {
            "header": _("from the file"),
            "file name": _("from the file name"),
            "position on the radiograph": _("from its position on the radiograph"),
            "image": _("from the image"),
            "user": _("as selected"),
            "assumed": _("assumed"),
        }.get(prepared["side_source"], "")
        words = {0: _("No knee was found; the whole radiograph is used."), 1: _("One knee was found.")}
        count, place = len(prepared["knees"]), (prepared["chosen"] or 0) + 1
        many = _("{count} knees were found; number {place} from the left is used.").format(count=count, place=place)
        found = words.get(count, many)
        if self.rectangle() is not None:
            found = _("The knee box was set manually.")
        which = _("Side: {side}, {source}.") if source else _("Side: {side}.")
        return found + " " + which.format(side=side, source=source)

    def _markKnee(self) -> None:
        """Frame the detected knee, unless the user has set a box."""
        prepared, parameters = self.panel.prepared, self.parameters
        if parameters is None or parameters.useRoi or prepared is None or not prepared["knees"]:
            self._overlay.hide()
        else:
            self._overlay.show(parameters.radiograph, prepared["knees"][prepared["chosen"] or 0]["box"])

    # manual box

    def _followRoi(self) -> None:
        """Show the box while it is in use, create it at its first use, and notice when it is dragged."""
        parameters = self.parameters
        if parameters.useRoi and parameters.radiograph is not None:
            if parameters.roi is None:
                self._makeRoi()
            roi = parameters.roi
            show_in_radiograph_view_only(roi)
            if self._roiTag is None or self._roiTag[0] is not roi:
                self._unfollowRoi()
                self._roiTag = (roi, roi.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onRoiModified))
        else:
            self._unfollowRoi()
        if parameters.roi is not None and parameters.roi.GetDisplayNode() is not None:
            parameters.roi.GetDisplayNode().SetVisibility(bool(parameters.useRoi))

    def _makeRoi(self) -> None:
        parameters = self.parameters
        roi = roi_from_rectangle(slicer.mrmlScene, parameters.radiograph, self._firstRectangle(), _("Knee box"))
        roi.CreateDefaultDisplayNodes()
        parameters.roi = roi

    def _firstRectangle(self) -> list[float]:
        """The box that was detected, or the middle half of the radiograph."""
        prepared = self.panel.prepared
        if prepared is not None and prepared["knees"]:
            return prepared["knees"][prepared["chosen"] or 0]["box"]
        columns, rows = radiograph_size(self.parameters.radiograph)
        side = min(columns, rows) / 2
        return [(columns - side) / 2, (rows - side) / 2, side, side]

    def resetRoi(self) -> None:
        """Move the box back to the detected knee."""
        if self.parameters is not None and self.parameters.roi is not None:
            place_roi(self.parameters.roi, self.parameters.radiograph, self._firstRectangle())

    def _unfollowRoi(self) -> None:
        if self._roiTag is not None:
            self._roiTag[0].RemoveObserver(self._roiTag[1])
            self._roiTag = None

    def _onRoiModified(self, *_arguments: Any) -> None:
        if self.parameters is not None and self._analysisInput() != self._analysed:
            self._timer.start()
