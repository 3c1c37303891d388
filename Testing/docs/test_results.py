"""Numbers in README, docs and model cards are those of docs/results/*.json, which the benchmarks write.

One file, because tables and sentences are read and compared by the same few functions.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from typing import Any

import pytest
from documentation import ROOT, name_of, pages

RESULTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (ROOT / "docs/results").glob("*.json")}
HELD_OUT = RESULTS["held_out"]["figures"]
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")

# first words of a row -> key of the JSON; README and model card word them a little differently
ROWS = {
    "generated from its own radiograph": "own",
    "generated from the knee's own radiograph": "own",
    "generated from another knee's radiograph": "other radiograph",
    "another knee's true volume": "other knee",
    "mean of 200 training volumes": "mean",
    "blank volume": "blank",
    "the true volume through the autoencoder": "autoencoder alone",
    "true volume through the autoencoder (best reachable)": "autoencoder alone",
    "the true volume's neighbouring slices": "neighbouring slice",
}
COLUMNS = {
    "edge distance, mm": "edge_mm",
    "edge F1 at 2 px": "f1",
    "SSIM": "ssim",
    "PSNR, dB": "psnr_db",
    "RSSIM": "rssim",
}


def tables(page: str, name: str) -> list[dict[str, str]]:
    """Rows of the table NAME of a page, heading -> cell; the first column is called ``row``."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(rf"<!-- table: {name} -->\n(.*?)<!-- end of table -->", text, re.DOTALL)
    assert len(blocks) == 1, f"{page} holds {len(blocks)} tables {name}"
    lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in blocks[0].splitlines()]
    heading = ["row", *lines[0][1:]]
    return [dict(zip(heading, cells, strict=True)) for cells in lines[2:]]


def printed(cell: str) -> list[str]:
    """The numbers of a cell as they are printed; a hyphen between two of them is no minus."""
    return NUMBER.findall(cell)


def same(text: str, value: float) -> bool:
    """Is ``text`` the value rounded to as many decimals as it shows?"""
    decimals = len(text.partition(".")[2])
    return abs(float(text.replace(",", "")) - value) <= 0.5 * 10**-decimals + 1e-9


def check(cell: str, values: list[float], where: str) -> None:
    numbers = printed(cell)
    assert len(numbers) == len(values), f"{where}: {cell!r} holds {len(numbers)} numbers, not {len(values)}"
    for number, value in zip(numbers, values, strict=True):
        assert same(number, value), f"{where} prints {number}; docs/results says {value}"


@pytest.mark.parametrize(
    ("page", "name", "count"),
    [
        ("README.md", "held out short", 5),
        ("docs/results.md", "held out", 7),
        ("Resources/models/compact/MODEL_CARD.md", "held out", 7),
    ],
)
def test_held_out_tables(page: str, name: str, count: int):
    rows = tables(page, name)
    assert len(rows) == count
    for cells in rows:
        row = HELD_OUT[ROWS[cells["row"].strip("*")]]
        for heading, measure in COLUMNS.items():
            if heading in cells:
                shown = len(printed(cells[heading]))
                assert shown in (1, 3)
                check(cells[heading], row[measure][:shown], f"{page}, {cells['row']}, {heading}")
        for heading, measures in (
            ("own volume closer", ["edge_mm"]),
            ("own closer: edges / F1 / SSIM / PSNR", ["edge_mm", "f1", "ssim", "psnr_db"]),
        ):
            if cells.get(heading):
                shares = [100 * row["own_closer_share"][measure] for measure in measures]
                check(cells[heading], shares, f"{page}, {cells['row']}, {heading}")


def test_joint_band_of_the_model_card():
    for cells in tables("Resources/models/compact/MODEL_CARD.md", "joint band"):
        side = cells.pop("row")
        for heading, cell in cells.items():
            check(cell, [HELD_OUT["joint_band_correlation"][side][heading]], f"model card, {side}, {heading}")


