"""Section 4: the module's layout, 3D rendering and the uncertainty overlay."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ..scene.provenance_attributes import PREFIX
from ..scene.volume_nodes import CONTENT
from .section import Section, say


class ViewPanel(Section):
    """Shows all volumes side by side; the button and leaving the module restore the previous layout."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._wanted: bool | None = None
        self._rendered: tuple | None = None
        self._overlaid: tuple = (None, None)
        # maps are synthetic too, but cannot be selected here
        self.ui.volumeSelector.addAttribute("vtkMRMLScalarVolumeNode", f"{PREFIX}.content", CONTENT)
        self.listen(self.ui.layoutButton, "clicked(bool)", self._onLayout)
        self.listen(self.ui.sameWindowButton, "clicked(bool)", self._onSameWindow)
        say(self.ui.viewMessageLabel, "")

    def refresh(self) -> None:
        ui = self.ui
        shown = bool(self.logic.views.isLayoutShown)
        blocked = ui.layoutButton.blockSignals(True)
        ui.layoutButton.checked = shown
        ui.layoutButton.blockSignals(blocked)
        ui.layoutButton.text = _("Restore previous layout") if shown else _("Show side by side")
        volume = self._volume()
        for widget in (ui.renderingCheckBox, ui.uncertaintyCheckBox, ui.opacitySlider):
            widget.enabled = volume is not None
        ui.sameWindowButton.enabled = volume is not None and self.logic.views.realVolume() is not None

    def entered(self) -> None:
        """The module is shown again: restore its layout if it was shown before."""
        if self._wanted:
            self._show()
        self.panel.refresh()

    def left(self) -> None:
        """Another module is shown: restore the previous layout."""
        if self.logic.views.isLayoutShown:
            self.logic.restoreLayout()

    def sceneClosed(self) -> None:
        self._rendered, self._overlaid = None, (None, None)
        say(self.ui.viewMessageLabel, "")

    def showRadiograph(self, radiograph: Any) -> None:
        """A radiograph was selected: show it, unless the user has closed the module's layout."""
        if self._wanted is not False:
            self._wanted = True
            self.logic.showLayout(radiograph)
            self.refresh()

    def showVolumeOfJob(self) -> None:
        """A new volume receives its first slices: show it, unless the user has closed the module's layout."""
        if self._wanted is not False:
            self._wanted = True
            self._show()
        self.ui.viewSection.collapsed = False
        self.refresh()

    def showComparison(self) -> None:
        """Show the registered MRI and the chart too."""
        if self._wanted is not False:
            self._wanted = True
            self._show()

    def parametersChanged(self) -> None:
        """Apply the check boxes to 3D rendering and overlay."""
        parameters, volume = self.parameters, self._volume()
        name = None if volume is None else volume.GetID()
        overlay = bool(parameters.showUncertainty)
        self._drawRendering(volume)
        opacity = float(parameters.overlayOpacity) if overlay else None
        if (name, opacity) != self._overlaid:
            self._overlaid = (name, opacity)
            self._drawUncertainty(volume, overlay)

    def volumeReady(self) -> None:
        """The volume is complete: its 3D rendering may appear."""
        if self.parameters is not None:
            self._drawRendering(self._volume())

    def _drawRendering(self, volume: Any) -> None:
        """Show the 3D rendering of a complete volume: while slices arrive, each would be drawn for nothing."""
        complete = volume is not None and self.logic.volumes.isComplete(volume)
        wanted = (None if volume is None else volume.GetID(), bool(self.parameters.showRendering) and complete)
        if wanted == self._rendered:
            return
        former, self._rendered = self._rendered, wanted
        views = self.logic.views
        if former is not None and former[1] and former[0] != wanted[0]:
            views.setVolumeRendering(self.logic.application.scene.GetNodeByID(former[0]), False)
        if volume is not None:
            views.setVolumeRendering(volume, wanted[1])

    def _drawUncertainty(self, volume: Any, overlay: bool) -> None:
        say(self.ui.viewMessageLabel, "")
        if volume is None:
            return
        if overlay:
            # both maps use the same layer
            self.parameters.showDifference = False
        opacity = float(self.parameters.overlayOpacity)
        possible = self.logic.views.setUncertaintyVisible(volume, overlay, opacity=opacity)
        if overlay and not possible:
            hint = _("This volume has only one sample. Set two or more samples in section 3 and generate again.")
            say(self.ui.viewMessageLabel, hint)

    def _volume(self) -> Any:
        volume = None if self.parameters is None else self.parameters.volume
        return volume if volume is not None and self.logic.volumes.isSynthetic(volume) else None

    def _onSameWindow(self, *_arguments: Any) -> None:
        self.logic.views.showSameWindow(self._volume())

    def _onLayout(self, on: bool) -> None:
        self._wanted = bool(on)
        if on:
            self._show()
        else:
            self.logic.restoreLayout()
        self.panel.refresh()

    def _show(self) -> None:
        parameters = self.parameters
        if parameters is None:
            return
        comparison = self.panel.comparison
        aligned = None if comparison is None else comparison.alignedNode
        self.logic.showLayout(parameters.radiograph, self._volume(), aligned or parameters.reference)
        if comparison is not None:
            self.logic.showComparison(comparison)
