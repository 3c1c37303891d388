"""What a cohort is prepared with; a folder that was begun with other settings is not continued."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import InputError
from ..files.json_files import write_json
from .coronal_scan import FIRST_SLICE
from .pair_file import FORMAT_VERSION

FRAMES = ("scan", "film")
COHORT_FILE = "cohort.json"
SHARES = (0.7, 0.15, 0.15)


@dataclass(frozen=True)
class CohortSettings:
    """How pairs are prepared.

    Attributes
    ----------
    frame
        "scan" leaves scan and radiograph as they are (the paper); "film" also finds where the scan lies on the
        radiograph, and refuses pairs whose bones do not match.
    first_slice
        First of the 50 slices, 0-based from the posterior end.
    shares, split_seed
        Shares of training, validation and test; the seed of the split by participant.
    strict
        Whether what does not look like a frontal knee is refused; else it is kept with a doubt.
    keep_identifiers
        Whether files are named by the participants of the archive.
    source
        What the data are, for model cards: a name such as "OAI, baseline".

    Raises InputError for shares that do not add up.
    """

    frame: str = "scan"
    first_slice: int = FIRST_SLICE
    shares: Sequence[float] = SHARES
    split_seed: int = 0
    strict: bool = False
    keep_identifiers: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        if len(self.shares) != 3 or min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise InputError(
                "The shares of training, validation and test do not add up to 1.",
                code="bad-option",
                hint="Give three shares, for example 0.7,0.15,0.15.",
            )

    def claim(self, output: Path) -> None:
        """Write these settings into a new folder, or check that it was begun with the same. Raises InputError."""
        wanted = json.loads(json.dumps({"format": FORMAT_VERSION, **asdict(self), "shares": list(self.shares)}))
        file = output / COHORT_FILE
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if output.is_dir() and any(output.iterdir()):
                raise InputError(
                    f"The folder {output.name} is not empty and holds no prepared cohort.",
                    code="bad-output",
                    hint="Choose a new or empty folder.",
                ) from None
            output.mkdir(parents=True, exist_ok=True)
            write_json(file, wanted)
            return
        except (OSError, ValueError):
            found = {}
        differing = [name for name, value in wanted.items() if found.get(name) != value]
        if differing:
            raise InputError(
                f"The folder {output.name} was begun with another {', '.join(differing).replace('_', ' ')}.",
                code="other-cohort",
                hint="Give the options with which it was begun, or choose a new folder.",
            )