@pytest.mark.parametrize(
    ("name", "key"),
    [("reprojection true", "true volumes"), ("reprojection generated", "generated, all radiographs")],
)
def test_reprojection_tables(name: str, key: str):
    rows = tables("docs/reprojection.md", name)
    assert len(rows) == 4
    for cells in rows:
        part, _, stage = cells["row"].partition(", ")
        found = RESULTS["reprojection"]["figures"][key][
            f"{ {'sides': 'outline', 'joint line': 'joint_line'}[part] }, {stage}"
        ]
        check(cells["own radiograph"], found["own_mm"], cells["row"])
        check(cells["other radiographs"], found["other_mm"], cells["row"])
        check(cells["AUC"], [found["auc"]], cells["row"])
        check(cells["first"], [100 * found["own_ranks_first"]], cells["row"])
        check(cells["own closer than the median other"], [100 * found["own_closer_than_median_other"]], cells["row"])
        if "measured" in cells:
            check(cells["measured"], [found["measured"]], cells["row"])


def test_speed_table():
    rows = tables("docs/results.md", "speed")
    measured = RESULTS["speed"]["figures"]
    assert [list(cells.values()) for cells in rows] == [[row["what"], row["result"], row["wanted"]] for row in measured]


def value(path: str) -> float:
    """A number of docs/results by its path, such as ``held_out/own/edge_mm/0``; percent with a leading ``%``."""
    name, *keys = path.lstrip("%").split("/")
    found: Any = RESULTS[name]["figures"]
    for key in keys:
        if key.startswith("-"):  # printed behind a minus
            return -found[key[1:]]
        found = found[int(key)] if isinstance(found, list) else found[key]
    if isinstance(found, str):
        found = float(NUMBER.search(found)[0])
    return 100 * found if path.startswith("%") else found


