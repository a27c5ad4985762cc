"""Top-down without given boxes: one model finds the people, another looks at each of them."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from posekit.cards import read_card
from posekit.errors import BoxError, ModelError
from posekit.estimator import Estimator, Prediction
from posekit.geometry import Box
from posekit.people import MAX_BOXES
from posekit.photo import Photo
from posekit.zoo import ModelEntry, PoseModel, choose_weights, entry, list_models

__all__ = ["TopDown", "boxes_by", "crowd_words", "finders", "nobody_words"]

RECALL = "person recall"
SMALL = 0.4
"""In a crop of the whole photo a person is coarse whose box has a smaller share of its area."""


class TopDown:
    """A model of crops whose boxes come from a model that finds people in whole photos.

    Args:
        model: looks at crops (``posekit.load``).
        finder: finds people: QueryPose, for instance.
        flip_test: of ``model``, see :class:`posekit.Estimator`.
        least: people of whom the finder is less sure are left out, from 0 to 1.

    Raises:
        ModelError: the model finds people by itself, or the finder does not.
    """

    def __init__(
        self, model: PoseModel, finder: PoseModel, *, flip_test: bool = False, least: float = 0.0
    ) -> None:
        if model.entry.find is not None:
            raise ModelError(
                f"{model.entry.title} finds people by itself and needs no other model for it."
            )
        _check_finder(finder)
        self.least = least
        self._estimator = Estimator(model, flip_test=flip_test)
        self._finder = Estimator(finder)

    def predict(self, photo: Photo, *, record: bool = True) -> Prediction:
        """Find the people, then the keypoints of each.

        Args:
            photo: see :func:`posekit.read_photo`.
            record: keep the trace of the model of crops.

        Returns:
            What the model of crops saw in the boxes found, the 32 surest at most and nobody where
            nobody was found. A person's ``score`` is the finder's times the mean confidence of the
            keypoints, and ``seconds`` has the finder's time as ``"find"``.
        """
        started = time.perf_counter()
        found = self._finder.predict(photo, record=False).people
        sure = [person for person in found if (person.score or 0.0) >= self.least][:MAX_BOXES]
        ended = time.perf_counter()
        seen = self._estimator.predict(photo, [person.box for person in sure], record=record)
        people = tuple(
            replace(person, score=(at.score or 0.0) * float(np.mean(person.scores)))
            for person, at in zip(seen.people, sure, strict=True)
        )
        seconds = seen.seconds | {"find": ended - started}
        seconds["total"] += ended - started
        return replace(seen, people=people, seconds=seconds)


def boxes_by(finder: PoseModel, photo: Photo) -> list[Box]:
    """Boxes around the people that a model of whole photos finds, the surest first.

    Args:
        finder: such as ``posekit.load(finders()[0])``.
        photo: see :func:`posekit.read_photo`.

    Returns:
        32 boxes at most, in pixels of the photo.

    Raises:
        ModelError: the model finds nobody by itself.
        BoxError: it found nobody in this photo.
    """
    _check_finder(finder)
    people = Estimator(finder).predict(photo, record=False).people
    if not people:
        raise BoxError(nobody_words(finder.entry))
    return [person.box for person in people[:MAX_BOXES]]


def nobody_words(*finders: ModelEntry) -> str:
    """What is said where the models that should find the people find none."""
    who = " and ".join(one.title for one in finders)
    return f"{who} found nobody in this photo: draw a box around each person."


def _check_finder(finder: PoseModel) -> None:
    if finder.entry.find is None:
        raise ModelError(
            f"{finder.entry.title} is given a box for each person and finds nobody by itself."
        )


def finders() -> list[str]:
    """The trained models of whole photos, by their cards the one first that misses fewest people.

    Where several data sets are in a card, the one with most photographs counts, which the cards of
    models measured by ``posekit evaluate`` share.
    """
    found: list[tuple[float, str]] = []
    for name in list_models(view="photo"):
        weights = choose_weights(entry(name))
        if weights.kind == "random":
            continue
        card = read_card(weights)
        photographs = {
            data: measured.get(RECALL, {}).get("photographs", 0)
            for data, measured in card.get("measured_details", {}).items()
        }
        most = max(photographs, key=lambda data: photographs[data], default=None)
        recall = card.get("measured", {}).get(most, {}).get(RECALL, 0.0)
        found.append((float(recall), name))
    return [name for _, name in sorted(found, reverse=True)]


def crowd_words(found: Prediction, asked: ModelEntry) -> str | None:
    """Why a model of crops should not take the whole photo for one person; None where it may.

    Args:
        found: the people that a model of whole photos found in it.
        asked: the model of crops.
    """
    finder, people = found.model.entry.title, [one for one in found.people if one.found.any()]
    if len(people) > 1:
        return (
            f"{finder} finds {len(people)} people here, and {asked.title} takes the whole photo "
            "for one: choose Find people, or draw a box around each."
        )
    height, width = found.photo.size
    if len(people) == 1 and people[0].box.area < SMALL * height * width:
        return (
            f"{finder} finds one person in a part of this photo, and {asked.title} takes the whole "
            "of it: choose Find people, or draw a box, for a closer look."
        )
    return None
