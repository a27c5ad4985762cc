"""``posekit evaluate --metric instance``: people from attention, on photos with known masks."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.cli.evaluate_beside import data_values, figures_table, named_file
from posekit.cli.output import remark, show

if TYPE_CHECKING:
    from posekit.data.problems import Problems
    from posekit.evaluation.instance import InstanceScore
    from posekit.evaluation.instance_sets import CrowdTruth
    from posekit.zoo import PoseModel

__all__ = ["COUNT", "evaluate_instances"]

COUNT = 12
"""Photos of each overlap."""


def evaluate_instances(
    model: PoseModel,
    data: Path,
    *,
    images: Path | None,
    part: str,
    limit: int | None,
    count: int,
    beside: Sequence[str],
    device: str,
    card: bool,
    as_json: bool,
) -> None:
    """Measure, print, and write the card."""
    from posekit.data.problems import Problems
    from posekit.training.export import add_measurement

    others = dict(named_file(one) for one in beside)
    problems = Problems()
    coco = data.suffix.lower() == ".json"
    scores: dict[str, dict[str, InstanceScore]] = {}
    for name, photos in _sets(model, data, images, part, limit, count, problems).items():
        scores[name] = _measured(model, photos, others, device)
    if problems:
        remark(problems.summary())
    result: dict[str, Any] = {}
    lines: list[str] = []
    for name, by_weights in scores.items():
        score = by_weights[""]
        compared = {title: one.figures for title, one in by_weights.items() if title}
        if card and model.weights.local is not None:
            source = shlex.quote(data.name) if coco else "LSPET"
            command = f"posekit evaluate {model.name} --data {source} --metric instance"
            command += "" if coco or count == COUNT else f" --count {count}"
            command += " --card" + "".join(
                f" --beside {shlex.quote(f'{name}={Path(file).name}')}"
                for name, file in (named_file(one) for one in beside)
            )
            more: dict[str, Any] = {"beside": compared} if compared else {}
            add_measurement(model.weights.local, name, score, command, **more)
        result[name] = {
            "figures": score.figures, "details": score.details, "beside": compared
        }  # fmt: skip
        lines.append(f"{name}: {score.people} people in {score.photos} photos")
        lines.append(figures_table({model.weights.kind: score.figures, **compared}))
        lines += [
            f"  {group}: {_line(figures)}" for group, figures in score.groups.items() if group
        ]
        alone = ", ".join(
            f"{view} {value:.1f} ms" for view, value in score.grouping_milliseconds.items()
        )
        lines.append(f"  {score.milliseconds:.0f} ms a photo; grouping alone: {alone}")
    about = {**model.origin, "metric": "instance", **data_values(data, part)}
    show(about | result | {"problems": problems.as_dict()}, "\n".join(lines), as_json=as_json)


def _sets(
    model: PoseModel,
    data: Path,
    images: Path | None,
    part: str,
    limit: int | None,
    count: int,
    problems: Problems,
) -> dict[str, Iterable[CrowdTruth]]:
    """Photos by the name of what they are."""
    from posekit.evaluation.instance_sets import true_composites, true_masks, true_scenes

    skeleton = model.entry.skeleton
    if data.suffix.lower() == ".json":
        photos = list(true_masks(data, skeleton, images, limit, problems))
        count = len(photos)
        name = f"{data.stem}, {count} photograph{'s' if count != 1 else ''} kept out of training"
        return {name: photos}
    words = {"held out": "kept out of training", "validation": "of validation", "train": "learnt"}
    people = f"{data.resolve().name.upper()} people {words.get(part, part)}"
    return {
        f"composites of two {people}": true_composites(data, skeleton, count, part, problems),
        "rendered scenes of two people": true_scenes(skeleton, count),
    }


def _measured(
    model: PoseModel, photos: Iterable[CrowdTruth], others: Mapping[str, str], device: str
) -> dict[str, InstanceScore]:
    """Scores of the model, under the name "", and of other weights, on the same photos."""
    from tqdm import tqdm

    from posekit.evaluation.instance import evaluate_instance
    from posekit.zoo import load

    read = list(tqdm(photos, unit="photo", disable=None, desc="photos"))
    bar = {"unit": "photo", "disable": None}
    scores = {"": evaluate_instance(model, tqdm(read, **bar))}
    for title, file in others.items():
        other = load(model.name, weights=file, device=device)
        scores[title] = evaluate_instance(other, tqdm(read, desc=title, **bar))
    return scores


def _line(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in figures.items())