CARD = "Resources/models/compact/MODEL_CARD.md"
REAL = "reprojection/generated, all radiographs"
TRUE = "reprojection/true volumes"
LAG = "held_out/correlation_by_lag"
BAND = "held_out/joint_band_correlation"
GRADE = "held_out/joint_band_mm_by_grade"
WITH_TRUE, WITH_SPACE = "own radiograph with true volume", "own radiograph with simulated joint space"
SIDES = ("medial", "lateral")
# page, sentence with # in the place of each number, where each number is from
SENTENCES = [
    ("README.md", "50 slices takes about # s on two CPU cores", ["generation_stages/now/cold/total"]),
    ("README.md", "(AVX-512), # s once the model is loaded", ["generation_stages/now/warm/total"]),
    (
        "docs/results.md",
        "it takes # s warm (8 s were wanted) and # s in a new process, with the first slice after # s warm",
        [f"generation_stages_avx2/now/{k}" for k in ("warm/total", "cold/total", "warm/first slice")],
    ),
    ("README.md", "On 40 real radiographs # of 28 figures of a scan are in range", ["generated_look/in_range/median"]),
    (
        "docs/results.md",
        "have # of 28 figures of a scan in range (median; # to #;",
        [f"generated_look/in_range/{name}" for name in ("median", "lowest", "highest")],
    ),
    (
        "README.md",
        "lies # mm from that of its own radiograph and # mm from that of others",
        [f"{REAL}/joint_line, as placed/{whose}_mm/0" for whose in ("own", "other")],
    ),
    ("README.md", "The edges are # mm off", ["held_out/own/edge_mm/0"]),
    ("docs/results.md", "The edges are # mm off", ["held_out/own/edge_mm/0"]),
    ("docs/results.md", "one true volume differ by # mm", ["held_out/neighbouring slice/edge_mm/0"]),
    (
        "docs/results.md",
        "reaches # dB, the model # dB",
        ["held_out/mean/psnr_db/0", "held_out/own/psnr_db/0"],
    ),
    ("docs/results.md", "the same weights reach # mm", ["held_out_as_printed/own/edge_mm/0"]),
    (
        "docs/results.md",
        "lies # mm from that of its own radiograph and # mm from that of others (medians; AUC #)",
        [f"{REAL}/joint_line, as placed/{figure}" for figure in ("own_mm/0", "other_mm/0", "auc")],
    ),
    ("docs/results.md", "from others (AUC #). Agreement", [f"{REAL}/outline, as placed/auc"]),
    ("docs/results.md", "(correlation #, true #)", [f"{LAG}/generated/0", f"{LAG}/true/0"]),
    (
        "docs/results.md",
        "narrows or widens the joint by # to # of what",
        [f"what_if_grade/{side}/share of the true change" for side in ("lateral", "medial")],
    ),
    (
        CARD,
        "is # of that in the true volume (quartiles #-#",
        [f"held_out/cartilage contrast kept by the autoencoder/{k}" for k in range(3)],
    ),
    (
        CARD,
        "Sampled as printed, these weights reach # mm, F1 #, SSIM #, # dB",
        [f"held_out_as_printed/own/{name}/0" for name in ("edge_mm", "f1", "ssim", "psnr_db")],
    ),
    (
        CARD,
        "joint band r # and #",
        [f"held_out_as_printed/joint_band_correlation/{side}/{WITH_TRUE}" for side in SIDES],
    ),
    (CARD, "generated " + "#, " * 9 + "#;", [f"{LAG}/generated/{k}" for k in range(10)]),
    (CARD, "true " + "#, " * 9 + "#.", [f"{LAG}/true/{k}" for k in range(10)]),
    (CARD, "the band narrows in # % of knees", [f"%{GRADE}/medial/narrower with KL 4"]),
    (
        CARD,
        "by # mm in the medial and # mm in the lateral compartment",
        [f"{GRADE}/{side}/narrower by" for side in SIDES],
    ),
    (
        CARD,
        "nearer to the true knee at that grade, by little: # mm instead of # mm (edges",
        [f"what_if_grade/edge_mm/{what}, to the other truth" for what in ("what if", "as shown")],
    ),
    (CARD, "how narrow the medial compartment is follows with r #", ["narrow_joints/narrow/medial space/r"]),
    (CARD, "sides of the bones, AUC at least 0.75 | #: missed", [f"{REAL}/outline, as placed/auc"]),
    (
        CARD,
        "rank correlation over the voxels of the joint box # (median of 10 knees, # to #)",
        [f"uncertainty/spearman/{k}" for k in range(3)],
    ),
    (CARD, "Two seeds of one radiograph differ by # mm", ["held_out/two seeds of one radiograph/edge_mm"]),
    (CARD, "edge distance at most 1.6 mm | # mm: missed", ["held_out/own/edge_mm/0"]),
    (CARD, "| # medial, # lateral: missed", [f"{BAND}/{side}/{WITH_TRUE}" for side in SIDES]),
    (CARD, "with the simulated joint space itself # and #", [f"{BAND}/{side}/{WITH_SPACE}" for side in SIDES]),
    (CARD, "(# against # dB)", ["held_out/own/psnr_db/0", "held_out/mean/psnr_db/0"]),
    (
        "docs/reprojection.md",
        "within what the measure can tell (# mm, true simulated volumes # mm)",
        [f"{found}/joint_line, as placed/own_mm/0" for found in (REAL, TRUE)],
    ),
    (
        "docs/reprojection.md",
        "of the sides # % are found in its volumes (# % in true ones)",
        [f"%{found}/found/outline, volume" for found in (REAL, TRUE)],
    ),
    (
        "docs/reprojection.md",
        "(AUC # falls to # even for true volumes)",
        [f"{TRUE}/joint_line, {stage}/auc" for stage in ("as placed", "after fit")],
    ),
]


