"""CMakeLists.txt, Xray2MRI.json and Xray2MRI.s4ext tell the same, in the form that the catalogue accepts."""

from __future__ import annotations

import json
import re

import pytest
from cmake_file_lists import ROOT
from PIL import Image

CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
ENTRY = json.loads((ROOT / "Xray2MRI.json").read_text(encoding="utf-8"))
# keyword of .s4ext -> variable of CMake
SHARED = {
    "depends": "DEPENDS",
    "homepage": "HOMEPAGE",
    "contributors": "CONTRIBUTORS",
    "category": "CATEGORY",
    "iconurl": "ICONURL",
    "status": "STATUS",
    "tier": "TIER",
    "description": "DESCRIPTION",
    "screenshoturls": "SCREENSHOTURLS",
    "keywords": "KEYWORDS",
}


def cmake_value(name: str) -> str:
    """Value of an EXTENSION_ variable, by the kind of pattern that the catalogue's checks use."""
    found = re.findall(rf'^set\(EXTENSION_{name} (?:"([^"]*)"|(\S+))\)$', CMAKE, re.MULTILINE)
    assert len(found) == 1, name
    return found[0][0] or found[0][1]


def s4ext() -> dict[str, str]:
    """Keyword -> value of the older description."""
    lines = (ROOT / "Xray2MRI.s4ext").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition(" ")[::2] for line in lines if line and not line.startswith("#")]
    assert len({keyword for keyword, _ in pairs}) == len(pairs)
    return dict(pairs)


def test_project_module_and_files_have_one_name():
    assert "project(Xray2MRI)\n" in CMAKE
    assert (ROOT / "Xray2MRI" / "Xray2MRI.py").is_file()
    assert "set(MODULE_NAME Xray2MRI)\n" in (ROOT / "Xray2MRI" / "CMakeLists.txt").read_text(encoding="utf-8")


def test_the_entry_has_only_what_the_schema_knows():
    """Schema v1.0.1 of the catalogue: three required, six optional properties, no others."""
    assert ENTRY["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.1.json#")
    kinds = {"$schema": str, "category": str, "scm_url": str, "scm_revision": str, "scm_type": str,
             "build_dependencies": list, "build_subdirectory": str, "enabled": bool, "tier": int}  # fmt: skip
    assert set(ENTRY) <= set(kinds)
    assert all(isinstance(value, kinds[name]) for name, value in ENTRY.items())
    assert {"$schema", "category", "scm_url"} <= set(ENTRY)
    assert 1 <= ENTRY["tier"] <= 5
    assert ENTRY["scm_url"].startswith("https://")
    assert ENTRY["scm_url"].rpartition("/")[2].startswith("Slicer")


def test_the_older_description_repeats_cmake():
    older = s4ext()
    for keyword, variable in SHARED.items():
        assert older[keyword] == cmake_value(variable), keyword


def test_the_older_description_repeats_the_entry():
    older = s4ext()
    assert older["scmurl"] == ENTRY["scm_url"]
    assert older["scmrevision"] == ENTRY["scm_revision"]
    assert older["category"] == ENTRY["category"] == "Image Synthesis"
    assert older["depends"].split() == ENTRY["build_dependencies"]
    assert older["build_subdirectory"] == ENTRY["build_subdirectory"]
    assert int(older["tier"]) == ENTRY["tier"]
    assert f"{older['homepage']}.git" == older["scmurl"]


def test_addresses_are_raw_pictures_that_exist_here():
    prefix = f"{cmake_value('HOMEPAGE').replace('https://github.com/', 'https://raw.githubusercontent.com/')}/"
    for address in [cmake_value("ICONURL"), *cmake_value("SCREENSHOTURLS").split()]:
        assert address.startswith(f"{prefix}{ENTRY['scm_revision']}/")
        assert "&" not in address
        picture = Image.open(ROOT / address.removeprefix(f"{prefix}{ENTRY['scm_revision']}/"))
        assert picture.format in ({"PNG"} if "Icon" in address else {"PNG", "WEBP"})  # a browser shows screenshots


def test_the_description_is_honest_and_short():
    text = cmake_value("DESCRIPTION")
    assert "not for diagnosis" in text
    assert "synthetic" in text
    assert len(re.findall(r"[.!?](?:\s|$)", text)) <= 2


def test_icons():
    for path in (ROOT / "Xray2MRI.png", ROOT / "Xray2MRI/Resources/Icons/Xray2MRI.png"):
        icon = Image.open(path)
        assert icon.size == (128, 128)
        assert icon.mode == "RGBA"
        assert icon.getpixel((0, 0))[3] == 0  # round corners


def test_the_module_tells_the_same_category_and_dependencies():
    source = (ROOT / "Xray2MRI" / "Xray2MRI.py").read_text(encoding="utf-8")
    assert f'"{ENTRY["category"]}"' in source
    assert "arXiv" in source or "2410.06997" in source


def test_files_have_unix_line_ends():
    for name in (
        "CMakeLists.txt",
        "Xray2MRI.json",
        "Xray2MRI.s4ext",
        "Xray2MRI/CMakeLists.txt",
        "Xray2MRILib/CMakeLists.txt",
    ):
        assert b"\r" not in (ROOT / name).read_bytes()


@pytest.mark.parametrize("name", ["LICENSE", "README.md"])
def test_licence_and_description_are_at_the_root(name):
    assert (ROOT / name).stat().st_size > 1000
