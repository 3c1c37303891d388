"""The command ``xray2mri``: one file per sub-command; heavy libraries load only when a sub-command runs.

A sub-command module has ``add_arguments(parser)`` and ``run(options, terminal)``, which returns None or an exit code.
It raises Xray2MRIError for errors that the user should see. Exit codes: 0 success, 2 unusable input or options, 1
failure, 130 cancelled.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from .. import __version__
from ..device import wait_passively
from ..errors import (
    Cancelled,
    InputError,
    ProcessingError,
    Xray2MRIError,
    check_name,
    refusal_of_system,
    unusable_name,
)
from ..files.standard_streams import open_missing_streams
from .terminal import Terminal, discard, unwritten

# name -> text in --help; the module of that name is imported only when its command runs
COMMANDS = {
    "generate": "generate a pseudo-MRI volume from one knee radiograph",
    "cohort": "generate the volumes of many radiographs, from a table or a folder",
    "evaluate": "compare a volume with a real MRI and with controls that do not depend on the knee",
    "convert": "convert a volume to another file, a DICOM series, a report or a table",
    "enhance": "compute finer voxels for a knee MRI or a pseudo-MRI (super-resolution)",
    "localize": "localise the knees on a radiograph",
    "grade": "show the Kellgren-Lawrence probabilities and the intensity histogram of a radiograph",
    "progress": "generate a series of radiographs, and volumes, from a healthy knee to a diseased one",
    "info": "describe a model: size, training data, licence, speed on this machine",
    "simulate": "simulate pairs of MR volume and radiograph for training",
    "prepare": "prepare pairs of radiograph and MR scan of a cohort for training",
    "benchmark": "compare models on the same held-out knees",
    "train": "train one of the networks with a recipe",
    "import": "turn published weights (Zero-123, Stable Diffusion's autoencoder) into a model to train from",
}
# commands whose name cannot be that of a module
_MODULES = {"import": "import_weights"}


class _OneSentenceParser(argparse.ArgumentParser):
    """An argument parser that reports an error in one sentence instead of printing the usage."""

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and version; argparse itself keeps a full disk to itself."""
        stream = file or sys.stderr
        try:
            stream.write(message)
            stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            discard(stream)
            raise unwritten(error) from None

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message[:1].upper()}{message[1:]}.", code="bad-option", hint=f"See {self.prog} --help.")


def _parsers(command: str | None) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The main parser and the parser of ``command``; only that command gets its own arguments."""
    parser = _OneSentenceParser(
        prog="xray2mri",
        description="Pseudo-MRI volumes of the knee from one radiograph: synthetic, for research, not for diagnosis.",
        epilog="xray2mri COMMAND --help describes a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"xray2mri {__version__}")
    in_use: argparse.ArgumentParser = parser
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sentence = f"{summary[:1].upper()}{summary[1:]}."
        own = commands.add_parser(name, help=summary, description=sentence, allow_abbrev=False)
        if name == command:
            _module(name).add_arguments(own)
            in_use = own
    return parser, in_use


def _module(command: str) -> ModuleType:
    return importlib.import_module(f".{_MODULES.get(command, command)}", __name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Without ``arguments`` this is the program itself: it uses sys.argv and hides the output of libraries from the
    terminal. With ``arguments`` it is a function that prints to sys.stdout and sys.stderr without changing them.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = next((word for word in given if word in COMMANDS), None)
    open_missing_streams()
    if arguments is None:
        wait_passively()
    terminal = Terminal()
    try:
        check_name(" ".join(given))
        parser, terminal.parser = _parsers(command)
        options = parser.parse_args(given)
        if arguments is None and not os.environ.get("XRAY2MRI_DEBUG"):
            terminal.shield()
        return _module(options.command).run(options, terminal) or 0
    except SystemExit as exit_request:  # --help and --version
        return int(exit_request.code or 0)
    except Xray2MRIError as error:
        return _refuse(error, terminal)
    except KeyboardInterrupt:
        return _refuse(Cancelled("Cancelled."), terminal)
    except BrokenPipeError:  # the reader of the output, such as head, has closed the pipe
        terminal.silence()
        return 0
    except UnicodeEncodeError:
        return _refuse(unusable_name(), terminal)
    except MemoryError:
        return _refuse(ProcessingError("This machine does not have enough memory."), terminal)
    except Exception as error:
        known = refusal_of_system(error) if isinstance(error, OSError) else None
        return _refuse(known or _log_crash(error, given), terminal)
    finally:
        terminal.close()


def _refuse(error: Xray2MRIError, terminal: Terminal) -> int:
    if os.environ.get("XRAY2MRI_DEBUG"):
        import traceback

        terminal.say(traceback.format_exc())
    terminal.refuse(error)
    return error.exit_code


def _log_crash(error: Exception, given: Sequence[str]) -> Xray2MRIError:
    """Write the crash log; returns the error that names it."""
    from ..files.crash_log import write_failure_log

    log = write_failure_log(error, [word for word in given if not word.startswith("-") and word not in COMMANDS])
    where = f"Details are in {log}." if log else "Set XRAY2MRI_DEBUG=1 to see the details."
    return Xray2MRIError(f"An unexpected {type(error).__name__} stopped the command.", code="internal", hint=where)