@pytest.mark.parametrize(("page", "sentence", "paths"), SENTENCES, ids=[f"{s[0]}: {s[1]}" for s in SENTENCES])
def test_sentences(page: str, sentence: str, paths: list[str]):
    pattern = re.escape(sentence).replace(r"\#", r"(\d+(?:\.\d+)?)").replace(r"\ ", r"\s+")
    found = re.search(pattern, (ROOT / page).read_text(encoding="utf-8"))
    assert found, f"{page} no longer says {sentence!r}; say it again or change this test"
    for number, path in zip(found.groups(), paths, strict=True):
        assert same(number, value(path)), f"{page} prints {number}; docs/results says {value(path)} ({path})"


def test_the_figures_are_those_of_the_shipped_weights():
    checksums = json.loads((ROOT / "Resources/models/compact/checksums.json").read_text(encoding="utf-8"))
    for name, result in RESULTS.items():
        # null: what was measured does not depend on the weights
        for network, checksum in (result["weights_sha256"] or {}).items():
            shipped = [
                value for file, value in checksums.items() if file.startswith(f"{network}/") and "safetensors" in file
            ]
            assert shipped == [checksum], f"docs/results/{name}.json was measured with other weights of {network}"


def test_the_figures_of_early_osteoarthritis_are_those_of_the_shipped_network():
    shipped = json.loads((ROOT / "Resources/models/siamese_gap/checksums.json").read_text(encoding="utf-8"))
    result = RESULTS["early_osteoarthritis"]
    assert result["settings"]["siamese_gap_checksums"] == shipped
    # why it ships: clearly better than what needs no network
    assert result["figures"]["siamese_gap"]["auc_minus_crop_32"][0] > 0


def test_the_shipped_morphing_model():
    """Model card and docs/comparison-of-methods.md give what was measured with the weights that ship."""
    shipped = json.loads((ROOT / "Resources/models/morphing/checksums.json").read_text(encoding="utf-8"))
    assert RESULTS["morphing"]["settings"]["morphing_checksums"] == shipped
    found = RESULTS["morphing"]["figures"]["measured"]
    falls, grades, lateral = found["joint_space_fall_mm"], found["expected_grade"], found["lateral_course"]
    outlines = found["by_outlines"]
    early = (found["kl2_probability"][0], found["kl2_probability_at_the_end"], found["kl2_probability_of_real_kl4"])
    rows = tables("Resources/models/morphing/MODEL_CARD.md", "morphing")
    expected = [
        (grades[0], grades[-1]), early, (100 * found["rising"],),
        (lateral["expected_grade_at_the_end"], lateral["kl2_probability_at_the_end"], 100 * lateral["rising"]),
        (found["ssim_outside_the_joint"],), (found["smallest_determinant"],), (found["joint_space_r"],),
        (found["joint_space_r_of_the_true_motion"], found["joint_space_r_of_a_registration"]),
        (outlines["joint_space_r"], outlines["joint_space_r_of_the_true_radiograph"]),
        (falls["mean"], falls["true"], falls["error"]),
    ]  # fmt: skip
    for cells, values in zip(rows, expected, strict=True):
        check(cells["found"], list(values), f"morphing, {cells['row']}")
    text = " ".join((ROOT / "docs/comparison-of-methods.md").read_text(encoding="utf-8").split())
    pattern = (
        r"expects grade (\S+) in the first frame and (\S+) in the last; in (\d+) % .* probability of (\S+) in the "
        r"first frame, (\S+) in the last and (\S+) in real .* is (\S+); nothing folds \(smallest Jacobian (\S+)\).* "
        r"falls by (\S+) mm instead of ([\d.]+), .* \(r ([\d.]+); "
    )
    printed_there = re.search(pattern, text)
    assert printed_there
    values = [value for index in (0, 2, 1, 4, 5) for value in expected[index]]
    values += [falls["mean"], falls["true"], found["joint_space_r"]]
    for number, value in zip(printed_there.groups(), values, strict=True):
        assert same(number, value), f"it prints {number}; docs/results says {value}"


