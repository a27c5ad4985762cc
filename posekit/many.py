"""The same question of many photographs, one after another: poses, maps, and their numbers as rows.

A photograph that cannot be read, or a person of whom the question cannot be asked, is named and
stops nothing. (A module named ``batch`` would hide the function ``posekit.batch``.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.benchmark.cases import Case, Cases, open_cases
from posekit.errors import TraceError
from posekit.estimator import Estimator
from posekit.explain.maps import AttentionMap
from posekit.explain.methods import explain
from posekit.explain.query import resolve
from posekit.report.findings import Findings

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.zoo import PoseModel

__all__ = ["Looked", "batch", "looks"]

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Looked:
    """One photograph.

    Attributes:
        name: of its own within the data set: the file's name, or the image's id.
        prediction: everybody in it.
        findings: of each person the answer to the question; None where there was no question, or
            none that could be answered.
        refused: of each person why not, in a sentence; None where there is an answer.
    """

    name: str
    prediction: Prediction
    findings: tuple[Findings | None, ...] = ()
    refused: tuple[str | None, ...] = ()

    def __repr__(self) -> str:
        count = len(self.prediction.people)
        words = [repr(self.name), "1 person" if count == 1 else f"{count} people"]
        if self.findings:
            answered = [found for found in self.findings if found is not None]
            words.append(
                f"{len(answered)} answered" + (f": {answered[0].title}" if answered else "")
            )
        return f"Looked({', '.join(words)})"

    @property
    def poses(self) -> list[Row]:
        """A row for each keypoint that was found; people count from 0, x and y are pixels."""
        names = self.prediction.skeleton.keypoints
        return [
            {
                "photo": self.name,
                "person": number,
                "keypoint": name,
                "x": round(float(x), 2),
                "y": round(float(y), 2),
                "score": round(float(score), 4),
            }
            for number, person in enumerate(self.prediction.people)
            for name, (x, y), score in zip(names, person.keypoints, person.scores, strict=True)
            if math.isfinite(x)
        ]

    @property
    def numbers(self) -> list[Row]:
        """A row for each person's map: what was asked, and :class:`posekit.explain.MapNumbers`.

        A method that answers with one map has an empty layer, a map that holds nothing no numbers.
        """
        rows = []
        for found in self.findings:
            if found is None:
                continue
            asked, person = found.asked, self.prediction.people[found.asked.person]
            score = None if asked.keypoint is None else person.scores[asked.keypoint]
            for one in found.maps:
                row: Row = {
                    "photo": self.name,
                    "person": asked.person,
                    "asked": asked.label,
                    "score": None if score is None else round(float(score), 4),
                    "method": found.method.name,
                    "layer": one.layer if isinstance(one, AttentionMap) else "",
                }
                if (measured := found.numbers(one)) is not None:
                    row |= {
                        "mass_in_box": round(measured.mass_in_box, 5),
                        "mass_in_other_boxes": round(measured.mass_in_other_boxes, 5),
                        "entropy_nats": round(measured.entropy_nats, 4),
                        "entropy_share": round(measured.entropy_share, 5),
                        "peak_distance_px": round(measured.peak_distance_px, 2),
                        **{
                            f"around_{n}": f"{near.keypoint} {near.share:.4f}"
                            for n, near in enumerate(measured.around, start=1)
                        },
                    }
                rows.append(row)
        return rows


def looks(
    model: PoseModel, cases: Cases, *, record: bool = True
) -> Iterator[tuple[Case, Prediction]]:
    """Every photograph with what the model finds in it.

    Boxes are used where they are known, by models that take boxes; models of whole photos find
    everybody themselves.
    """
    estimator, finds = Estimator(model), model.entry.find is not None
    for case in cases:
        boxes = [subject.box for subject in case.people if subject.boxed]
        yield (
            case,
            estimator.predict(case.photo, None if finds or not boxes else boxes, record=record),
        )


def batch(
    model: PoseModel,
    data: str | Path | Cases,
    keypoint: str | None = None,
    *,
    method: str = "attention",
    options: Mapping[str, Any] | None = None,
    images: str | Path | None = None,
    part: str = "held out",
    limit: int | None = None,
) -> Iterator[Looked]:
    """Look at every photograph, and ask the same about everybody in it.

    Args:
        model: what looks at them.
        data: see :func:`posekit.benchmark.cases.open_cases`; its ``problems`` count what could not
            be read.
        keypoint: asked about, such as ``"left wrist"``; None asks nothing, poses are all.
        method: how it is explained, see :func:`posekit.explain.list_methods`.
        options: of the method.
        images: photographs of a ``.json`` file that lie elsewhere.
        part: of an LSP-style folder.
        limit: only the first so many photographs.

    Yields:
        A :class:`Looked` a photograph, as soon as it is done.

    Raises:
        DataError: there is no such data.
        SkeletonError: the model has no such keypoint.
        TraceError: no such method.
    """
    if keypoint is not None:
        model.entry.skeleton.index(keypoint)  # before the first photograph, not after the last
    cases = data
    if isinstance(cases, str | Path):
        cases = open_cases(cases, images=images, part=part, limit=limit)
    for case, prediction in looks(model, cases, record=keypoint is not None):
        if keypoint is None:
            yield Looked(case.name, prediction)
            continue
        findings: list[Findings | None] = []
        refused: list[str | None] = []
        for person in range(len(prediction.people)):
            try:
                query = resolve(prediction, keypoint, person)
                found = explain(prediction, query, method=method, person=person, **(options or {}))
            except TraceError as error:
                findings.append(None)
                refused.append(str(error))
                continue
            findings.append(Findings(found, prediction, query, None, method, dict(options or {})))
            refused.append(None)
        yield Looked(case.name, prediction, tuple(findings), tuple(refused))
