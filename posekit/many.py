"""The same question of many photographs, one after another: poses, maps, and their numbers as rows.

A photograph that cannot be read, or a person of whom the question cannot be asked, is named and
stops nothing. (A module named ``batch`` would hide the function ``posekit.batch``.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.benchmark.cases import Case, Cases, open_cases
from posekit.doubts import doubts_of
from posekit.errors import BoxError, SkeletonError, TraceError
from posekit.estimator import Estimator, Prediction
from posekit.explain.maps import AttentionMap
from posekit.explain.methods import explain, find_method
from posekit.explain.query import resolve
from posekit.report.findings import Findings
from posekit.top_down import TopDown
from posekit.unsure import unsure_people

if TYPE_CHECKING:
    from posekit.explain.numbers import MapNumbers
    from posekit.geometry import Box
    from posekit.zoo import PoseModel

__all__ = [
    "NOBODY",
    "NUMBERS",
    "OK",
    "PHOTOS",
    "POSES",
    "Looked",
    "batch",
    "keypoints_of",
    "left_out",
    "looks",
]

Row = dict[str, Any]


PHOTOS = ("photo", "width", "height", "status", "people", "unsure_people")
"""The columns of ``photos.csv``."""
POSES = ("photo", "person", "keypoint", "x", "y", "score", "doubt", "unsure")
"""The columns of ``poses.csv``."""
NUMBERS = (
    "photo", "person", "asked", "score", "model", "weights", "weights_sha256", "method", "layer",
    "where", "mass_in_box", "mass_in_both", "mass_in_other_boxes", "mass_outside", "entropy_nats",
    "entropy_share", "peak_distance_px", "around_1", "around_1_share", "around_2",
    "around_2_share", "around_3", "around_3_share", "refused",
)  # fmt: skip
"""The columns of ``numbers.csv``."""
OK, NOBODY = "ok", "nobody found"
"""What became of a photograph that was looked at."""


@dataclass(frozen=True, eq=False)
class Looked:
    """One photograph.

    Attributes:
        name: the file's name, as the data set has it.
        prediction: everybody in it.
        findings: of each person, and of each keypoint asked about, the answer; None where there is
            none. All keypoints of the first person come first; empty where nothing was asked.
        refused: in the same order why there is no answer, in a sentence; None where there is one.
        asked: the keypoints.
        method: how they were explained.
        failed: why nobody was looked for in it, in a sentence; the prediction then holds nobody.
    """

    name: str
    prediction: Prediction
    findings: tuple[Findings | None, ...] = ()
    refused: tuple[str | None, ...] = ()
    asked: tuple[str, ...] = ()
    method: str = ""
    failed: str | None = None

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
    def status(self) -> str:
        """:data:`OK`, :data:`NOBODY`, or why nobody was looked for."""
        return self.failed or (OK if self.prediction.people else NOBODY)

    @cached_property
    def unsure(self) -> tuple[int, ...] | None:
        """Whose poses the model is not sure of, see :func:`posekit.unsure.unsure_people`."""
        return unsure_people(self.prediction)

    @property
    def row(self) -> Row:
        """The photograph by :data:`PHOTOS`; width and height are pixels."""
        height, width = self.prediction.photo.size
        return {
            "photo": self.name,
            "width": width,
            "height": height,
            "status": self.status,
            "people": None if self.failed else len(self.prediction.people),
            "unsure_people": None if self.unsure is None or self.failed else len(self.unsure),
        }

    @property
    def poses(self) -> list[Row]:
        """A row for each person and keypoint, by :data:`POSES`.

        People count from 0, x and y are pixels; x, y and score are None where the keypoint was not
        found. ``doubt`` says why a keypoint is doubtful, None where nothing is said against it (see
        :func:`posekit.doubts.doubts_of`). ``unsure`` is ``yes`` or ``no`` of the whole person, None
        where nothing can be said.
        """
        names = self.prediction.skeleton.keypoints
        rows = []
        everybody = zip(self.prediction.people, doubts_of(self.prediction, first=0), strict=True)
        for number, (person, doubts) in enumerate(everybody):
            unsure = None if self.unsure is None else "yes" if number in self.unsure else "no"
            each = zip(names, person.keypoints, person.scores, strict=True)
            for k, (name, (x, y), score) in enumerate(each):
                found = math.isfinite(x)
                rows.append(
                    {
                        "photo": self.name,
                        "person": number,
                        "keypoint": name,
                        "x": round(float(x), 2) if found else None,
                        "y": round(float(y), 2) if found else None,
                        "score": round(float(score), 4) if found else None,
                        "doubt": doubts.get(k),
                        "unsure": unsure,
                    }
                )
        return rows

    @property
    def numbers(self) -> list[Row]:
        """A row for each map, by :data:`NUMBERS`: :class:`posekit.explain.MapNumbers`.

        A method that answers with one map has no layer, a map that holds nothing no numbers. A
        question without an answer has one row, which says why in ``refused``.
        """
        rows: list[Row] = []
        for place, (found, why) in enumerate(zip(self.findings, self.refused, strict=True)):
            number, keypoint = divmod(place, len(self.asked))
            asked = self._asked(number, self.asked[keypoint])
            if found is None:
                rows.append(asked | {"refused": why})
                continue
            for one in found.maps:
                layer = {"layer": one.layer} if isinstance(one, AttentionMap) else {}
                rows.append(asked | layer | _measured(found.numbers(one)))
        return rows

    def _asked(self, number: int, keypoint: str) -> Row:
        """The part of a row that says what was asked; all of :data:`NUMBERS` are in it."""
        person, model = self.prediction.people[number], self.prediction.model
        index = self.prediction.skeleton.index(keypoint)
        weights, found = model.weights, bool(person.found[index])
        return dict.fromkeys(NUMBERS) | {
            "photo": self.name,
            "person": number,
            "asked": keypoint,
            "score": round(float(person.scores[index]), 4) if found else None,
            "model": model.name,
            # A file of one's own is known by its checksum; its path is private.
            "weights": weights.kind,
            "weights_sha256": model.weights_sha256,
            "method": self.method,
        }


def _measured(measured: MapNumbers | None) -> Row:
    """A map's numbers by their columns."""
    if measured is None:
        return {}
    row: Row = {
        "where": measured.where,
        "mass_in_box": round(measured.mass_in_box, 5),
        "mass_in_both": round(measured.mass_in_both, 5),
        "mass_in_other_boxes": round(measured.mass_in_other_boxes, 5),
        "mass_outside": round(measured.mass_outside, 5),
        "entropy_nats": round(measured.entropy_nats, 4),
        "entropy_share": round(measured.entropy_share, 5),
        "peak_distance_px": round(measured.peak_distance_px, 2),
    }
    for n, near in enumerate(measured.around, start=1):
        row |= {f"around_{n}": near.keypoint, f"around_{n}_share": round(near.share, 4)}
    return row


