"""Outside training, diffusers is imported in one file, which leaves out what generation does not use."""

from __future__ import annotations

import ast
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "Xray2MRILib"
# the converter of published weights takes no part in generation
ALLOWED = {"models/diffusers_parts.py", "weight_import/zero123.py"}


def imports_diffusers(path: Path) -> bool:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if any(name.split(".")[0] == "diffusers" for name in names):
            return True
    return False


def test_generation_imports_diffusers_through_its_door():
    found = {path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py") if imports_diffusers(path)}
    assert "models/diffusers_parts.py" in found
    assert {name for name in found if not name.startswith("training/")} == ALLOWED
