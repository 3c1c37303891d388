"""One setting as data: its name, default, range and meaning, stated once.

Each field of a settings dataclass carries a Setting as metadata. The command line's options, the fields of the worker's
protocol and the panel's parameter node are made from these. Only the standard library is imported.
"""

from __future__ import annotations

import dataclasses
import numbers
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

_MANY = 1e9  # descriptions leave out an upper bound above it


@dataclass(frozen=True)
class Setting:
    """The allowed values of one setting and its purpose.

    Attributes
    ----------
    name
        Name in front ends: the field of the worker's protocol and, with dashes, the option of the command line.
    default
        None where the model's card or the radiograph decides, or where the setting is optional.
    kind
        text, integer, number, numbers or flag, as in the worker's protocol.
    title
        Noun phrase for sentences: "number of slices".
    meaning
        What it does, for help texts: lower case, no full stop.
    low, high
        Smallest and largest allowed value of an integer or a number.
    words
        The allowed values of a text; empty where any text is allowed.
    symbol
        Placeholder in the command line's help.
    otherwise
        Meaning of None, for help texts: "the model's".
    fallback
        Value for None where the model's card does not set one.
    panel
        Range of the panel's widget if it is narrower; None for the whole range.
    """

    name: str
    default: Any
    kind: str
    title: str
    meaning: str
    low: Any = None
    high: Any = None
    words: tuple[str, ...] = ()
    symbol: str | None = None
    otherwise: str = ""
    fallback: Any = None
    panel: tuple[float, float] | None = None

    @property
    def range(self) -> str:
        """The allowed values in words: "2 to 500", "0 or more", "auto, left or right"; empty for no limit."""
        if self.words:
            return f"{', '.join(self.words[:-1])} or {self.words[-1]}"
        if self.low is None or self.high is None:
            return ""
        return f"{self.low:g} or more" if self.high > _MANY else f"{self.low:g} to {self.high:g}"

    @property
    def description(self) -> str:
        """Meaning and range."""
        if self.words:
            named = all(word in self.meaning for word in self.words)
            return self.meaning if named else f"{self.meaning}: {self.range}"
        return f"{self.meaning}, {self.range}" if self.range else self.meaning

    @property
    def panel_range(self) -> tuple[Any, Any]:
        """Smallest and largest value in the panel."""
        return self.panel or (self.low, self.high)

    def check(self, value: Any) -> None:
        """Raise InputError (code ``bad-option``) for a value out of range. None is allowed where it is the default."""
        if value is None and self.default is None:
            return
        if self.words and value not in self.words:
            raise self.refusal(value, f"choose {self.range}")
        if self.kind in ("integer", "number"):
            kind: Any
            kind, noun = (numbers.Integral, "an integer") if self.kind == "integer" else (numbers.Real, "a number")
            if isinstance(value, bool) or not isinstance(value, kind) or not self.low <= value <= self.high:
                raise self.refusal(value, f"choose {noun} from {self.low} to {self.high}")

    def refusal(self, value: Any, rule: str) -> InputError:
        """The error for a value that breaks a rule: "The seed cannot be -1: choose an integer from 0 to ..."."""
        return InputError(f"The {self.title} cannot be {str(value)[:60]}: {rule}.", code="bad-option", field=self.name)


def setting(name: str, default: Any, kind: str, title: str, meaning: str, **limits: Any) -> Any:
    """A dataclass field with this default and its Setting as metadata."""
    described = Setting(name, default, kind, title, meaning, **limits)
    return dataclasses.field(default=default, metadata={"setting": described})


def settings_of(kind: Any) -> dict[str, Setting]:
    """Field name -> Setting of a dataclass or one of its objects; fields without a Setting are left out."""
    return {field.name: field.metadata["setting"] for field in dataclasses.fields(kind) if "setting" in field.metadata}
