"""What a user tells of the person, checked against what a model was trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..conditions.registry import AGE_CENTRES, condition, told_conditions
from ..errors import InputError

if TYPE_CHECKING:
    from .slice_model import SliceModel

TOLD_SECTION = "told"  # of the provenance
_IN_WORDS = {"age": "the age", "sex": "the sex", "bmi": "the body mass index", "r": "readings of the radiograph"}


def checked_told(told: Mapping[str, Any], model: SliceModel) -> dict[str, Any]:
    """The told values without those that are None; ages above 90 as 90, as records without identifiers have them.

    Raises InputError (code ``untrained-condition``) for a condition that the model does not know, and for values out of
    range.
    """
    given = {name: value for name, value in told.items() if value is not None and value != {}}
    for name in given:
        condition(name).vector(given[name])
    unknown = [name for name in given if name not in model.condition_names]
    if unknown:
        knows = [_IN_WORDS[name] for name in told_conditions(model.condition_names)]
        raise InputError(
            f"The model {model.model_name} was not trained with {_IN_WORDS.get(unknown[0], unknown[0])}.",
            code="untrained-condition",
            hint=f"It takes {', '.join(knows)}." if knows else "Leave it out, or choose another model.",
            field=unknown[0],
        )
    if "age" in given:
        given["age"] = min(float(given["age"]), AGE_CENTRES[-1])
    return given
