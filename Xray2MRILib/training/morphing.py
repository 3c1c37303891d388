"""Train the morphing model on pairs of a healthy and a severe radiograph, simulated and real, with the grade
classifier's supervision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..baselines.morphing import MorphingModel, frame
from ..baselines.morphing_loss import MorphingBatch, MorphingWeights, local_correlation, morphing_loss
from ..baselines.velocity_field import exponential, jacobian_determinant
from ..conditions.koa_classifier import grade_probabilities, load_classifier
from ..errors import InputError
from ..files.json_files import write_json
from ..simulation.radiograph.joint_surfaces import SIDES
from .data.graded_radiographs import GradedRadiographs, data_folder, from_bytes, load_graded_radiographs
from .data.morphing_pairs import AlignedPairs, SimulatedPairs, aligned_pairs, simulated_pairs, varied
from .log import TrainingLog
from .loop import EmaTrainer, LoopSettings, step_generator
from .recipes.morphing import MorphingRecipe
from .run_setup import prepare_run

HEALTHY, SEVERE = 0, 4  # Kellgren-Lawrence grades of a pair
FIRST_KNEE = 5000  # seed of the first simulated knee
SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
_MEASURED = 40  # radiographs
_APPEARANCE_RATE = 4.0
# Of the medial and the lateral course, as in RadiographPair.facts: a compartment that is nearly closed, osteophytes of
# the upper end of what simulated knees of KL-4 have, a usual sclerosis.
COURSE_FACTS = ((0.88, 0.14, 0.95, 0.85, 0.95, 0.85, 0.7, 0.05), (0.22, 0.86, 0.85, 0.95, 0.85, 0.95, 0.15, 0.7))


def train(recipe: MorphingRecipe | Mapping[str, Any], output: Path, resume: bool = False) -> dict[str, Any]:
    """Train by a recipe (``recipes/morphing.py``) and write the weights folder ``output``/model.

    Returns, and writes as metrics.json, what ``measure`` finds on the validation split. A run that ``minutes`` ended
    returns {"step", "steps"}. Raises InputError on an unusable recipe, data or checkpoint.
    """
    recipe = MorphingRecipe.from_json(recipe)
    folder = data_folder(recipe.data)
    device = prepare_run(output, seed=recipe.seed, threads=recipe.threads, device=recipe.device)
    real = aligned_pairs(
        *radiographs_of_two_grades(folder, "train", recipe.limit), recipe.candidates, recipe.seed,
        output / "partners.json",
    )  # fmt: skip
    simulated = None
    if recipe.simulated_knees:
        simulated = simulated_pairs(output / "simulated", recipe.simulated_knees, FIRST_KNEE)
    print(f"{len(real)} real pairs, {len(simulated or ())} simulated ones on {device}", flush=True)
    classifier, _ = load_classifier()
    judges = [classifier, *(load_classifier(Path(one))[0] for one in recipe.judges)]
    judges = [judge.requires_grad_(False).to(device) for judge in judges]
    model = MorphingModel(courses=SIDES, course_facts=COURSE_FACTS).to(device, memory_format=torch.channels_last)
    settings = LoopSettings.of(recipe, weight_decay=0.0, keep="last", precision="float32", clip=1.0)
    trainer = EmaTrainer(model, settings, output, resume=resume, parameter_groups=_groups(model))
    weights = MorphingWeights(
        likeness=recipe.likeness_weight, motion=recipe.motion_weight, people=recipe.people_weight,
        supervision=recipe.supervision_weight,
    )  # fmt: skip
    with TrainingLog(output, recipe.log_every, recipe.steps) as log:
        for step in trainer.steps():
            generator = step_generator(recipe.seed, step)
            batch = mixed_batch(real, simulated, recipe.batch_size, generator).to(device)
            asked = judges if step >= recipe.supervision_from * recipe.steps else ()
            parts = morphing_loss(model, asked, batch, weights, generator)
            loss = torch.stack(list(parts.values())).sum()
            trainer.step(loss)
            log.loss(step + 1, loss)
            if (step + 1) % recipe.log_every == 0:
                print(" ".join(f"{name} {value.item():.3f}" for name, value in parts.items()), flush=True)
            if trainer.save_due:
                trainer.save()
    if not trainer.finished:
        return trainer.report_stop()
    trainer.load_best()
    model.eval()
    healthy_knees, severe_knees = radiographs_of_two_grades(folder, "val", recipe.limit)
    metrics = measure(model, classifier, healthy_knees, severe_knees, device)
    model.save_pretrained(output / "model")
    write_json(output / "metrics.json", {"metrics": metrics, "recipe": recipe.to_json(without=("data",))})
    print(json.dumps(metrics), flush=True)
    return metrics


def _groups(model: MorphingModel) -> list[dict[str, Any]]:
    """AdamW's groups: the appearance begins at zero and is needed in few places, so its layer takes larger steps."""
    head = list(model.change.appearance.parameters())
    known = {id(parameter) for parameter in head}
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [{"params": others}, {"params": head, "rate_factor": _APPEARANCE_RATE}]