def test_a_narrower_network():
    """docs/results.md: the table of a U-Net of half the channels, and the shares in the sentence below it."""
    figures = RESULTS["narrower_network"]["figures"]
    names = {
        "weights": "weights",
        "whole volume, s": "total",
        "U-Net, s": "unet",
        "decoder, s": "decoder",
        "rest, s": "rest",
    }
    for cells in tables("docs/results.md", "narrower"):
        for heading, part in names.items():
            check(cells[heading], [figures[cells["row"]][part]], f"narrower network, {cells['row']}, {heading}")
    now, narrow = figures["as it is"], figures["half the channels, untrained"]
    assert narrow["unet"] / now["unet"] == pytest.approx(2 / 3, abs=0.04)  # "a third off the U-Net"
    assert narrow["total"] / now["total"] == pytest.approx(5 / 6, abs=0.02)  # "a sixth off the volume"
    assert now["unet"] / now["total"] == pytest.approx(0.55, abs=0.02)  # "almost half" is left without it


def test_interpolation_of_super_resolution():
    """docs/super-resolution.md: the table of interpolation, and the numbers below it."""
    figures = RESULTS["super_resolution_interpolation"]["figures"]
    names = {
        "PSNR, dB": "psnr_db", "SSIM": "ssim", "edge distance, mm": "edge_mm", "power in the lost band": "band_power",
        "lesions found of 48": "found", "invented in 34 places": "invented", "residual, noise": "residual_in_noise",
    }  # fmt: skip
    rows = tables("docs/super-resolution.md", "interpolation")
    assert len(rows) == 16
    for cells in rows:
        scale, _, method = cells["row"].partition(", ")
        row = figures[scale][method]
        assert (row["lesions"], row["places"]) == (48, 34)
        for heading, measure in names.items():
            check(cells[heading], [row[measure]], f"super-resolution, {cells['row']}, {heading}")
    text = " ".join((ROOT / "docs/super-resolution.md").read_text(encoding="utf-8").split())
    series, generated = (RESULTS[f"super_resolution_{name}"]["figures"] for name in ("series", "densify"))
    found = re.search(r"spline interpolation is (\S+) and (\S+) mm off, cubic (\S+) and (\S+) mm", text)
    edges = [series[scale][method]["edge_mm"] for method in ("b-spline", "cubic") for scale in ("2", "2.4")]
    assert all(same(number, value) for number, value in zip(found.groups(), edges, strict=True))
    found = re.search(r"pseudo-MRI has (\S+) dB and SSIM (\S+) and takes", text)
    cubic = generated["cubic"]
    assert all(same(n, v) for n, v in zip(found.groups(), (cubic["psnr_db"], cubic["ssim"]), strict=True))


def test_the_shipped_student_of_super_resolution():
    """Its card gives what was measured with the weights that ship, which are better than interpolation."""
    result = RESULTS["super_resolution_student"]
    shipped = json.loads((ROOT / "Resources/models/enhance-compact/student/checksums.json").read_text(encoding="utf-8"))
    assert result["settings"]["networks_sha256"]["student"] in shipped.values()
    names = {
        "PSNR, dB": "psnr_db", "SSIM": "ssim", "edge distance, mm": "edge_mm", "power in the lost band": "band_power",
        "lesions found": "found", "lost": "lost", "invented": "invented", "residual, noise": "residual_in_noise",
    }  # fmt: skip
    for cells in tables("Resources/models/enhance-compact/MODEL_CARD.md", "student"):
        scale, _, method = cells["row"].partition(", ")
        row = result["figures"][scale][method]
        for heading, measure in names.items():
            check(cells[heading], [row[measure]], f"student, {cells['row']}, {heading}")
    for scale in ("2", "2.4"):
        figures = result["figures"][scale]
        assert max(figures["student"][f"edge_p_against_{other}"] for other in ("cubic", "l1")) < 0.01
        assert figures["student"]["invented"] <= figures["cubic"]["invented"]
        for control in ("cubic", "cubic, one iteration", "lanczos", "l1"):
            assert figures["student"]["edge_mm"] < figures[control]["edge_mm"]
    bias = RESULTS["super_resolution_bias"]
    assert bias["settings"]["network_sha256"] in shipped.values()
    series = RESULTS["super_resolution_series"]["figures"]
    card = (ROOT / "Resources/models/enhance-compact/MODEL_CARD.md").read_text(encoding="utf-8")
    pattern = (
        r"edges (\S+) and (\S+) mm off; (\S+) and (\S+) mm by cubic interpolation, (\S+) and (\S+) mm with one "
        r"iteration"
    )
    found = re.search(pattern, " ".join(card.split()))
    edges = re.search(r"edges are (\S+) mm off without the map, (\S+) mm with that of N4 and (\S+) mm with", card)
    known = [bias["figures"][name]["edge_mm"] for name in ("none", "N4", "true")]
    assert all(same(number, value) for number, value in zip(edges.groups(), known, strict=True))
    methods = ("student", "cubic", "cubic, one iteration")
    expected = [series[scale][method]["edge_mm"] for method in methods for scale in ("2", "2.4")]
    assert all(same(number, value) for number, value in zip(found.groups(), expected, strict=True))


