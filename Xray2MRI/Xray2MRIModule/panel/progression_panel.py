"""Section 9: a synthetic course of the radiograph towards a grade, played as a sequence."""

from __future__ import annotations

from typing import Any

import vtk
from slicer.i18n import tr as _

from ..parameter_node import settings
from ..scene.synthetic_course import about_course, frame_count, frame_index, restore_records
from .progress_text import stageSentence
from .section import Choice, Section, emphasised, say

_FRAME_MS = 450


class ProgressionPanel(Section):
    """Starts a course, shows its frames, and plays them."""

    def __init__(self, panel: Any) -> None:
        super().__init__(panel)
        self._observed: tuple[Any, int] | None = None
        self._timer = self.timer(_FRAME_MS, self._playNext)
        ui = self.ui
        self._grade = Choice(self, ui.progressionGradeSelector, None, [
            (4, _("KL 4, severe")), (3, _("KL 3, moderate")),
            (2, _("KL 2, minimal")), (1, _("KL 1, doubtful"))])  # fmt: skip
        self._course_chosen = Choice(self, ui.progressionCourseSelector, None, [
            ("", _("Medial, the usual one")), ("lateral", _("Lateral"))])  # fmt: skip
        self.listen(ui.progressionButton, "clicked(bool)", self._onButton)
        self.listen(ui.progressionFrameSlider, "valueChanged(double)", self._onFrame)
        self.listen(ui.progressionPlayButton, "toggled(bool)", self._onPlay)
        say(ui.progressionMessageLabel, "")

    # display

    def refresh(self) -> None:
        ui, running = self.ui, self.job is not None
        ready = self.parameters is not None and self.parameters.radiograph is not None
        ui.progressionButton.text = _("Cancel") if running else _("Make the course")
        ui.progressionButton.enabled = running or (ready and not self.logic.isBusy)
        self._follow(self._course())
        self._showFrame()

    def sceneClosed(self) -> None:
        self._stop()
        self._follow(None)
        say(self.ui.progressionMessageLabel, "")
        self._showFrame()

    def cleanup(self) -> None:
        self._stop()
        self._follow(None)
        super().cleanup()

    def _course(self) -> Any:
        """The latest course of the selected radiograph; None without one."""
        radiograph = None if self.parameters is None else self.parameters.radiograph
        found = [] if radiograph is None else self.logic.courses(radiograph)
        return found[-1] if found else None

    def _follow(self, browser: Any) -> None:
        """Notice frames that another module selects, such as Slicer's toolbar of sequences."""
        if self._observed is not None and self._observed[0] is browser:
            return
        if self._observed is not None:
            self._stop()
            self._observed[0].RemoveObserver(self._observed[1])
        self._observed = None
        if browser is not None:
            tag = browser.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._showFrame())
            self._observed = (browser, tag)

    @property
    def _browser(self) -> Any:
        return None if self._observed is None else self._observed[0]

    def _showFrame(self) -> None:
        """Slider and sentence for the frame that the course shows."""
        ui, browser = self.ui, self._browser
        count = 0 if browser is None else frame_count(browser)
        for widget in (ui.progressionFrameSlider, ui.progressionPlayButton):
            widget.enabled = count > 1
        if count < 2:
            say(ui.progressionFrameLabel, "")
            return
        index = frame_index(browser)
        restore_records(browser)
        slider = ui.progressionFrameSlider
        blocked = slider.blockSignals(True)
        slider.minimum, slider.maximum, slider.value = 1.0, float(count), float(index + 1)
        slider.blockSignals(blocked)
        about = about_course(browser)
        words = _("Frame {number} of {count}: severity {severity}, KL {grade} expected by the classifier.").format(
            number=index + 1, count=count, severity=f"{about['severities'][index]:.2f}",
            grade=f"{about['expected_grade'][index]:.1f}",
        )  # fmt: skip
        say(ui.progressionFrameLabel, emphasised(_("Synthetic course, not a forecast."), words))

    # jobs

    def _onButton(self, *_arguments: Any) -> None:
        if self.job is not None:
            self.logic.cancel(self.job)
            return
        ui, parameters = self.ui, self.parameters
        if parameters is None or parameters.radiograph is None or self.logic.isBusy:
            return
        self._stop()
        chosen = settings(parameters)
        rectangle = self.panel.radiograph.rectangle()
        if rectangle is not None:
            chosen["roi"] = rectangle
        say(ui.progressionMessageLabel, _("Starting ..."))
        self.watch(
            lambda callbacks: self.logic.progress(
                parameters.radiograph, toGrade=self._grade.value, course=self._course_chosen.value,
                frames=int(ui.progressionFramesSpinBox.value),
                volumes=bool(ui.progressionVolumesCheckBox.checked),
                morphingModel=str(ui.progressionModelEdit.currentPath).strip(), settings=chosen,
                onProgress=self._onProgress, **callbacks,
            ), self._onDone, self._onError,
        )  # fmt: skip

    def _onProgress(self, progress: Any) -> None:
        sentence = stageSentence(progress, {
            "film": _("Changing the radiograph"), "volume": _("Making the pseudo-MRIs"),
        })  # fmt: skip
        text = _("{stage} ({share} %)").format(stage=sentence, share=round(100 * progress.fraction))
        say(self.ui.progressionMessageLabel, text)

    def _onDone(self, job: Any) -> None:
        grades = job.result["expected_grade"]
        sentence = _("{count} frames; the classifier expects KL {first} at first and KL {last} at last.").format(
            count=len(grades), first=f"{grades[0]:.1f}", last=f"{grades[-1]:.1f}"
        )
        text = emphasised(_("Made:"), sentence)
        if job.result["warnings"]:
            text += " " + emphasised(_("Note:"), " ".join(job.result["warnings"]))
        say(self.ui.progressionMessageLabel, text)
        self.panel.refresh()
        if job.node("course") is not None:
            self.logic.views.showCourse(job.node("course"))

    def _onError(self, failure: Any) -> None:
        if failure.code == "cancelled":
            say(self.ui.progressionMessageLabel, _("Cancelled. The scene is unchanged."))
        else:
            say(self.ui.progressionMessageLabel, emphasised(_("Not made:"), self.panel.failed(failure)))
        self.panel.refresh()

    # frames

    def _onFrame(self, number: float) -> None:
        if self._browser is None:
            return
        if not self.logic.views.isCourseShown(self._browser):
            self.logic.views.showCourse(self._browser)
        self.logic.selectFrame(self._browser, round(number) - 1)
        self._showFrame()

    def _onPlay(self, on: bool) -> None:
        self.ui.progressionPlayButton.text = _("Stop") if on else _("Play")
        if on and self._browser is not None:
            self._playNext()
        else:
            self._timer.stop()

    def _playNext(self) -> None:
        """The next frame, after the last one the first; goes on until the button is released."""
        if self._browser is None or not self.ui.progressionPlayButton.checked:
            return
        following = (frame_index(self._browser) + 1) % max(frame_count(self._browser), 1)
        self._onFrame(following + 1)
        self._timer.start()

    def _stop(self) -> None:
        self._timer.stop()
        self.ui.progressionPlayButton.checked = False
