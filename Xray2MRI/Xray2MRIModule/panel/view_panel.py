"""Section 4: our layout with all views, the 3D picture and the uncertainty overlay."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ..scene.provenance_attributes import PREFIX
from ..scene.volume_nodes import CONTENT
from .section import Section, say


class ViewPanel(Section):
    """Shows what there is side by side; the former layout comes back when the button or the module is left."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._wanted: bool | None = None
        self._rendered: tuple | None = None
        self._overlaid: tuple = (None, None)
        # maps and aligned volumes are synthetic too, but not to be chosen here
        self.ui.volumeSelector.addAttribute("vtkMRMLScalarVolumeNode", f"{PREFIX}.content", CONTENT)
        self.listen(self.ui.layoutButton, "clicked(bool)", self._onLayout)
        say(self.ui.viewMessageLabel, "")

    def refresh(self) -> None:
        ui = self.ui
        shown = bool(self.logic.isLayoutShown)
        blocked = ui.layoutButton.blockSignals(True)
        ui.layoutButton.checked = shown
        ui.layoutButton.blockSignals(blocked)
        ui.layoutButton.text = _("Back to the former layout") if shown else _("Show side by side")
        volume = self._volume()
        for widget in (ui.renderingCheckBox, ui.uncertaintyCheckBox, ui.opacitySlider):
            widget.enabled = volume is not None

    def entered(self) -> None:
        """Back in the module: our layout returns if it was shown on leaving."""
        if self._wanted:
            self._show()
        self.panel.refresh()

    def left(self) -> None:
        """Another module is shown: the former layout comes back."""
        if self.logic.isLayoutShown:
            self.logic.restoreLayout()

    def sceneClosed(self) -> None:
        self._rendered, self._overlaid = None, (None, None)
        say(self.ui.viewMessageLabel, "")

    def showRadiograph(self, radiograph: Any) -> None:
        """A radiograph was chosen: show it, unless the user has put our layout away."""
        if self._wanted is not False:
            self._wanted = True
            self.logic.showLayout(radiograph)
            self.refresh()

    def showRun(self) -> None:
        """A new volume begins to fill: show it, unless the user has put our layout away."""
        if self._wanted is not False:
            self._wanted = True
            self._show()
        self.ui.viewSection.collapsed = False
        self.refresh()

    def showComparison(self) -> None:
        """Show the aligned MRI and the chart beside the rest."""
        if self._wanted is not False:
            self._wanted = True
            self._show()

    def parametersChanged(self) -> None:
        """Bring 3D picture and overlay to what the boxes say."""
        parameters, volume = self.parameters, self._volume()
        name = None if volume is None else volume.GetID()
        rendering, overlay = bool(parameters.showRendering), bool(parameters.showUncertainty)
        if (name, rendering) != self._rendered:
            self._rendered = (name, rendering)
            if volume is not None:
                self.logic.setVolumeRendering(volume, rendering)
        opacity = float(parameters.overlayOpacity) if overlay else None
        if (name, opacity) != self._overlaid:
            self._overlaid = (name, opacity)
            self._drawUncertainty(volume, overlay)

    def _drawUncertainty(self, volume: Any, overlay: bool) -> None:
        say(self.ui.viewMessageLabel, "")
        if volume is None:
            return
        if overlay:
            # both maps lie in the same place
            self.parameters.showDifference = False
        opacity = float(self.parameters.overlayOpacity)
        possible = self.logic.setUncertaintyVisible(volume, overlay, opacity=opacity)
        if overlay and not possible:
            hint = _("This volume has one sample only. Choose two or more samples in section 3 and generate again.")
            say(self.ui.viewMessageLabel, hint)

    def _volume(self) -> Any:
        volume = None if self.parameters is None else self.parameters.volume
        return volume if volume is not None and self.logic.isSynthetic(volume) else None

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
