"""The .ui file and the texts of the panel."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from panel_desk import UI_FILE
from panel_loader import load_panel
from PySide6.QtWidgets import QLabel, QWidget

pytestmark = pytest.mark.usefixtures("faultless")
PANEL = Path(__file__).resolve().parents[3] / "Xray2MRI" / "Xray2MRIModule" / "panel"


def test_file_loads_with_existing_properties_and_fits_into_400_pixels() -> None:
    root = load_panel(UI_FILE)._qt
    root.adjustSize()
    assert root.minimumSizeHint().width() <= 400


def test_notice_stands_outside_every_section_that_can_be_folded() -> None:
    root = load_panel(UI_FILE)._qt
    notice = root.findChild(QLabel, "noticeLabel")
    assert "Synthetic volume: a plausible guess, not for diagnosis" in notice.text()
    assert notice.parent() is root
    assert not notice.isHidden()


def test_every_widget_that_the_code_names_is_in_the_file() -> None:
    root = load_panel(UI_FILE)._qt
    names = {widget.objectName() for widget in root.findChildren(QWidget)}
    for path in PANEL.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            value = node.value if isinstance(node, ast.Attribute) else None
            of_ui = (isinstance(value, ast.Name) and value.id == "ui") or (
                isinstance(value, ast.Attribute) and value.attr == "ui"
            )
            if of_ui:
                assert node.attr in names, f"{path.name}:{node.lineno} {node.attr}"
