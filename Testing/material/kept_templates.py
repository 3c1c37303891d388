"""Builds the parts of templates that do not ship into the user's cache, so that no test has to wait for them.

    python Testing/material/kept_templates.py

``make test`` calls it. It takes five to six minutes of one core once, and nothing when all parts are there.
"""

from __future__ import annotations


def main() -> None:
    """Build what is missing."""
    from Xray2MRILib.simulation.pairs.template_library import TemplateLibrary

    library = TemplateLibrary()
    for choice in library.choices():
        if not all(path.exists() for path in library.parts(choice)):
            print(f"building {choice.name}", flush=True)
            library.build(choice)


if __name__ == "__main__":
    main()
