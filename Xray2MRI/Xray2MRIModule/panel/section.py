"""The base of the panel's sections, and functions for its labels and combo boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt

if TYPE_CHECKING:
    from .main_panel import MainPanel


_WANTED = "Xray2MRIVisible"


class Section:
    """A section: its widgets, the panel's shared state, its job, and connections that cleanup() removes."""

    def __init__(self, panel: MainPanel) -> None:
        self.panel = panel
        self.ui = panel.ui
        self.logic = panel.logic
        self.job: Any = None
        self._connections: list[tuple[Any, str, Callable]] = []

    @property
    def parameters(self) -> Any:
        """The parameter node; None while the scene closes or another module is shown."""
        return self.panel.parameterNode

    def listen(self, sender: Any, signal: str, slot: Callable) -> None:
        """Connect, and remember the connection: PythonQt keeps the owner of the slot alive until it is removed."""
        sender.connect(signal, slot)
        self._connections.append((sender, signal, slot))

    def timer(self, milliseconds: int, slot: Callable) -> Any:
        """A timer that fires once after start(); a second start restarts it."""
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.interval = milliseconds
        self.listen(timer, "timeout()", slot)
        return timer

    def watch(
        self,
        startJob: Callable[[dict[str, Callable[[Any], None]]], Any],
        onDone: Callable[[Any], None],
        onError: Callable[[Any], None],
    ) -> None:
        """Start a job and keep it as ``self.job`` until it is over, which it may be before ``startJob`` returns.

        ``startJob`` passes the callbacks that it is given on to the logic and returns the job.
        """

        def afterJob(function: Callable[[Any], None]) -> Callable[[Any], None]:
            def callback(outcome: Any) -> None:
                self.job = None
                function(outcome)

            return callback

        job = startJob({"onDone": afterJob(onDone), "onError": afterJob(onError)})
        self.job = None if job.isOver else job
        self.panel.refresh()

    def refresh(self) -> None:
        """Show the current state. Called often: must be fast and must not start anything."""

    def sceneClosed(self) -> None:
        """Forget the nodes of the scene that closes."""

    def cleanup(self) -> None:
        """Disconnect all widgets."""
        for sender, signal, slot in self._connections:
            sender.disconnect(signal, slot)
        self._connections = []


class Choice:
    """A combo box for one of several values, each with a text in the user's language, kept in a parameter."""

    def __init__(self, section: Section, comboBox: Any, parameter: str | None, choices: list[tuple[Any, str]]) -> None:
        self._section, self._box, self._parameter = section, comboBox, parameter
        self._values: list[Any] = []
        self.fill(choices)
        section.listen(comboBox, "currentIndexChanged(int)", self._onIndex)

    @property
    def value(self) -> Any:
        """The value chosen, None for an empty box."""
        index = self._box.currentIndex
        return self._values[index] if 0 <= index < len(self._values) else None

    def fill(self, choices: list[tuple[Any, str]]) -> None:
        """Offer other choices (value, text); the current value is kept if it is among them."""
        before = self.value
        blocked = self._box.blockSignals(True)
        self._box.clear()
        self._values = [value for value, _ in choices]
        for _, text in choices:
            self._box.addItem(text)
        self._box.blockSignals(blocked)
        self.show(before)

    def show(self, value: Any) -> None:
        """Show a value without writing the parameter; an unknown one shows the first choice."""
        blocked = self._box.blockSignals(True)
        if self._values:
            self._box.setCurrentIndex(self._values.index(value) if value in self._values else 0)
        self._box.blockSignals(blocked)

    def refresh(self) -> None:
        """Show the parameter's value."""
        if self._parameter is not None and self._section.parameters is not None:
            self.show(getattr(self._section.parameters, self._parameter))

    def _onIndex(self, index: int) -> None:
        if self._parameter is not None and self._section.parameters is not None and 0 <= index < len(self._values):
            setattr(self._section.parameters, self._parameter, self._values[index])


def show(widget: Any, visible: bool) -> None:
    """Show or hide, and remember it for showAgain."""
    widget.setProperty(_WANTED, bool(visible))
    widget.setVisible(bool(visible))


def showAgain(ui: Any) -> None:
    """Restore the visibility of widgets after a section was unfolded: ctk shows all that were visible before."""
    for widget in vars(ui).values():
        wanted = widget.property(_WANTED)
        if wanted is not None:
            widget.setVisible(bool(wanted))


def say(label: Any, text: str) -> None:
    """Show a sentence in a label; hide the label if the sentence is empty."""
    label.text = text
    show(label, bool(text))


def emphasised(word: str, sentence: str) -> str:
    """A sentence after a bold heading, as rich text."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        sentence = sentence.replace(character, entity)
    return f"<b>{word}</b> {sentence}"
