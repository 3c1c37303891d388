"""The user's terminal: results on stdout, the rest on stderr, and nothing from third-party libraries on either."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import sys
import time
import warnings
from typing import IO, Any, TextIO

from ..errors import ProcessingError, Xray2MRIError
from ..generation.time_left import duration_text
from .remedy import append_option

_BAR_WIDTH = 24
# without a terminal (a log file, a CI run) a line now and then instead of a moving bar
_LINE_EVERY_S = 5.0


class Terminal:
    """Writes results, sentences and progress.

    ``parser`` is that of the command in use; its options are named behind errors and warnings.
    """

    def __init__(self) -> None:
        self.parser: argparse.ArgumentParser | None = None
        self._out: TextIO = sys.stdout
        self._err: TextIO = sys.stderr
        self._kept: tuple[int, int] | None = None
        self._line_open = False
        self._last_line_at = 0.0
        self._last_stage = ""

    def shield(self) -> None:
        """Lead file descriptors 1 and 2 to nowhere, our own lines excepted, so that C libraries are silent as well."""
        warnings.filterwarnings("ignore")
        sys.stdout.flush()
        sys.stderr.flush()
        self._kept = (os.dup(1), os.dup(2))
        self._out = open(self._kept[0], "w", encoding="utf-8", errors="replace", closefd=False)
        self._err = open(self._kept[1], "w", encoding="utf-8", errors="replace", closefd=False)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)

    def print(self, text: str) -> None:
        """One result line on stdout.

        Raises BrokenPipeError when its reader has gone, ProcessingError when it cannot be written, e.g. to a full disk.
        """
        self._close_line()
        try:
            self._out.write(f"{text}\n")
            self._out.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            self.silence()
            raise unwritten(error) from None

    def print_json(self, value: dict[str, Any]) -> None:
        """One JSON object on one line of stdout."""
        self.print(json.dumps(value, allow_nan=False))

    def say(self, text: str) -> None:
        """One line on stderr."""
        self._close_line()
        self._write_err(f"{text}\n")

    def warn(self, warnings: list[str]) -> None:
        """Warnings on stderr, one per line; a Notice with the option for its field."""
        for warning in warnings:
            self.say(f"Warning: {append_option(warning, getattr(warning, 'field', ''), self.parser)}")

    def refuse(self, error: Xray2MRIError) -> None:
        """An error on stderr, with the option for its field."""
        self.say(f"xray2mri: {append_option(error.sentence(), error.field, self.parser)}")

    def progress(self, event: dict[str, Any]) -> None:
        """Show a progress report (protocol.REPORTS["progress"]) as a moving bar, or as a line now and then."""
        text = _progress_text(event)
        if self._err.isatty() and os.environ.get("TERM") != "dumb":
            self._write_err(f"\r\x1b[K{text}")
            self._line_open = True
            if event["fraction"] >= 1.0:
                self._close_line()
            return
        now = time.monotonic()
        if event["stage"] != self._last_stage or now - self._last_line_at >= _LINE_EVERY_S:
            self._last_stage, self._last_line_at = event["stage"], now
            self._write_err(f"{text}\n")

    def prints_as_remarks(self) -> contextlib.AbstractContextManager[Any]:
        """While it lasts, print() of the package's own code writes to our stderr, shield or not."""
        return contextlib.redirect_stdout(self._err)

    def silence(self) -> None:
        """Write no more to a stdout that is gone."""
        discard(self._out)
        self._out = open(os.devnull, "w", encoding="utf-8")

    def close(self) -> None:
        """End an unfinished progress line and give the file descriptors back."""
        self._close_line()
        if self._kept is not None:
            for descriptor, kept in enumerate(self._kept, start=1):
                os.dup2(kept, descriptor)
            self._kept = None

    def _close_line(self) -> None:
        if self._line_open:
            self._line_open = False
            self._write_err("\n")

    def _write_err(self, text: str) -> None:
        try:
            self._err.write(text)
            self._err.flush()
        except OSError:
            pass  # nobody reads our remarks; the result does not depend on them


def discard(stream: IO[str]) -> None:
    """Lead a stream to nowhere: Python would try again at its end to write what could not be written."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def unwritten(error: OSError) -> ProcessingError:
    """The sentence for a result that did not reach stdout."""
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
    reason = "the disk is full" if full else (error.strerror or "unknown fault")
    return ProcessingError(
        f"The result could not be written to the standard output: {reason}.",
        code="disk-full" if full else "write-failed",
        hint="Free some space, or send the output elsewhere.",
    )


def _progress_text(event: dict[str, Any]) -> str:
    done = round(event["fraction"] * _BAR_WIDTH)
    steps = f" {event['step']}/{event['of']}" if event["of"] > 1 else ""
    left = "" if event["eta_s"] is None or event["fraction"] >= 1.0 else f", about {duration_text(event['eta_s'])} left"
    return f"[{'#' * done}{'.' * (_BAR_WIDTH - done)}] {event['fraction']:4.0%} {event['stage']}{steps}{left}"
