"""The box Early osteoarthritis of section 2: places of the radiograph that speak for KL-2, as colours over it."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from ..scene.activation_map import map_of, result_of
from .section import Section, emphasised, say

_CAUTION = _(
    "Computed by a small network that knows KL-0 and KL-2 only, for research. Not a diagnosis, and no proof of where "
    "disease is."
)


class EarlyOsteoarthritisPanel(Section):
    """Asks for the map of the selected radiograph, and shows and hides it."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._shown: str | None = None  # ID of the map that is over the radiograph
        self._told: dict[str, Any] = {}
        ui = self.ui
        ui.earlyBox.collapsed = True
        self.listen(ui.earlyButton, "clicked(bool)", self._onButton)
        self.listen(ui.earlyVisibleCheckBox, "toggled(bool)", self._draw)
        self.listen(ui.earlyOpacitySlider, "valueChanged(double)", self._draw)
        say(ui.earlyMessageLabel, "")
        say(ui.earlyCautionLabel, _CAUTION)

    def refresh(self) -> None:
        ui, radiograph = self.ui, self._radiograph()
        ui.earlyButton.text = _("Cancel") if self.job is not None else _("Show the map")
        ui.earlyButton.enabled = self.job is not None or radiograph is not None
        found = map_of(radiograph)
        for widget in (ui.earlyVisibleCheckBox, ui.earlyOpacitySlider):
            widget.enabled = found is not None
        if self._shown is not None and (found is None or found.GetID() != self._shown):
            # another radiograph, or the map was deleted
            self._shown = None
            self.logic.views.setEarlyMapVisible(None, False)
        if self.job is None:
            self._tell(found)

    def sceneClosed(self) -> None:
        self._shown, self._told = None, {}
        say(self.ui.earlyMessageLabel, "")

    def _radiograph(self) -> Any:
        return None if self.parameters is None else self.parameters.radiograph

    def _onButton(self, *_arguments: Any) -> None:
        if self.job is not None:
            self.logic.cancel(self.job)
            return
        radiograph, parameters = self._radiograph(), self.parameters
        if radiograph is None:
            return
        rectangle = self.panel.radiograph.rectangle()
        say(self.ui.earlyMessageLabel, _("Examining the radiograph ..."))
        self.watch(
            lambda callbacks: self.logic.explainEarlyOsteoarthritis(
                radiograph, network=str(self.ui.earlyFolderEdit.currentPath).strip(), side=parameters.side,
                roi=rectangle, knee=None if rectangle is not None else parameters.knee or None,
                photometric=parameters.photometric, **callbacks,
            ), self._onDone, self._onError,
        )  # fmt: skip

    def _onDone(self, job: Any) -> None:
        own = job.radiographNode is self._radiograph()
        say(self.ui.earlyMessageLabel, "")
        if own:
            self.ui.earlyVisibleCheckBox.checked = True
            self._draw()
        self._told = {}
        self.panel.refresh()
        if not own:  # another radiograph was chosen meanwhile; its map is shown when the first one is chosen again
            return
        warnings = self.panel.worded(job.result.get("warnings", []), job.result.get("warning_fields", {}))
        if warnings:
            say(self.ui.earlyMessageLabel, f"{self.ui.earlyMessageLabel.text} {emphasised(_('Caution:'), warnings)}")

    def _onError(self, failure: Any) -> None:
        if failure.code == "cancelled":
            say(self.ui.earlyMessageLabel, _("Cancelled."))
        else:
            say(self.ui.earlyMessageLabel, emphasised(_("No map:"), self.panel.failed(failure)))
        self.panel.refresh()

    def _tell(self, node: Any) -> None:
        """What the network said with this map; said once, so that warnings and refusals after it stay."""
        found = {} if node is None else result_of(node)
        if found == self._told:
            return
        self._told = found
        if not found:
            say(self.ui.earlyMessageLabel, "")
            return
        words = {"lateral": _("lateral"), "medial": _("medial")}
        places = ", ".join(f"{words.get(name, name)} {100 * share:.0f} %" for name, share in found["places"].items())
        sentence = _("KL-2 rather than KL-0, if it is one of them: {share} %. Of the map: {places}.")
        say(self.ui.earlyMessageLabel, sentence.format(share=round(100 * found["probability"]), places=places))

    def _draw(self, *_arguments: Any) -> None:
        """Show or hide the map as the check box and the slider say."""
        radiograph, visible = self._radiograph(), bool(self.ui.earlyVisibleCheckBox.checked)
        found = map_of(radiograph)
        if found is None:
            return
        self.logic.views.setEarlyMapVisible(radiograph, visible, float(self.ui.earlyOpacitySlider.value))
        self._shown = found.GetID() if visible else None
