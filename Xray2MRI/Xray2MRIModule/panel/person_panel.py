"""The box "Patient (optional)" of section 3: age, sex and body mass index, for models that were trained with them."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from .section import Choice, Section


class PersonPanel(Section):
    """Folded at first; what is not given is not told to the model. Age and index are bound by their parameters."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        choices = [("", _("not given")), ("woman", _("Woman")), ("man", _("Man"))]
        self._sex = Choice(self, self.ui.sexSelector, "sex", choices)
        self.ui.personBox.collapsed = True

    def refresh(self) -> None:
        self._sex.refresh()
        self.ui.personBox.enabled = not self.panel.generate.isRunning
