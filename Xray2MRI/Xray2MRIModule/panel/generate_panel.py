"""Section 3: the choices of a run, the one button that starts and stops it, and its progress."""

from __future__ import annotations

import time
from typing import Any

from slicer.i18n import tr as _

from ..parameter_node import settings
from .progress_text import durationText, stageSentence
from .section import Choice, Section, emphasised, say, show


class GeneratePanel(Section):
    """Starts, shows and stops runs, also those that the slider for the number of slices asks for."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._run: Any = None
        self._begun = 0.0
        self._cancelled: Any = None
        self._shownRun: Any = None
        self._unseen: Any = None
        self._modelShown: str | None = None
        # views take their time when they come first; the volume has just taken its own
        self._showTimer = self.timer(0, lambda: self.panel.view.showRun())
        ui = self.ui
        self._model = Choice(self, ui.modelSelector, None, [
            ("compact", _("Compact, comes with the module")),
            ("folder", _("A folder on this computer")),
            ("hub", _("A name on the Hugging Face hub"))])  # fmt: skip
        self._device = Choice(self, ui.deviceSelector, "device", [
            ("auto", _("Automatic")), ("cuda", _("NVIDIA graphics card")),
            ("mps", _("Apple graphics")), ("cpu", _("Processor"))])  # fmt: skip
        self.listen(ui.modelSelector, "currentIndexChanged(int)", self._onModel)
        self.listen(ui.modelFolderEdit, "currentPathChanged(QString)", self._onModel)
        self.listen(ui.modelNameEdit, "editingFinished()", self._onModel)
        self.listen(ui.generateButton, "clicked(bool)", self._onButton)
        ui.moreChoicesBox.collapsed = True
        for label in (ui.stageLabel, ui.generateMessageLabel):
            say(label, "")
        show(ui.progressBar, False)
        self._showModelFields()

    @property
    def isRunning(self) -> bool:
        """Whether a run that this panel has begun is under way."""
        return self._run is not None

    # what is shown

    def refresh(self) -> None:
        ui, parameters = self.ui, self.parameters
        running = self._run is not None
        ready = parameters is not None and parameters.radiograph is not None
        cancelling = running and self._run is self._cancelled
        ui.generateButton.text = (
            _("Cancelling ...") if cancelling else _("Cancel") if running else _("Generate pseudo-MRI")
        )
        ui.generateButton.enabled = not cancelling if running else ready and not self.logic.isBusy
        show(ui.progressBar, running)
        for widget in (ui.moreChoicesBox, self.ui.whatIfCheckBox, self.ui.resetGradesButton):
            widget.enabled = not running
        self._device.refresh()
        self._showDevice()
        if parameters is not None:
            self._showModel()

    def _showDevice(self) -> None:
        hello = self.logic.workerHello
        if hello is None:
            say(self.ui.deviceStatusLabel, _("Which device there is shows when a radiograph is chosen."))
            return
        free = hello.get("free_memory_bytes")
        text = _("Found: {device}, {size} GB free.") if free else _("Found: {device}.")
        device = hello.get("device_name") or hello.get("device")
        say(self.ui.deviceStatusLabel, text.format(device=device, size=f"{(free or 0) / 1e9:.1f}"))

    def offerDevices(self, devices: list[Any]) -> None:
        """Offer the devices that were found (environment_report.DeviceState) instead of all there might be."""
        choices = [("auto", _("Automatic"))]
        for device in devices:
            free = device.freeMemoryBytes
            text = _("{device}, {size} GB free") if free else "{device}"
            choices.append((device.kind, text.format(device=device.name, size=f"{(free or 0) / 1e9:.1f}")))
        self._device.fill(choices)
        self._device.refresh()

    # the model

    def _onModel(self, *_arguments: Any) -> None:
        self._showModelFields()
        parameters, kind = self.parameters, self._model.value
        if parameters is None:
            return
        if kind == "folder":
            parameters.modelFolder = str(self.ui.modelFolderEdit.currentPath).strip()
        named = {"compact": "compact", "folder": parameters.modelFolder, "hub": str(self.ui.modelNameEdit.text).strip()}
        parameters.model = named[kind]

    def _showModel(self) -> None:
        """Show the parameter node's model after it was loaded with a scene; typing is not disturbed."""
        model = self.parameters.model
        if model == self._modelShown:
            return
        self._modelShown = model
        kind = "compact" if model == "compact" else "folder" if model == self.parameters.modelFolder else "hub"
        if model and kind != self._model.value:
            self._model.show(kind)
            if kind == "folder":
                self.ui.modelFolderEdit.currentPath = model
            elif kind == "hub":
                self.ui.modelNameEdit.text = model
        self._showModelFields()

    def _showModelFields(self) -> None:
        kind = self._model.value
        for widget in (self.ui.modelPlaceLabel, self.ui.modelFolderEdit):
            show(widget, kind == "folder")
        for widget in (self.ui.modelNameLabel, self.ui.modelNameEdit):
            show(widget, kind == "hub")

    # runs

    def _onButton(self, *_arguments: Any) -> None:
        if self._run is not None:
            self._cancelled = self._run
            self.logic.cancel(self._run)
            self.panel.refresh()
            return
        parameters = self.parameters
        if parameters is None or parameters.radiograph is None or self.logic.isBusy:
            return
        self.panel.density.stop()
        if not parameters.model:
            say(self.ui.generateMessageLabel, emphasised(_("Not generated:"), _("Name a model first.")))
            return
        chosen = settings(parameters)
        rectangle = self.panel.radiograph.rectangle()
        if rectangle is not None:
            chosen["roi"] = rectangle
        self.begin(lambda callbacks: self.logic.generate(parameters.radiograph, chosen, **callbacks))

    def begin(self, start: Any) -> None:
        """Start a run. Its callbacks may come before ``start`` has returned."""
        self._begun = time.monotonic()
        over: list[bool] = []

        def onDone(run: Any) -> None:
            over.append(True)
            self._onDone(run)

        def onError(failure: Any) -> None:
            over.append(True)
            self._onError(failure)

        say(self.ui.generateMessageLabel, "")
        say(self.ui.stageLabel, _("Starting the background process ..."))
        self.ui.progressBar.setValue(0)
        run = start({"onProgress": self._onProgress, "onDone": onDone, "onError": onError})
        if not over:
            self._run = run
        self.panel.refresh()

    def _onProgress(self, progress: Any) -> None:
        self.ui.progressBar.setValue(round(1000 * progress.fraction))
        say(self.ui.stageLabel, stageSentence(progress))
        self._showVolume(self._run)

    def _showVolume(self, run: Any) -> None:
        """Show the volume of a run as soon as it has one, unless the user looks at another by now."""
        if run is None or run.volumeNode is None or run is self._shownRun:
            return
        if self.parameters is None:
            self._unseen = run
            return
        self._shownRun = run
        self.panel.density.adopt(run.volumeNode)
        self.parameters.volume = run.volumeNode
        self._showTimer.start()

    def _onDone(self, run: Any) -> None:
        self._showVolume(run)
        self._over()
        result = run.result or {}
        words = _("Done in {duration}.").format(duration=durationText(time.monotonic() - self._begun))
        text = self.panel.worded(result.get("warnings", []), result.get("warning_fields", {}))
        say(self.ui.generateMessageLabel, emphasised(words, text))
        self.panel.density.follow()
        self.panel.refresh()

    def _onError(self, failure: Any) -> None:
        self._over()
        if failure.code == "cancelled":
            say(self.ui.generateMessageLabel, _("Cancelled. Nothing was left behind."))
        else:
            say(self.ui.generateMessageLabel, emphasised(_("Not generated:"), self.panel.failed(failure)))
        self.panel.density.giveBack()
        self.panel.refresh()

    def _over(self) -> None:
        self._run = self._cancelled = None
        say(self.ui.stageLabel, "")

    def entered(self) -> None:
        """Show what was finished while another module was open."""
        run, self._unseen = self._unseen, None
        self._showVolume(run)

    def sceneClosed(self) -> None:
        self._showTimer.stop()
        self._unseen = None
        say(self.ui.generateMessageLabel, "")
