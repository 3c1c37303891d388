"""The page of a cohort: its numbers, its pictures, and its table in a real browser."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess

import pytest
from html_page import HtmlPage

from Xray2MRILib.reports.cohort_summary import MOST_ROWS, write_cohort_summary
from Xray2MRILib.reports.histogram import histogram

SETTINGS = {"slices": 50, "steps": 20, "seed": 0, "samples": 1, "sampler": "ddim", "guidance_scale": None}


def done(number: int, **changes) -> dict:
    return {"row": number, "id": f"<{number}>", "key": f"{number:016x}", "state": "done", "side": "left",
            "grade": number % 5, "plausible": True, "plausibility": 0.9, "joint_band_medial_mm": 4.0 + number / 10,
            "joint_line_mm": 0.8, "outline_mm": 1.1, "seconds": 20.0 + number, "warnings": [],
            "volume": f"volumes/00/{number:016x}.nrrd", **changes}  # fmt: skip


def refused(number: int, code: str = "no-knee") -> dict:
    return {"row": number, "id": "", "key": "", "state": "refused", "code": code, "sentence": "No knee & no <b>."}


@pytest.fixture
def rows() -> list[dict]:
    return [done(1), done(2, joint_band_medial_mm=None, warnings=["Odd."]), refused(3), done(4), refused(5),
            {**refused(6, "worker-died"), "state": "failed"}]  # fmt: skip


def test_counts_reasons_and_escaped_texts(tmp_path, rows):
    (tmp_path / "thumbnails" / "00").mkdir(parents=True)
    (tmp_path / "thumbnails" / "00" / f"{1:016x}.jpg").write_bytes(b"picture")
    page = HtmlPage(write_cohort_summary(rows, tmp_path, SETTINGS).read_text(encoding="utf-8"))
    assert "Cohort of 6 radiographs 3 done, 2 refused, 1 failed. 1 has warnings." in page.text
    assert "refused no-knee 2 No knee & no <b>." in page.text
    assert "failed worker-died 1" in page.text
    assert "<1>" in page.text
    assert "slices 50, steps 20, seed 0" in page.text
    pictures = [attributes["src"] for tag, attributes in page.elements if tag == "img"]
    assert pictures == [f"data:image/jpeg;base64,{base64.b64encode(b'picture').decode()}"]
    assert "not for diagnosis" in page.text


def test_the_policy_allows_the_one_script_alone(tmp_path, rows):
    text = write_cohort_summary(rows, tmp_path, SETTINGS).read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy == f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def test_a_large_cohort_shows_its_problems_first(tmp_path):
    many = [done(number) for number in range(1, MOST_ROWS + 200)] + [refused(MOST_ROWS + 200)]
    page = HtmlPage(write_cohort_summary(many, tmp_path, SETTINGS).read_text(encoding="utf-8"))
    assert f"The page shows {MOST_ROWS} of {MOST_ROWS + 200} rows" in page.text
    kinds = [attributes.get("class") for tag, attributes in page.elements if tag == "tr" and attributes.get("class")]
    assert (kinds[0], len(kinds)) == ("refused", MOST_ROWS)


def test_bars_by_hand():
    chart = histogram("Grade <", "grade", [0, 0, 2, 4, None], whole=(0, 5))
    heights = [float(text) for text in re.findall(r'height="([\d.]+)" class="column', chart)]
    assert heights == pytest.approx([134.0, 67.0, 67.0])
    assert re.findall(r'text-anchor="middle">(\d)<', chart) == ["0", "1", "2", "3", "4", "5"]
    assert "Grade &lt;" in chart
    assert "not measured: 1" in chart
    assert histogram("t", "x", [None, float("nan")]) == ""
    assert histogram("t", "x", [3.0, 3.0]).count("column") == 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser")
def test_a_click_sorts_in_a_browser(tmp_path, rows):
    text = write_cohort_summary(rows, tmp_path, SETTINGS).read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)

    def order(clicks: int) -> list[str]:
        # the heading "medial band"; the policy names the longer script
        longer = script + "var b = document.querySelectorAll('thead button')[6];" + "b.click();" * clicks
        digests = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (script, longer)]
        page = text.replace(script, longer).replace(*digests)
        (tmp_path / "page.html").write_text(page, encoding="utf-8")
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom",
                   f"--user-data-dir={tmp_path / 'browser'}", (tmp_path / "page.html").as_uri()]  # fmt: skip
        dom = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120, check=True).stdout
        body = dom.partition('class="sortable"')[2].partition("<tbody>")[2]
        return re.findall(r'<tr class="\w+">.*?data-order="(\d+)"', body, re.DOTALL)

    assert "medial band" in re.findall(r"<button[^>]*>([^<]*)<", text)[6]
    assert order(0) == ["1", "2", "3", "4", "5", "6"]
    assert order(1) == ["1", "4", "2", "3", "5", "6"], "rows without a value stay at the end"
    assert order(2) == ["4", "1", "2", "3", "5", "6"]
