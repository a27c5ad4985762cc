"""Several models on one photo, looking at the same people."""

from __future__ import annotations

from collections.abc import Sequence

from posekit.estimator import Estimator, Prediction
from posekit.geometry import Box
from posekit.people import whole_photo_box
from posekit.photo import Photo
from posekit.zoo import PoseModel

__all__ = ["predict_alike"]


def predict_alike(
    models: Sequence[PoseModel], photo: Photo, boxes: Sequence[Box] | None = None
) -> list[Prediction]:
    """Run every model on a photo so that their n-th people are the same person.

    Args:
        models: of crops, of whole photos, or both.
        photo: see :func:`posekit.read_photo`.
        boxes: around one person each. None: where all models look at crops, the whole photo is one
            person; else the first model that finds people by itself says where they are, and the
            whole photo is one person where it finds nobody.

    Returns:
        One prediction a model, in order.
    """
    estimators = [Estimator(model) for model in models]
    made: dict[int, Prediction] = {}
    finder = next((n for n, model in enumerate(models) if model.entry.find is not None), None)
    if boxes is None and finder is not None:
        made[finder] = estimators[finder].predict(photo)
        boxes = [person.box for person in made[finder].people]
        if not boxes:
            boxes = [whole_photo_box(photo)]
            del made[finder]  # so that it has a person in it too, of whom nothing was found
    return [
        made[n] if n in made else estimator.predict(photo, boxes)
        for n, estimator in enumerate(estimators)
    ]