def left_out(cases: Cases) -> list[Row]:
    """Photographs that could not be used, by :data:`PHOTOS`; complete after the last one came."""
    return [
        dict.fromkeys(PHOTOS) | {"photo": name, "status": why}
        for name, why in cases.left_out.items()
    ]


def looks(
    model: PoseModel, cases: Cases, *, record: bool = True
) -> Iterator[tuple[Case, Prediction]]:
    """Every photograph with what the model finds in it.

    Boxes are used where they are known, by models that take boxes; models of whole photos find
    everybody themselves.
    """
    estimator = Estimator(model)
    for case in cases:
        yield case, estimator.predict(case.photo, _boxes(model, case), record=record)


def batch(
    model: PoseModel,
    data: str | Path | Cases,
    keypoint: str | Sequence[str] | None = None,
    *,
    method: str = "attention",
    options: Mapping[str, Any] | None = None,
    people_by: PoseModel | None = None,
    images: str | Path | None = None,
    part: str = "held out",
    limit: int | None = None,
) -> Iterator[Looked]:
    """Look at every photograph, and ask the same about everybody in it.

    Args:
        model: what looks at them, once at each, however many keypoints are asked about.
        data: see :func:`posekit.benchmark.cases.open_cases`; opened by that, its ``problems``
            count and its ``left_out`` names what could not be read.
        keypoint: asked about, such as ``"left wrist"``, or a list of several; ``"all"`` asks about
            every keypoint of the model. None asks nothing, poses are all.
        method: how it is explained, see :func:`posekit.explain.list_methods`.
        options: of the method.
        people_by: a model of whole photos that finds the people for a model of crops, in place of
            boxes that the data may have; see :class:`posekit.top_down.TopDown`.
        images: photographs of a ``.json`` file that lie elsewhere.
        part: of an LSP-style folder.
        limit: only the first so many photographs.

    Yields:
        A :class:`Looked` a photograph, as soon as it is done.

    Raises:
        DataError: there is no such data.
        ModelError: ``people_by`` finds nobody, or the model finds people by itself.
        SkeletonError: the model has no such keypoint.
        TraceError: no such method.
    """
    # All that is wrong with the question is said before the first photograph, not after the last.
    asked, cases = keypoints_of(model, keypoint), data
    if asked:
        find_method(method)
    finder = None if people_by is None else TopDown(model, people_by)
    estimator = Estimator(model)
    if isinstance(cases, str | Path):
        cases = open_cases(cases, images=images, part=part, limit=limit)
    for case in cases:
        name = case.photo.name
        try:
            if finder is not None:
                prediction = finder.predict(case.photo, record=bool(asked))
            else:
                boxes = _boxes(model, case)
                prediction = estimator.predict(case.photo, boxes, record=bool(asked))
        except BoxError as error:
            nobody = Prediction(case.photo, model, (), None, {})
            yield Looked(name, nobody, failed=str(error))
            continue
        findings: list[Findings | None] = []
        refused: list[str | None] = []
        for person in range(len(prediction.people)):
            for word in asked:
                found = _answer(prediction, word, person, method, options or {})
                findings.append(None if isinstance(found, str) else found)
                refused.append(found if isinstance(found, str) else None)
        by = method if asked else ""
        yield Looked(name, prediction, tuple(findings), tuple(refused), asked, by)


