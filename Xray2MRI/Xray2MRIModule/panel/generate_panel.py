"""Section 3: the choices of a run, the one button that starts and stops it, its progress, and the number of slices."""

from __future__ import annotations

import time
from typing import Any

from slicer.i18n import tr as _

from ..parameter_node import settings
from .section import Choice, Section, emphasised, say, show, withoutOptions

DEPTH_MM = 73.5  # the slices always span this much of the knee, whatever their number


class GeneratePanel(Section):
    """Starts, shows and stops runs. A later move of the slider has only the depths made that are not there yet."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._run: Any = None
        self._begun = 0.0
        self._cancelled: Any = None
        self._shownRun: Any = None
        self._unseen: Any = None
        self._modelShown: str | None = None
        self._slices: int | None = None
        self._volume: str | None = None
        self._densifyTimer = self.timer(800, self._densify)
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
        self.listen(ui.densitySlider, "valueIsChanging(double)", self._onSliderMoves)
        ui.moreChoicesBox.collapsed = True
        for label in (ui.stageLabel, ui.generateMessageLabel):
            say(label, "")
        show(ui.progressBar, False)
        self._showModelFields()

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
            self._showDensity(parameters.slices)

    def _showDensity(self, slices: float) -> None:
        slices = round(slices)
        text = _("{count} slices, one every {distance} mm.").format(
            count=slices, distance=f"{DEPTH_MM / (slices - 1):.2g}"
        )
        volume = self._volumeOfFilm()
        if volume is not None:
            made = self.logic.densities(volume)
            if slices in made:
                others = ", ".join(str(number) for number in made)
                text += " " + (_("Ready at once: {numbers}.").format(numbers=others) if len(made) > 1 else "")
            elif self._run is None:
                text += " " + _("Only the depths that are new are computed.")
        say(self.ui.densityLabel, text.strip())

    def _showDevice(self) -> None:
        hello = self.logic.workerHello
        if hello is None:
            say(self.ui.deviceStatusLabel, _("Which device there is shows when a radiograph is chosen."))
            return
        free = hello.get("free_memory_bytes")
        text = _("Found: {device}").format(device=hello.get("device_name") or hello.get("device"))
        if free:
            text += ", " + _("{size} GB free").format(size=f"{free / 1e9:.1f}")
        say(self.ui.deviceStatusLabel, text + ".")

    def offerDevices(self, devices: list[Any]) -> None:
        """Offer the devices that were found (environment_report.DeviceState) instead of all there might be."""
        choices = [("auto", _("Automatic"))]
        for device in devices:
            free = device.freeMemoryBytes
            size = "" if not free else ", " + _("{size} GB free").format(size=f"{free / 1e9:.1f}")
            choices.append((device.kind, f"{device.name}{size}"))
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
        self._densifyTimer.stop()
        if not parameters.model:
            say(self.ui.generateMessageLabel, emphasised(_("Not generated:"), _("Name a model first.")))
            return
        chosen = settings(parameters)
        rectangle = self.panel.radiograph.rectangle()
        if rectangle is not None:
            chosen["roi"] = rectangle
        self._begin(lambda callbacks: self.logic.generate(parameters.radiograph, chosen, **callbacks))

    def _begin(self, start: Any) -> None:
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
        self._slices, self._volume = self.parameters.slices, run.volumeNode.GetID()
        self.parameters.volume = run.volumeNode
        self.panel.view.showRun()

    def _onDone(self, run: Any) -> None:
        self._showVolume(run)
        self._over()
        result = run.result or {}
        words = _("Done in {duration}.").format(duration=durationText(time.monotonic() - self._begun))
        warnings = [withoutOptions(warning) for warning in result.get("warnings", [])]
        text = " ".join(warning for warning in warnings if warning)
        say(self.ui.generateMessageLabel, emphasised(words, text))
        self._followSlider()
        self.panel.refresh()

    def _onError(self, failure: Any) -> None:
        self._over()
        if failure.code == "cancelled":
            say(self.ui.generateMessageLabel, _("Cancelled. Nothing was left behind."))
        else:
            sentence = withoutOptions(self.panel.failed(failure))
            say(self.ui.generateMessageLabel, emphasised(_("Not generated:"), sentence))
        self._returnSlider()
        self.panel.refresh()

    def _over(self) -> None:
        self._run = self._cancelled = None
        say(self.ui.stageLabel, "")

    def entered(self) -> None:
        """Show what was finished while another module was open."""
        run, self._unseen = self._unseen, None
        self._showVolume(run)

    # the number of slices

    def parametersChanged(self) -> None:
        """Another volume brings its number of slices; another number brings the volume to it."""
        parameters = self.parameters
        volume = None if parameters.volume is None else parameters.volume.GetID()
        if volume != self._volume:
            self._volume = volume
            self._returnSlider()
        if parameters.slices != self._slices:
            self._slices = parameters.slices
            self._followSlider()

    def logicTurned(self) -> None:
        """A move of the slider during another job has its turn now."""
        if not self.logic.isBusy and self.parameters is not None:
            self._followSlider()

    def sceneClosed(self) -> None:
        self._densifyTimer.stop()
        self._slices = self._volume = self._unseen = None
        say(self.ui.generateMessageLabel, "")

    def cleanup(self) -> None:
        self._densifyTimer.stop()
        super().cleanup()

    def _volumeOfFilm(self) -> Any:
        """The volume shown, if it was made from the film chosen; None otherwise."""
        parameters = self.parameters
        volume = None if parameters is None else parameters.volume
        if volume is None or parameters.radiograph is None or not self.logic.isSynthetic(volume):
            return None
        film = volume.GetNodeReference("Xray2MRI.radiograph")
        return volume if film is not None and film.GetID() == parameters.radiograph.GetID() else None

    def _onSliderMoves(self, value: float) -> None:
        self._showDensity(value)

    def _followSlider(self) -> None:
        """Show the volume with the slider's number of slices: at once where they are made, else after a moment."""
        self._densifyTimer.stop()
        volume = self._volumeOfFilm()
        if volume is None or self.logic.isBusy:
            return
        slices = self.parameters.slices
        if slices == self.logic.density(volume):
            return
        if slices in self.logic.densities(volume):
            self.logic.selectDensity(volume, slices)
        else:
            self._densifyTimer.start()

    def _densify(self) -> None:
        volume = self._volumeOfFilm()
        if volume is None or self.logic.isBusy or self.parameters.slices == self.logic.density(volume):
            return
        slices = self.parameters.slices
        self._begin(lambda callbacks: self.logic.densify(volume, slices, **callbacks))

    def _returnSlider(self) -> None:
        """Bring the slider to the number of slices of the volume shown."""
        volume = self._volumeOfFilm()
        shown = None if volume is None else self.logic.density(volume)
        if shown and 30 <= shown <= 500 and shown != self.parameters.slices:
            self._slices = shown
            self.parameters.slices = shown


def stageSentence(progress: Any, ofJob: dict[str, str] | None = None) -> str:
    """What goes on, and how long it may still take; ``ofJob`` has words of stages that mean something else there."""
    stages = {
        "read": _("Reading the radiograph"),
        "localise": _("Looking for the knee"),
        "prepare": _("Cutting out the joint"),
        "load model": _("Loading the model"),
        "encode": _("Looking at the radiograph"),
        "sample": _("Drawing the slices"),
        "decode": _("Finishing the slices"),
        "write": _("Writing the volume"),
        "align": _("Aligning the real MRI"),
        "controls": _("Preparing the controls"),
        "measure": _("Measuring slice by slice"),
        "report": _("Writing the report"),
        "done": _("Done"),
    }
    stages.update(ofJob or {})
    text = stages.get(progress.stage, str(progress.stage).capitalize())
    if progress.eta_s is None:
        return text + " ..."
    return _("{stage}, about {duration} left").format(stage=text, duration=durationText(progress.eta_s))


def durationText(seconds: float) -> str:
    """Seconds in words: "8 s", "3 min"."""
    if seconds < 90:
        return _("{count} s").format(count=max(1, round(seconds)))
    return _("{count} min").format(count=round(seconds / 60))
