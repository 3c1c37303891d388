"""What all three reports have in common: escaping, one style sheet, no outside world, sound HTML."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from html_page import HtmlPage

import Xray2MRILib.reports
from Xray2MRILib.reports.page_templates import environment, render_page
from Xray2MRILib.reports.svg import Svg

FOLDER = Path(Xray2MRILib.reports.__file__).parent


def test_names_from_outside_are_escaped_in_every_report(any_page):
    """The name stands in the page as a reader would type it, and no element of it does."""
    page = HtmlPage(any_page)
    assert page.count("script") == 0
    assert "<script>alert(1)</script>&\"'{{ 7 * 7 }}" in page.text
    assert "{{ 7 * 7 }}" in page.text, "a template in a name is not run"
    for _, attributes in page.elements:
        assert not {name for name in attributes if name.startswith("on")}


def test_every_report_says_that_it_is_synthetic_before_all_else(any_page):
    body = any_page[any_page.index("<body>") :]
    page = HtmlPage(f"<!DOCTYPE html>{body.removesuffix('</html>' + chr(10))}")
    assert page.text.startswith("SYNTHETIC, NOT FOR DIAGNOSIS. Synthetic image")


def test_every_report_carries_the_one_style_sheet(any_page):
    sheet = (FOLDER / "style.css").read_text(encoding="utf-8")
    page = HtmlPage(any_page)
    assert [style.strip() for style in page.styles] == [sheet.strip()]
    assert [path.name for path in FOLDER.rglob("*.css")] == ["style.css"]
    for path in FOLDER.rglob("*.j2"):
        assert path.read_text(encoding="utf-8").count("<style") == (path.name == "base.html.j2")


def test_every_report_is_one_file_without_a_network(any_page):
    page = HtmlPage(any_page)
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    assert "://" not in any_page
    assert "url(" not in any_page
    assert "@import" not in any_page
    assert page.count("link") == 0
    policy = next(values for tag, values in page.elements if values.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"].startswith("default-src 'none';")


def test_every_report_suits_dark_screens_and_paper(any_page):
    assert "@media screen and (prefers-color-scheme: dark)" in any_page
    assert "@media print" in any_page


def test_every_colour_and_class_of_a_chart_is_in_the_style_sheet(any_page):
    sheet = (FOLDER / "style.css").read_text(encoding="utf-8")
    defined = set(re.findall(r"\.([a-z][a-z0-9-]*)", sheet))
    used = {name for _, attributes in HtmlPage(any_page).elements for name in (attributes.get("class") or "").split()}
    # names for a reader of the page's source alone
    assert used - defined <= {"plain", "grades"}
    assert not re.search(r'(stroke|fill)="', any_page)
    variables = set(re.findall(r"(--[a-z0-9-]+):", sheet)) | {"--columns"}
    assert set(re.findall(r"var\((--[a-z0-9-]+)\)", sheet)) <= variables


def test_a_template_with_an_undefined_variable_fails():
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="nothing_of_that_name"):
        environment().from_string("<p>{{ nothing_of_that_name }}</p>").render()
    with pytest.raises(UndefinedError):
        render_page("volume_report.html.j2", {"side": "left"})


def test_texts_are_escaped_and_drawings_are_not():
    template = environment().from_string("{{ text }}{{ drawing }}")
    assert template.render(text="<b>&", drawing=Svg("<svg/>")) == "&lt;b&gt;&amp;<svg/>"


def test_no_template_switches_escaping_off():
    for path in FOLDER.rglob("*.j2"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup", text), path.name


def test_jinja2_is_loaded_when_a_page_is_rendered_and_not_before():
    program = (
        "import sys\n"
        "from Xray2MRILib.reports import comparison_files, per_slice_table, volume_report\n"
        "assert 'jinja2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], cwd=FOLDER.parents[1], check=True)
