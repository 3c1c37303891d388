"""Section 3: the settings of a generation, the button that starts and cancels it, and its progress."""

from __future__ import annotations

import time
from typing import Any

from slicer.i18n import tr as _

from ..parameter_node import settings
from .progress_text import durationText, stageSentence
from .section import Choice, Section, emphasised, say, show


class GeneratePanel(Section):
    """Starts, shows and cancels generations, also those that the slider for the number of slices starts."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._begun = 0.0
        self._cancelledJob: Any = None
        self._shownJob: Any = None
        self._jobToShow: Any = None
        self._modelShown: str | None = None
        self._queue: Any = None  # the radiographs of "Generate for all loaded radiographs"
        # creating views takes time, as the volume has just done: let the window respond in between
        self._showTimer = self.timer(0, lambda: self.panel.view.showVolumeOfJob())
        ui = self.ui
        self._model = Choice(self, ui.modelSelector, None, [
            ("compact", _("Compact (included)")),
            ("folder", _("Local folder")),
            ("hub", _("Hugging Face Hub"))])  # fmt: skip
        self._device = Choice(self, ui.deviceSelector, "device", [
            ("auto", _("Automatic")), ("cuda", _("NVIDIA GPU")),
            ("mps", _("Apple GPU")), ("cpu", _("CPU"))])  # fmt: skip
        self._precision = Choice(self, ui.precisionSelector, "precision", [
            ("auto", _("Automatic")), ("fp32", _("32 bits")),
            ("bf16", _("16 bits (bfloat16)")), ("fp16", _("16 bits (float16)"))])  # fmt: skip
        self.listen(ui.modelSelector, "currentIndexChanged(int)", self._onModel)
        self.listen(ui.modelFolderEdit, "currentPathChanged(QString)", self._onModel)
        self.listen(ui.modelNameEdit, "editingFinished()", self._onModel)
        self.listen(ui.generateButton, "clicked(bool)", self._onButton)
        self.listen(ui.generateAllButton, "clicked(bool)", self._onAllButton)
        ui.moreChoicesBox.collapsed = True
        for label in (ui.stageLabel, ui.generateMessageLabel):
            say(label, "")
        show(ui.progressBar, False)
        self._showModelFields()

    @property
    def isRunning(self) -> bool:
        """Whether a generation is under way."""
        return self.job is not None or self._queue is not None

    # display

    def refresh(self) -> None:
        ui, parameters = self.ui, self.parameters
        running = self.isRunning
        ready = parameters is not None and parameters.radiograph is not None
        cancelling = self._queue.isCancelled if self._queue else running and self.job is self._cancelledJob
        ui.generateButton.text = (
            _("Cancelling ...") if cancelling else _("Cancel") if running else _("Generate pseudo-MRI")
        )
        ui.generateButton.enabled = not cancelling if running else ready and not self.logic.isBusy
        count = 0 if parameters is None or running else len(self.logic.allRadiographs.loaded())
        ui.generateAllButton.enabled = count > 0 and not self.logic.isBusy
        show(ui.generateAllButton, not running)
        show(ui.progressBar, running)
        for widget in (ui.moreChoicesBox, self.ui.whatIfCheckBox, self.ui.resetGradesButton):
            widget.enabled = not running
        self._device.refresh()
        self._precision.refresh()
        self._showDevice()
        if parameters is not None:
            self._showModel()

    def _showDevice(self) -> None:
        hello = self.logic.jobs.workerHello
        if hello is None:
            say(self.ui.deviceStatusLabel, _("The device is detected when you select a radiograph."))
            return
        free = hello.get("free_memory_bytes")
        text = _("Found: {device}, {size} GB free.") if free else _("Found: {device}.")
        device = hello.get("device_name") or hello.get("device")
        say(self.ui.deviceStatusLabel, text.format(device=device, size=f"{(free or 0) / 1e9:.1f}"))

    def offerDevices(self, devices: list[Any]) -> None:
        """Offer the devices that were found (environment.report.DeviceState) instead of all possible ones."""
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
        """Show the parameter node's model after a scene was loaded, without disturbing the user's typing."""
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

    # jobs

    def _onButton(self, *_arguments: Any) -> None:
        if self._queue is not None:
            self.logic.allRadiographs.cancel()
            self.panel.refresh()
            return
        if self.job is not None:
            self._cancelledJob = self.job
            self.logic.cancel(self.job)
            self.panel.refresh()
            return
        parameters = self.parameters
        if parameters is None or parameters.radiograph is None or self.logic.isBusy:
            return
        self.panel.density.stop()
        if not parameters.model:
            say(self.ui.generateMessageLabel, emphasised(_("Not generated:"), _("Select a model first.")))
            return
        chosen = settings(parameters)
        rectangle = self.panel.radiograph.rectangle()
        if rectangle is not None:
            chosen["roi"] = rectangle
        self.begin(lambda callbacks: self.logic.generate(parameters.radiograph, chosen, **callbacks))

    def _onAllButton(self, *_arguments: Any) -> None:
        parameters = self.parameters
        if parameters is None or self.logic.isBusy or self.isRunning:
            return
        self.panel.density.stop()
        if not parameters.model:
            say(self.ui.generateMessageLabel, emphasised(_("Not generated:"), _("Select a model first.")))
            return
        self._showStart()
        queue = self.logic.generateAll(settings(parameters), onProgress=self._onQueueProgress, onDone=self._onAllDone)
        self._queue = None if queue.isOver else queue
        self.panel.refresh()

    def _onQueueProgress(self, progress: Any) -> None:
        self.ui.progressBar.setValue(round(1000 * progress.fraction))
        place = _("Radiograph {number} of {count}").format(number=progress.number, count=progress.count)
        say(self.ui.stageLabel, f"{place}: {stageSentence(progress.ofRadiograph)}")

    def _onAllDone(self, queue: Any) -> None:
        self._queue = None
        self._clearProgress()
        words = _("{done} of {count} radiographs done in {duration}.").format(
            done=len(queue.volumes), count=queue.count, duration=durationText(time.monotonic() - self._begun)
        )
        reasons = [failure for failure in queue.failures.values() if not failure.is_cancellation]
        text = self.panel.failed(reasons[0]) if reasons else _("Cancelled.") if queue.isCancelled else ""
        say(self.ui.generateMessageLabel, emphasised(words, text))
        self.panel.refresh()

    def _showStart(self) -> None:
        self._begun = time.monotonic()
        say(self.ui.generateMessageLabel, "")
        say(self.ui.stageLabel, _("Starting the background process ..."))
        self.ui.progressBar.setValue(0)

    def begin(self, startJob: Any) -> None:
        """Start a job of the logic and show how it goes; ``startJob`` as in Section.watch, without ``onProgress``."""
        self._showStart()
        self.watch(
            lambda callbacks: startJob({"onProgress": self._onProgress, **callbacks}), self._onDone, self._onError
        )

    def _onProgress(self, progress: Any) -> None:
        self.ui.progressBar.setValue(round(1000 * progress.fraction))
        say(self.ui.stageLabel, stageSentence(progress))
        self._showVolume(self.job)

    def _showVolume(self, job: Any) -> None:
        """Select the volume of a job once, as soon as it has one; a later choice of the user stays."""
        if job is None or job.volumeNode is None or job is self._shownJob:
            return
        if self.parameters is None:
            self._jobToShow = job
            return
        self._shownJob = job
        self.panel.density.setVolume(job.volumeNode)
        self.parameters.volume = job.volumeNode
        self._showTimer.start()

    def _onDone(self, job: Any) -> None:
        self._showVolume(job)
        self._clearProgress()
        result = job.result or {}
        words = _("Done in {duration}.").format(duration=durationText(time.monotonic() - self._begun))
        text = self.panel.worded(result.get("warnings", []), result.get("warning_fields", {}))
        say(self.ui.generateMessageLabel, emphasised(words, text))
        self.panel.view.volumeReady()
        self.panel.density.updateVolume()
        self.panel.refresh()

    def _onError(self, failure: Any) -> None:
        self._clearProgress()
        if failure.code == "cancelled":
            say(self.ui.generateMessageLabel, _("Cancelled. The scene is unchanged."))
        else:
            say(self.ui.generateMessageLabel, emphasised(_("Not generated:"), self.panel.failed(failure)))
        self.panel.density.resetSlider()
        self.panel.refresh()

    def _clearProgress(self) -> None:
        self._cancelledJob = None
        say(self.ui.stageLabel, "")

    def entered(self) -> None:
        """Show the volume that was finished while another module was open."""
        job, self._jobToShow = self._jobToShow, None
        self._showVolume(job)

    def sceneClosed(self) -> None:
        self._showTimer.stop()
        self._jobToShow = None
        self._queue = None
        say(self.ui.generateMessageLabel, "")