def keypoints_of(model: PoseModel, keypoint: str | Sequence[str] | None) -> tuple[str, ...]:
    """The keypoints that are meant, as the model's skeleton names them, each once.

    Args:
        model: what is asked.
        keypoint: see :func:`batch`.

    Raises:
        SkeletonError: the model has no such keypoint, or none at all.
    """
    skeleton = model.entry.skeleton
    words = [] if keypoint is None else [keypoint] if isinstance(keypoint, str) else keypoint
    if words and not skeleton.size:
        raise SkeletonError(f"{model.entry.title} predicts no keypoints to ask about.")
    if "all" in words:
        return skeleton.keypoints
    return tuple(dict.fromkeys(skeleton.keypoints[skeleton.index(word)] for word in words))


def _answer(
    prediction: Prediction, keypoint: str, person: int, method: str, options: Mapping[str, Any]
) -> Findings | str:
    """The answer, or why there is none."""
    try:
        query = resolve(prediction, keypoint, person)
        found = explain(prediction, query, method=method, person=person, **options)
    except TraceError as error:
        return str(error)
    return Findings(found, prediction, query, None, method, dict(options))


def _boxes(model: PoseModel, case: Case) -> list[Box] | None:
    """The boxes that are known, for a model that takes boxes."""
    boxes = [subject.box for subject in case.people if subject.boxed]
    return boxes if boxes and model.entry.find is None else None