def test_each_result_says_where_it_is_from():
    for name, result in RESULTS.items():
        assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", result["date"]), name
        assert result["origin"].startswith("written by the benchmark"), name
        script = re.search(r"Testing/\S+\.py", result["command"])
        assert result["command"] == "make bench" or (ROOT / script[0]).exists(), name
        assert result["settings"], name


def test_tables_are_filled_as_the_script_fills_them():
    script = ROOT / "Testing/benchmarks/fill_result_tables.py"
    done = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_table_of_the_reduced_run():
    """docs/comparison-of-methods.md against the summary that ``xray2mri benchmark`` wrote."""
    with (ROOT / "docs/reduced-comparison/summary.csv").open(encoding="utf-8") as file:
        summary = {(row["measure"], row["column"]): row for row in csv.DictReader(file)}
    measures = {
        "edge distance, mm": "edge_mm",
        "edge F1": "f1",
        "SSIM, joint": "ssim_joint",
        "PSNR, joint, dB": "psnr_joint_db",
        "RSSIM": "rssim",
    }
    titles = {
        "Xray2MRI with another radiograph": "Xray2MRI with another film",
        "Xray2MRI, second run": "Xray2MRI, second run",
    }
    text = (ROOT / "docs/comparison-of-methods.md").read_text(encoding="utf-8")
    lines = text[text.index("| | edge distance, mm | edge F1 |") :].split("\n\n")[0].splitlines()
    heading = [cell.strip() for cell in lines[0].strip("|").split("|")][1:]
    assert heading == list(measures)
    for line in lines[2:]:
        row, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for name, cell in zip(heading, cells, strict=True):
            found = summary[measures[name], titles.get(row, row)]
            check(cell, [float(found[key]) for key in ("median", "ci_low", "ci_high")], f"{row}, {name}")


def test_parts_are_those_of_their_model_cards():
    """Every number of the column ``measured`` stands in the card that the row links to."""
    text = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [\w ]+ \| (.+) \| .+ \| \[card\]\((.+)\) \|$", text, re.MULTILINE)
    assert len(rows) == 9
    for measured, card in rows:
        stated = set(NUMBER.findall((ROOT / "docs" / card).read_text(encoding="utf-8")))
        for number in NUMBER.findall(re.sub(r"\bKL \d", "", measured)):
            assert number in stated, f"{card} does not state {number}"


def test_no_page_but_these_repeats_the_held_out_table():
    for page in pages():
        name = name_of(page)
        if name not in ("README.md", "docs/results.md", CARD):
            assert "generated from another knee's" not in page.read_text(encoding="utf-8"), name


def test_the_readme_is_short():
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) <= 1150, f"README has {len(words)} words; docs/results.md has room"
