"""A piece of work as it travels to a worker, and what the worker says of it. All of it is plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .manifest import VOLUME


@dataclass(frozen=True)
class Task:
    """One volume to make, or one volume to compare with a real MRI.

    Attributes
    ----------
    key
        Content key of the work.
    kind
        ``volume`` or ``evaluation``.
    folder
        Folder of the cohort, as an absolute path that all workers see.
    radiograph
        The file.
    settings
        Settings under the names of the worker's protocol.
    model_sha256, program
        Model and version of the program that the worker must have.
    halvings
        How often the batch of slices was halved because memory ran out.
    reference, signature
        The real MRI of an evaluation, and what identifies it.
    alone
        The worker gets no other work meanwhile: what this work was on a worker that died.
    """

    key: str
    kind: str
    folder: str
    radiograph: str
    settings: Mapping[str, Any]
    model_sha256: str
    program: str
    halvings: int = 0
    reference: str = ""
    signature: str = ""
    alone: bool = False

    @property
    def work(self) -> tuple[str, str]:
        """Key and kind, which together name the work."""
        return self.key, self.kind

    def as_message(self) -> dict[str, Any]:
        """The fields for JSON."""
        return asdict(self)

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> Task:
        """The task of ``as_message``; unknown fields are ignored."""
        return cls(**{name: message[name] for name in cls.__dataclass_fields__ if name in message})


# kinds of reports
PROGRESS, FINISHED, FAULT, RETURNED, DIED = "progress", "finished", "fault", "returned", "died"


@dataclass(frozen=True)
class Report:
    """What a worker says of a piece of work.

    ``kind`` is ``progress``; ``finished`` with the ``result`` for the manifest; ``fault`` with code, sentence and
    whether the ``input`` is to blame; ``returned`` for work that was not begun; ``died`` for work that the end of a
    worker cut short.
    """

    kind: str
    work: tuple[str, str]
    worker: str = ""
    result: Mapping[str, Any] | None = None
    code: str = ""
    sentence: str = ""
    input: bool = False


def volume_path(key: str) -> str:
    """Path of a volume in the folder of its cohort: 256 folders keep each of them small."""
    return f"volumes/{key[:2]}/{key}.nrrd"


def thumbnail_path(key: str) -> str:
    """Path of the small picture of radiograph and volume."""
    return f"thumbnails/{key[:2]}/{key}.jpg"


def is_volume(task: Task) -> bool:
    """Whether a task makes a volume."""
    return task.kind == VOLUME
