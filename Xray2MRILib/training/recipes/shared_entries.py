"""The entries that several recipes have, each described once."""

from __future__ import annotations

from typing import Any

from ...models.presets import PRESETS
from ..recipe import entry

KEEP = ("last", "best")
PRECISIONS = ("auto", "float32", "bfloat16")


def pairs_folder() -> Any:
    """``data``: what simulate wrote."""
    return entry("the folder of simulated pairs to learn from")


def held_out_folder() -> Any:
    """``held_out``: pairs that are never trained on."""
    return entry("the folder of simulated pairs to measure on")


def graded_folder() -> Any:
    """``data`` of the networks that learn from real joint crops."""
    return entry("the folder with index.csv and the joint crops")


def limit() -> Any:
    """``limit`` of such a folder."""
    return entry("the number of crops that are read of each split, 0 for all", unit="crops", low=0)


def knees() -> Any:
    """How many pairs are read."""
    return entry("the number of pairs to read, null for all", unit="pairs", low=1)


def growing() -> Any:
    """Pairs that come later."""
    return entry("whether pairs that appear in 'data' while the training runs are taken in, up to 'knees'")


def preset() -> Any:
    """Size of the networks."""
    return entry("the size of the networks", words=PRESETS)


def variants() -> Any:
    """Bent versions of a knee."""
    return entry("the number of bent versions of each knee", low=1)


def bend_mm() -> Any:
    """How far a bent version is bent."""
    return entry("the largest standard deviation of the random bend of knee and radiograph", unit="mm", low=0)


def exposures() -> Any:
    """Radiographs of a version."""
    return entry("the number of radiographs of each version", unit="radiographs", low=1)


def unreadable_share() -> Any:
    """Radiographs that do not show their grade."""
    return entry("the share of these radiographs on which the grade cannot be read", low=0, high=1)


def regraded_share() -> Any:
    """Knees shown at another grade than their own."""
    return entry(
        "the share of the knees that were simulated at two grades which come with the radiograph of the other grade "
        "and with a reader's p, so that p decides where radiograph and p disagree",
        low=0,
        high=1,
    )


def steps() -> Any:
    """Length of the run."""
    return entry("the number of optimiser steps of the whole run", unit="steps", low=1)


def minutes() -> Any:
    """Wall time of a piece."""
    return entry("the wall time after which a piece of the run stops, null for no limit", unit="minutes", above=0)


def clock_minutes() -> Any:
    """A run by the clock."""
    return entry(
        "the training time after which the whole run ends, the learning rate following the clock; null counts steps",
        unit="minutes",
        above=0,
    )


def keep() -> Any:
    """Which weights are the result."""
    return entry("the averaged weights to keep: of the last step, or of the best held-out measure", words=KEEP)


def batch_size(unit: str, low: int = 1) -> Any:
    """Batch of a step."""
    return entry("the size of the batch of one step", unit=unit, low=low)


def learning_rate() -> Any:
    """AdamW's rate."""
    return entry("the highest learning rate of AdamW", above=0)


def warm_up_steps() -> Any:
    """How the rate begins."""
    return entry("the number of steps in which the rate rises linearly, before its cosine", unit="steps", low=0)


def warm_up_steps_or_constant() -> Any:
    """The same where null is allowed."""
    return entry(
        "the number of steps in which the rate rises linearly, before its half cosine; null keeps the rate constant",
        unit="steps",
        low=0,
    )


def weight_decay() -> Any:
    """AdamW's decay."""
    return entry("the weight decay of AdamW", low=0)


def ema_decay() -> Any:
    """Averaging of the weights."""
    return entry("the highest decay of the averaged weights (EMA)", low=0, high=1)


def precision() -> Any:
    """Arithmetic of the forward pass."""
    return entry("the arithmetic of the forward pass; auto takes the faster one that the device has", words=PRECISIONS)


def device() -> Any:
    """Where a run computes."""
    return entry("the device that computes: auto, or a name that PyTorch knows such as cpu or cuda")


def threads() -> Any:
    """Processor threads."""
    return entry("the number of processor threads, 0 for PyTorch's choice", unit="threads", low=0)


def workers() -> Any:
    """Processes that prepare pairs."""
    return entry("the number of processes that prepare pairs, 0 for none", unit="processes", low=0)


def compile() -> Any:
    """torch.compile."""
    return entry("whether torch.compile compiles the network first")


def seed() -> Any:
    """Of all random numbers."""
    return entry("the seed of all random numbers", low=0, high=2**32 - 1)


def log_every() -> Any:
    """Steps per line."""
    return entry("the number of steps between two lines and points of the curves", unit="steps", low=1)


def save_every() -> Any:
    """Steps per checkpoint."""
    return entry("the number of steps between two checkpoints and held-out measurements", unit="steps", low=1)
