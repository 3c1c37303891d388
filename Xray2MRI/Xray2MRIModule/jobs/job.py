"""One job as its caller sees it, in the panel and in Slicer's Python console."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..failure import Failure, JobFailed
from ..signal import JobSignals

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"


@dataclass(frozen=True)
class Progress:
    """How far a job is: ``stage`` in words, ``step`` of ``of``, ``fraction`` of the whole, seconds left if known."""

    stage: str
    step: int
    of: int
    fraction: float
    eta_s: float | None

    @classmethod
    def of_report(cls, report: dict[str, Any]) -> Progress:
        """From a ``progress`` report of the worker."""
        return cls(report["stage"], report["step"], report["of"], report["fraction"], report.get("eta_s"))


@dataclass
class Job:
    """A job for the background worker. Nodes are remembered by ID, because a user may delete them at any time.

    ``kind`` is prepare, generate, densify, compare, export, enhance, progress or early-oa; ``state`` waiting, running,
    done, failed or cancelled; ``result`` the worker's answer; ``failure`` why it failed. ``signals`` emit a Progress,
    each slice, at the end the job itself or a Failure. ``pump`` lets the application work for a moment.
    """

    kind: str
    scene: Any
    pump: Callable[[], None] = field(repr=False)
    state: str = WAITING
    progress: Progress | None = None
    result: dict[str, Any] | None = None
    failure: Failure | None = None
    comparison: Any = None
    folderItem: int | None = None
    groupItem: int | None = None
    folder: Path | None = None
    request: Any = field(default=None, repr=False)
    signals: JobSignals = field(default_factory=JobSignals, repr=False)
    nodeIds: dict[str, str] = field(default_factory=dict)
    name: str = ""
    choices: dict[str, Any] = field(default_factory=dict)
    slicesReceived: int = 0

    @property
    def isOver(self) -> bool:
        """Whether the job is done, failed or cancelled."""
        return self.state in (DONE, FAILED, CANCELLED)

    @property
    def volumeNode(self) -> Any:
        """The pseudo-MRI; None before its first slice and after it was deleted."""
        return self.node("volume")

    @property
    def hasLostVolume(self) -> bool:
        """Whether the pseudo-MRI was there and has been deleted."""
        return "volume" in self.nodeIds and self.volumeNode is None

    @property
    def deviationNode(self) -> Any:
        """The standard deviation over several samples; None without one."""
        return self.node("deviation")

    @property
    def browserNode(self) -> Any:
        """The browser of the densities; None until the volume is complete."""
        return self.node("browser")

    @property
    def radiographNode(self) -> Any:
        """The radiograph; None after it was deleted."""
        return self.node("radiograph")

    def node(self, role: str) -> Any:
        """The node of a role; None when there is none or it was deleted."""
        identifier = self.nodeIds.get(role)
        return None if identifier is None else self.scene.GetNodeByID(identifier)

    def remember(self, role: str, node: Any) -> None:
        """Keep a node's ID under a role."""
        if node is not None:
            self.nodeIds[role] = node.GetID()

    def wait(self, timeout: float | None = None) -> Job:
        """Wait in a Python console until the job is over, while the application stays alive.

        Raises JobFailed with the reason when it failed or was cancelled, TimeoutError after ``timeout`` seconds.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        while not self.isOver:
            if limit is not None and time.monotonic() > limit:
                stage = "none" if self.progress is None else self.progress.stage
                raise TimeoutError(f"The job {self.kind} is not over after {timeout:g} s; last stage: {stage}.")
            self.pump()
            time.sleep(0.01)
        if self.failure is not None:
            raise JobFailed(self.failure)
        return self
