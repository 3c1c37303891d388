"""Section 8: finer voxels for an MRI or a pseudo-MRI, shown beside the measured ones in linked views."""

from __future__ import annotations

import math
from typing import Any

from slicer.i18n import tr as _

from Xray2MRILib.super_resolution.spacing_plan import LARGEST_SCALE

from .progress_text import stageSentence
from .section import Choice, Section, emphasised, say, show

_NETWORK, _INTERPOLATION, _FOLDER = "enhance-compact", "interpolation", "folder"
_LEAST_MM, _STEP_MM = 0.2, 0.005


class EnhancePanel(Section):
    """Starts an enhancement and shows the volume before and after it."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._enhanced: str | None = None
        self._measured: str | None = None
        ui = self.ui
        self._model = Choice(self, ui.enhanceModelSelector, None, [
            (_INTERPOLATION, _("Interpolation, without a network")), (_NETWORK, _("Network of this installation")),
            (_FOLDER, _("Network in a folder"))])  # fmt: skip
        self._plane = Choice(self, ui.enhancePlaneSelector, None, [
            ("Sagittal", _("Sagittal")), ("Axial", _("Axial")), ("Coronal", _("Coronal"))])  # fmt: skip
        self.listen(ui.enhanceModelSelector, "currentIndexChanged(int)", self._onModel)
        self.listen(ui.enhanceSelector, "currentNodeChanged(vtkMRMLNode*)", self._onVolume)
        self.listen(ui.enhancePlaneSelector, "currentIndexChanged(int)", self._onPlane)
        self.listen(ui.enhanceButton, "clicked(bool)", self._onButton)
        say(ui.enhanceMessageLabel, "")
        say(ui.enhanceMeasuredLabel, "")
        self._onModel()

    def refresh(self) -> None:
        ui = self.ui
        running = self.job is not None
        ui.enhanceButton.text = _("Cancel") if running else _("Enhance")
        ui.enhanceButton.enabled = running or (ui.enhanceSelector.currentNode() is not None and not self.logic.isBusy)
        shown = self._node(self._enhanced) is not None
        ui.enhancePlaneSelector.enabled = shown and self._node(self._measured) is not None

    def sceneClosed(self) -> None:
        self._enhanced = self._measured = None
        say(self.ui.enhanceMessageLabel, "")
        say(self.ui.enhanceMeasuredLabel, "")

    def _node(self, identifier: str | None) -> Any:
        return None if identifier is None else self.logic.application.scene.GetNodeByID(identifier)

    def _onModel(self, *_arguments: Any) -> None:
        for widget in (self.ui.enhanceFolderLabel, self.ui.enhanceFolderEdit):
            show(widget, self._model.value == _FOLDER)
        self.ui.enhanceTeacherCheckBox.enabled = self._model.value != _INTERPOLATION

    def _onVolume(self, *_arguments: Any) -> None:
        """Another volume has other spacings: the slider goes from a quarter of the coarsest one up to it."""
        node = self.ui.enhanceSelector.currentNode()
        if node is None:
            say(self.ui.enhanceMeasuredLabel, "")
            self.panel.refresh()
            return
        spacing = sorted(float(edge) for edge in node.GetSpacing())
        least = max(math.ceil(spacing[-1] / LARGEST_SCALE / _STEP_MM - 1e-6) * _STEP_MM, _LEAST_MM)
        slider = self.ui.enhanceSpacingSlider
        slider.maximum = max(spacing[-1] * 0.98, least)
        slider.minimum = least
        slider.value = max(least, min(spacing[0], slider.maximum))
        edges = " x ".join(f"{edge:.3g}" for edge in node.GetSpacing())
        say(self.ui.enhanceMeasuredLabel, _("Measured voxels: {edges} mm").format(edges=edges))
        self.panel.refresh()

    def _onButton(self, *_arguments: Any) -> None:
        if self.job is not None:
            self.logic.cancel(self.job)
            return
        node = self.ui.enhanceSelector.currentNode()
        if node is None or self.logic.isBusy:
            return
        model = self._model.value
        if model == _FOLDER:
            model = str(self.ui.enhanceFolderEdit.currentPath).strip()
            if not model:
                sentence = _("Choose the folder of a network first.")
                say(self.ui.enhanceMessageLabel, emphasised(_("Not enhanced:"), sentence))
                return
        teacher = bool(self.ui.enhanceTeacherCheckBox.checked) and model != _INTERPOLATION
        say(self.ui.enhanceMessageLabel, _("Starting ..."))
        self.watch(
            lambda callbacks: self.logic.enhance(
                node, float(self.ui.enhanceSpacingSlider.value), model=model, teacher=teacher,
                device=self.parameters.device, onProgress=self._onProgress, **callbacks,
            ), self._onDone, self._onError,
        )  # fmt: skip

    def _onProgress(self, progress: Any) -> None:
        sentence = stageSentence(progress, {
            "read": _("Reading the volume"), "enhance": _("Computing finer voxels"),
            "estimate bias": _("Estimating the bias field"),
        })  # fmt: skip
        text = _("{stage} ({share} %)").format(stage=sentence, share=round(100 * progress.fraction))
        say(self.ui.enhanceMessageLabel, text)

    def _onDone(self, job: Any) -> None:
        result = job.result
        edges = " x ".join(f"{edge:.3g}" for edge in result["spacing_mm"])
        sentence = _(
            "{edges} mm. Measured voxels are explained up to {residual} of the noise. Detail beyond the acquired "
            "resolution is computed."
        ).format(edges=edges, residual=f"{result['residual_in_noise']:.2f}")
        text = emphasised(_("Enhanced:"), sentence)
        if result["warnings"]:
            text += " " + emphasised(_("Note:"), " ".join(result["warnings"]))
        say(self.ui.enhanceMessageLabel, text)
        enhanced, measured = job.node("enhanced"), job.volumeNode
        self._enhanced = None if enhanced is None else enhanced.GetID()
        self._measured = None if measured is None else measured.GetID()
        self.panel.refresh()
        self._onPlane()

    def _onError(self, failure: Any) -> None:
        if failure.code == "cancelled":
            say(self.ui.enhanceMessageLabel, _("Cancelled."))
        else:
            say(self.ui.enhanceMessageLabel, emphasised(_("Not enhanced:"), self.panel.failed(failure)))
        self.panel.refresh()

    def _onPlane(self, *_arguments: Any) -> None:
        enhanced, measured = self._node(self._enhanced), self._node(self._measured)
        if enhanced is not None and measured is not None:
            self.logic.views.showBeforeAfter(measured, enhanced, self._plane.value)
