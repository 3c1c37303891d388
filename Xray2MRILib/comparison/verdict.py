"""The comparison in words: what the pseudo-MRI gains over volumes that do not depend on this knee."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .controls import BLANK, CONSTANT, MEAN, OTHER
from .evaluation import PSEUDO, REFERENCE

if TYPE_CHECKING:
    from .evaluation import Evaluation

# measure -> (words, unit, what counts as a difference at all: about the spread between seeds of one radiograph)
_DECISIVE = {
    "edge_mm": ("edge distance", " mm", 0.15),
    "f1": ("edge F1", "", 0.02),
    "ssim": ("SSIM", "", 0.01),
    "psnr_db": ("PSNR", " dB", 0.3),
}
_LOWER_IS_CLOSER = {"edge_mm"}


def verdict(evaluation: Evaluation) -> str:
    """Two to four sentences; the first says whether the pseudo-MRI is closer to its reference than another knee is."""
    sentences = [_against_other(evaluation), _against_mean(evaluation)]
    emptiness = _emptiness(evaluation)
    if emptiness:
        sentences.append(emptiness)
    sentences.append(_continuity(evaluation))
    return " ".join(sentence for sentence in sentences if sentence)


def gains(evaluation: Evaluation, control: str) -> dict[str, int]:
    """Decisive measure -> 1 where the pseudo-MRI is closer than the control, -1 where farther, 0 within the margin."""
    signs = {}
    for measure, (_, _, margin) in _DECISIVE.items():
        values = evaluation.summary[measure]
        if control in values and values[control].median == values[control].median:
            gain = values[PSEUDO].median - values[control].median
            gain = -gain if measure in _LOWER_IS_CLOSER else gain
            signs[measure] = 0 if abs(gain) <= margin else 1 if gain > 0 else -1
    return signs


def _figures(evaluation: Evaluation, control: str, measures: Sequence[str]) -> str:
    parts = []
    for measure in measures:
        words, unit, _ = _DECISIVE[measure]
        own, other = (evaluation.summary[measure][name].median for name in (PSEUDO, control))
        digits = 1 if measure in ("edge_mm", "psnr_db") else 2
        parts.append(f"{words} {own:.{digits}f} against {other:.{digits}f}{unit}")
    return "; ".join(parts)


def _against_other(evaluation: Evaluation) -> str:
    signs = gains(evaluation, OTHER)
    if not signs:
        return "No verdict is possible: no other knee's volume was measured."
    better, worse = ([m for m, sign in signs.items() if sign == wanted] for wanted in (1, -1))
    decisive = [m for m in ("edge_mm", "f1") if m in signs]
    figures = _figures(evaluation, OTHER, [*decisive, "ssim"] if "ssim" in signs else decisive)
    if len(better) == len(signs):
        text = "The pseudo-MRI is closer to its reference than another knee's volume by every measure"
    elif any(m in better for m in decisive) and not any(m in worse for m in decisive):
        text = "The pseudo-MRI is closer to its reference than another knee's volume in its outlines"
    elif not any(m in better for m in decisive) and better:
        text = (
            "The pseudo-MRI's outlines are no closer to its reference than another knee's volume; only grey values are"
        )
    elif better:
        text = (
            "The pseudo-MRI is closer to its reference than another knee's volume by some measures, farther by others"
        )
    elif worse:
        text = "The pseudo-MRI is farther from its reference than another knee's volume is"
    else:
        text = "The pseudo-MRI is no closer to its reference than another knee's volume is"
    won, count = evaluation.closer_than.get("edge_mm", (0, 0))
    rank = f" Its outlines are closer than those of {won} of {count} other knees." if count > 1 else ""
    return f"{text} ({figures}).{rank}"


def _against_mean(evaluation: Evaluation) -> str:
    signs = gains(evaluation, MEAN)
    if not signs:
        return ""
    grey = [m for m in ("psnr_db", "ssim") if m in signs]
    if all(signs[m] < 0 for m in grey):
        return f"By grey values the mean of training knees, which uses no radiograph, is closer " \
               f"({_figures(evaluation, MEAN, grey)}), as blurred averages tend to be."  # fmt: skip
    if all(signs[m] > 0 for m in grey):
        return f"It is also closer than the mean of training knees ({_figures(evaluation, MEAN, grey)})."
    if any(signs[m] for m in grey):
        words = {1: "it is closer", 0: "both are about equal", -1: "the mean is closer"}
        parts = " and ".join(f"by {_DECISIVE[m][0]} {words[signs[m]]}" for m in grey)
        return f"Compared with the mean of training knees, which uses no radiograph, {parts} " \
               f"({_figures(evaluation, MEAN, grey)})."  # fmt: skip
    return f"By grey values it is about as close as the mean of training knees ({_figures(evaluation, MEAN, grey)})."


def _emptiness(evaluation: Evaluation) -> str:
    """Whether an empty volume beats the pseudo-MRI by the paper's measures; then these say nothing here."""
    won = []
    for measure, words in (("rssim", "RSSIM"), ("paper_psnr_db_artefact", "the paper's 8-bit figure (an artefact)")):
        values = evaluation.summary[measure]
        best = max((values[name].median for name in (BLANK, CONSTANT) if name in values), default=float("nan"))
        if best >= values[PSEUDO].median:
            won.append(words)
    if not won:
        return ""
    return f"An empty volume scores higher by {' and '.join(won)}, which therefore cannot be read as quality."


def _continuity(evaluation: Evaluation) -> str:
    own, real = (evaluation.lags[name].get(1, float("nan")) for name in (PSEUDO, REFERENCE))
    if own != own or real != real:
        return ""
    if abs(own - real) <= 0.03:
        text = "Neighbouring slices are as similar as the reference's"
    elif own > real:
        text = "Neighbouring slices are more similar than the reference's, i.e. too smooth from front to back"
    else:
        text = "Neighbouring slices are less similar than the reference's, i.e. they jump from front to back"
    return f"{text} (correlation {own:.2f} against {real:.2f})."
