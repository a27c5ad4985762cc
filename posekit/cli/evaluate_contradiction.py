"""``posekit evaluate --metric contradiction``: the OpenPose line on crowds, weights by weights."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.cli.evaluate_beside import data_values, figures_table, named_file
from posekit.cli.output import remark, show

if TYPE_CHECKING:
    from posekit.data.crowd_canvas import CrowdCanvases
    from posekit.evaluation.doubt import DoubtScore, Judged
    from posekit.zoo import PoseModel

__all__ = ["CROWDS", "evaluate_contradiction"]

CROWDS = 200
"""Composites that are measured on."""


@dataclass(frozen=True)
class _Figures:
    """A measurement for a model card."""

    figures: Mapping[str, float]
    details: Mapping[str, Any]


def evaluate_contradiction(
    model: PoseModel,
    data: Path,
    *,
    part: str,
    side: int | None,
    beside: Sequence[str],
    card: bool,
    as_json: bool,
) -> None:
    """Measure composites of people kept out of training, print, and write the card.

    Raises:
        ModelError: the model is not of the OpenPose line.
        DataError: the data set is not of LSP's kind.
    """
    from posekit.checkpoint import load_into, read_state_dict
    from posekit.data.problems import Problems
    from posekit.errors import DataError, ModelError
    from posekit.models.ssa import SSANet
    from posekit.training.crowds import read_measured_crowds
    from posekit.training.export import add_measurement

    if not isinstance(model.module, SSANet):
        raise ModelError(f"{model.entry.title} has no votes and fields that could contradict.")
    if data.suffix.lower() == ".json":
        raise DataError(
            "Contradiction is measured on composites, made of a folder with joints.npz."
        )
    problems = Problems()
    photos = read_measured_crowds(data, model.entry.skeleton, part, CROWDS, problems)
    if problems:
        remark(problems.summary())
    size = model.entry.input_size if side is None else (side, side)
    own: str = model.weights.kind
    figures, details = _measured(model, model.module, photos, size)
    rows = {own: figures}
    for title, file in (named_file(one) for one in beside):
        weights = read_state_dict(file)
        network = SSANet.for_weights(model.module.config, weights)
        load_into(network, weights, name=f"{model.entry.title} ({title})")
        rows[title], _ = _measured(model, network.to(model.device).eval(), photos, size)
    name = f"{len(photos)} composites of LSPET people kept out of training, {size[1]} x {size[0]}"
    if part != "held out":
        name = f"{len(photos)} composites of {part} people, {size[1]} x {size[0]}"
    compared = {title: figures for title, figures in rows.items() if title != own}
    if card and model.weights.local is not None:
        command = f"posekit evaluate {model.name} --data LSPET --metric contradiction"
        command += "" if side is None else f" --side {side}"
        command += " --card" + "".join(
            f" --beside {shlex.quote(f'{title}={Path(file).name}')}"
            for title, file in (named_file(one) for one in beside)
        )
        score = _Figures(rows[own], {"photographs": len(photos), "doubt": details})
        more: dict[str, Any] = {"beside": compared} if compared else {}
        add_measurement(model.weights.local, name, score, command, **more)
    result = {
        **model.origin,
        "metric": "contradiction",
        **data_values(data, part),
        name: rows[own],
        "doubt": details,
        "beside": compared,
        "problems": problems.as_dict(),
    }
    show(result, f"{name}\n{figures_table(rows)}", as_json=as_json)


def _measured(
    model: PoseModel, network: Any, photos: CrowdCanvases, size: tuple[int, int]
) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures, and what the card keeps beside them."""
    import torch

    from posekit.training.ssa import measured

    with torch.inference_mode():
        score = measured(network, model.entry, photos, size)
    found = {score.name: score.value, **score.figures}
    doubts = _doubts(model, network, photos, size)
    return (
        {name: round(value, 4) for name, value in found.items()} | doubts.figures,
        doubts.details,
    )


def _doubts(
    model: PoseModel, network: Any, photos: CrowdCanvases, size: tuple[int, int]
) -> DoubtScore:
    """Whether contradictions are at the wrong keypoints, as the page tells of them."""
    from posekit.data.crowd import Kind
    from posekit.data.labelled import MASK_SHARE
    from posekit.estimator import Estimator
    from posekit.evaluation.doubt import doubt_score, judged
    from posekit.evaluation.oks import PersonTruth
    from posekit.geometry import Box
    from posekit.photo import Photo

    skeleton = model.entry.skeleton
    sees = Estimator(replace(model, module=network, entry=replace(model.entry, input_size=size)))
    found: list[Judged] = []
    # Where not everybody is labelled, a keypoint away from all labels may be right.
    chosen = photos.complete if bool(photos.complete.any()) else ~photos.complete
    for n in chosen.nonzero()[:, 0].tolist():
        height, width = photos.sizes[n].tolist()
        pixels = photos.images[n, :, :height, :width].permute(1, 2, 0).contiguous().numpy()
        truth = []
        for who in (photos.kinds[n] != Kind.NOBODY).nonzero()[:, 0].tolist():
            outline = photos.outlines[n, who].double().numpy()
            box = Box.from_edges(*outline.min(0).tolist(), *outline.max(0).tolist())
            points = photos.keypoints[n, who].double().numpy()
            labelled = photos.visibility[n, who].numpy() > 0
            ignore = int(photos.kinds[n, who]) == Kind.IGNORE
            area = MASK_SHARE * box.area
            truth.append(PersonTruth(points, labelled, box, area, ignore=ignore))
        found += judged(sees.predict(Photo(pixels)), truth, skeleton)
    return doubt_score(found)
