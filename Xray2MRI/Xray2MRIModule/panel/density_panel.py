"""The number of slices, in section 3: a slider that can be moved before and after a volume was made."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from Xray2MRILib.volume.geometry import slice_pitch_mm

from .section import Section, say

_FEWEST, _MOST = 30, 500
_PAUSE_MS = 800


class DensityPanel(Section):
    """Keeps slider and volume together. A later move has only the depths made that are not there yet."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._slices: int | None = None
        self._volume: str | None = None
        self._timer = self.timer(_PAUSE_MS, self._densify)
        self.listen(self.ui.densitySlider, "valueIsChanging(double)", self._show)

    def refresh(self) -> None:
        if self.parameters is not None:
            self._show(self.parameters.slices)

    def parametersChanged(self) -> None:
        """Another volume brings its number of slices; another number brings the volume to it."""
        parameters = self.parameters
        volume = None if parameters.volume is None else parameters.volume.GetID()
        if volume != self._volume:
            self._volume = volume
            self.giveBack()
        if parameters.slices != self._slices:
            self._slices = parameters.slices
            self.follow()

    def logicTurned(self) -> None:
        """A move of the slider during another job has its turn now."""
        if not self.logic.isBusy and self.parameters is not None:
            self.follow()

    def adopt(self, volume: Any) -> None:
        """This volume is about to be shown, and what the slider says is its number of slices."""
        self._slices, self._volume = self.parameters.slices, volume.GetID()

    def follow(self) -> None:
        """Show the volume with the slider's number of slices: at once where they are made, else after a moment."""
        self.stop()
        volume = self._volumeOfRadiograph()
        if volume is None or self.logic.isBusy:
            return
        slices = self.parameters.slices
        if slices == self.logic.density(volume):
            return
        if slices in self.logic.densities(volume):
            self.logic.selectDensity(volume, slices)
        else:
            self._timer.start()

    def giveBack(self) -> None:
        """Bring the slider to the number of slices of the volume shown."""
        volume = self._volumeOfRadiograph()
        shown = None if volume is None else self.logic.density(volume)
        if shown and _FEWEST <= shown <= _MOST and shown != self.parameters.slices:
            self._slices = shown
            self.parameters.slices = shown

    def stop(self) -> None:
        """Forget a move that has not had its turn."""
        self._timer.stop()

    def sceneClosed(self) -> None:
        self.stop()
        self._slices = self._volume = None

    def cleanup(self) -> None:
        self.stop()
        super().cleanup()

    def _show(self, slices: float) -> None:
        slices = round(slices)
        text = _("{count} slices, one every {distance} mm.").format(
            count=slices, distance=f"{slice_pitch_mm(slices):.2g}"
        )
        volume = self._volumeOfRadiograph()
        if volume is not None:
            made = self.logic.densities(volume)
            if slices in made:
                others = ", ".join(str(number) for number in made)
                text += " " + (_("Ready at once: {numbers}.").format(numbers=others) if len(made) > 1 else "")
            elif not self.panel.generate.isRunning:
                text += " " + _("Only the depths that are new are computed.")
        say(self.ui.densityLabel, text.strip())

    def _densify(self) -> None:
        volume = self._volumeOfRadiograph()
        if volume is None or self.logic.isBusy or self.parameters.slices == self.logic.density(volume):
            return
        slices = self.parameters.slices
        self.panel.generate.begin(lambda callbacks: self.logic.densify(volume, slices, **callbacks))

    def _volumeOfRadiograph(self) -> Any:
        """The volume shown, if it was made from the radiograph chosen; None otherwise."""
        parameters = self.parameters
        volume = None if parameters is None else parameters.volume
        if volume is None or parameters.radiograph is None or not self.logic.isSynthetic(volume):
            return None
        radiograph = volume.GetNodeReference("Xray2MRI.radiograph")
        return volume if radiograph is not None and radiograph.GetID() == parameters.radiograph.GetID() else None