def mixed_batch(
    real: AlignedPairs, simulated: SimulatedPairs | None, size: int, generator: torch.Generator
) -> MorphingBatch:
    """Random pairs, simulated ones first, varied alike."""
    of_simulated = size // 2 if simulated is not None else 0
    parts, surfaces, facts = [], None, None
    if simulated is not None and of_simulated:
        chosen = torch.randint(len(simulated), (of_simulated,), generator=generator)
        parts.append(simulated.batch(chosen))
        surfaces, facts = simulated.surfaces[chosen], simulated.facts[chosen]
    chosen = torch.randint(len(real), (size - of_simulated,), generator=generator)
    parts.append(real.batch(chosen))
    healthy, severe = (torch.cat(pictures) for pictures in zip(*parts, strict=True))
    batch = MorphingBatch(healthy, severe, torch.arange(size) < of_simulated, surfaces, facts, real.joints[chosen])
    return varied(batch, generator)


def radiographs_of_two_grades(folder: Path, split: str, limit: int = 0) -> tuple[GradedRadiographs, GradedRadiographs]:
    """Radiographs of KL-0 and of KL-4 in right-knee space.

    Raises InputError when the split has none of one grade.
    """
    radiographs = load_graded_radiographs(folder, split, right_knee_space=True, limit=limit)
    found = []
    for grade in (HEALTHY, SEVERE):
        chosen = radiographs.grades == grade
        if not chosen.any():
            raise InputError(
                f"The split {split} of {folder.name} has no radiograph of KL-{grade}.",
                code="bad-training-data",
                hint=f"It needs radiographs of KL-{HEALTHY} and of KL-{SEVERE}.",
                field="data",
            )
        found.append(
            GradedRadiographs(radiographs.images[chosen], radiographs.grades[chosen], radiographs.left[chosen])
        )
    return found[0], found[1]


@torch.no_grad()
def measure(
    model: MorphingModel,
    classifier: nn.Module,
    healthy: GradedRadiographs,
    severe: GradedRadiographs,
    device: torch.device,
) -> dict[str, Any]:
    """What becomes of held-out healthy radiographs without a target.

    ``expected_grade`` by the classifier at each of SEVERITIES, ``rising`` (share of radiographs whose grade rises from
    each to the next), ``smallest_determinant``, and the local correlation at the joint with random severe radiographs
    before (``correlation_before``), after (``correlation_prior_code``) and with the pair's own code.
    """
    generator = torch.Generator().manual_seed(1)
    _, temperature = load_classifier()
    grades, determinants, correlations = [], [], []
    numbers = torch.arange(5.0)
    for image in healthy.images[:: max(1, len(healthy) // _MEASURED)][:_MEASURED]:
        one = from_bytes(image[None]).to(device)
        other = from_bytes(severe.images[torch.randint(len(severe), (1,), generator=generator)]).to(device)
        velocity, appearance = model.changes_of(one)
        shown = torch.cat([frame(one, velocity, appearance, severity).clamp(-1, 1) for severity in SEVERITIES])
        grades.append(grade_probabilities(classifier, shown, temperature).cpu() @ numbers)
        determinants.append(float(jacobian_determinant(exponential(velocity)).min()))
        own_velocity, own_appearance = model.changes_of(one, other)
        ends = (one, shown[-1:], frame(one, own_velocity, own_appearance, 1.0))
        target = (model.small(other) + 1) / 2
        correlations.append(
            [float(local_correlation((model.small(end) + 1) / 2, target, weight=model.window)) for end in ends]
        )
    expected = torch.stack(grades)
    before, prior, own = torch.tensor(correlations).mean(dim=0).tolist()
    return {
        "severities": list(SEVERITIES),
        "expected_grade": [round(value, 3) for value in expected.mean(dim=0).tolist()],
        "rising": round(float((expected.diff(dim=1) > 0).all(dim=1).float().mean()), 3),
        "smallest_determinant": round(min(determinants), 3),
        "correlation_before": round(before, 4),
        "correlation_prior_code": round(prior, 4),
        "correlation_own_code": round(own, 4),
    }
