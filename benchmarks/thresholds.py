"""What the scripts that choose thresholds for the weights that ship have in common."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from posekit.data.labelled import LabelledPhoto
from posekit.data.lsp import read_lsp
from posekit.evaluation.sets import FoundSet, SetScore, TrueSet
from posekit.photo import Photo
from posekit.skeleton import Skeleton
from posekit.zoo import PoseModel, load

__all__ = ["f1", "kept", "measured_model", "photographs"]


def measured_model(
    doc: str | None, model: str, count: int, unit: str = "composites"
) -> tuple[PoseModel, Path, int]:
    """The model, the data set and how many photos, from the command line."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("data", type=Path, help="a folder with joints.npz and images*.tar")
    parser.add_argument("--model", default=model)
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--count", type=int, default=count, help=unit)
    chosen = parser.parse_args()
    return load(chosen.model, weights=chosen.weights, device="cpu"), chosen.data, chosen.count


def photographs(data: Path, skeleton: Skeleton, count: int) -> Iterator[tuple[Photo, TrueSet]]:
    """Athletes alone, as they were photographed."""
    for person in read_lsp(data, "validation", count):
        yield (
            person.photo,
            TrueSet.of(LabelledPhoto(person.photo, (person,), person.skeleton), skeleton),
        )


def kept(found: FoundSet, those: npt.NDArray[np.bool_]) -> FoundSet:
    """Some of the people found."""
    return replace(
        found,
        boxes=found.boxes[those],
        keypoints=found.keypoints[those],
        scores=found.scores[those],
    )


def f1(score: SetScore) -> float:
    """The harmonic mean of recall and precision, per cent."""
    return 2 * score.recall * score.precision / max(1e-9, score.recall + score.precision)
