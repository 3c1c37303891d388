"""Pages from templates: one folder of jinja2 templates, one style sheet, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..volume.provenance import notice

if TYPE_CHECKING:
    from jinja2 import Environment

_FOLDER = Path(__file__).parent


@cache
def environment() -> Environment:
    """Templates of ``templates/`` and the style sheet beside them.

    Texts are escaped unless they are Svg; a name that the context lacks raises jinja2.UndefinedError.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([_FOLDER / "templates", _FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_page(template: str, context: Mapping[str, Any]) -> str:
    """The page of a template (``volume_report.html.j2``, ...) as one self-contained HTML text."""
    return environment().get_template(template).render(context, notice=notice())
