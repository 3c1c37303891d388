"""The number of slices, in section 3: a slider that works before and after a volume was made."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from Xray2MRILib.volume.geometry import slice_pitch_mm

from .section import Section, say

_FEWEST, _MOST = 30, 500
_PAUSE_MS = 800


class DensityPanel(Section):
    """Keeps slider and volume consistent. After a generation, a move of the slider adds only the missing slices."""

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
        """Show the number of slices of another volume, or the volume with another number of slices."""
        parameters = self.parameters
        volume = None if parameters.volume is None else parameters.volume.GetID()
        if volume != self._volume:
            self._volume = volume
            self.resetSlider()
        if parameters.slices != self._slices:
            self._slices = parameters.slices
            self.updateVolume()

    def onLogicIdle(self) -> None:
        """Carry out a move of the slider that was made during a job."""
        if not self.logic.isBusy and self.parameters is not None:
            self.updateVolume()

    def setVolume(self, volume: Any) -> None:
        """This volume will be shown, and its number of slices is the slider's."""
        self._slices, self._volume = self.parameters.slices, volume.GetID()

    def updateVolume(self) -> None:
        """Show the volume with the slider's number of slices: at once if it exists, otherwise generate it soon."""
        self.stop()
        volume = self._volumeOfRadiograph()
        if volume is None or self.logic.isBusy:
            return
        slices = self.parameters.slices
        if slices == self.logic.volumes.density(volume):
            return
        if slices in self.logic.densities(volume):
            self.logic.selectDensity(volume, slices)
        else:
            self._timer.start()

    def resetSlider(self) -> None:
        """Set the slider to the number of slices of the volume shown."""
        volume = self._volumeOfRadiograph()
        shown = None if volume is None else self.logic.volumes.density(volume)
        if shown and _FEWEST <= shown <= _MOST and shown != self.parameters.slices:
            self._slices = shown
            self.parameters.slices = shown

    def stop(self) -> None:
        """Discard a move that was not carried out yet."""
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
                text += " " + (_("Available at once: {numbers}.").format(numbers=others) if len(made) > 1 else "")
            elif not self.panel.generate.isRunning:
                text += " " + _("Only new slices are computed.")
        say(self.ui.densityLabel, text.strip())

    def _densify(self) -> None:
        volume = self._volumeOfRadiograph()
        if volume is None or self.logic.isBusy or self.parameters.slices == self.logic.volumes.density(volume):
            return
        slices = self.parameters.slices
        self.panel.generate.begin(lambda callbacks: self.logic.densify(volume, slices, **callbacks))

    def _volumeOfRadiograph(self) -> Any:
        """The volume shown, if it was made from the selected radiograph; None otherwise."""
        parameters = self.parameters
        volume = None if parameters is None else parameters.volume
        if volume is None or parameters.radiograph is None or not self.logic.volumes.isSynthetic(volume):
            return None
        radiograph = volume.GetNodeReference("Xray2MRI.radiograph")
        return volume if radiograph is not None and radiograph.GetID() == parameters.radiograph.GetID() else None
