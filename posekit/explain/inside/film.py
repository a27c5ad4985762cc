"""The way from the whole photo to a person: what a model that refines said at every stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from posekit.explain.query import check_person

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.named import NamedTensor

__all__ = ["Frame", "film_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """One stage of a person's way.

    Attributes:
        stage: from 0, where nothing was refined yet.
        box: outer edges (left, top, right, bottom) in photo pixels, None where it has none.
        score: how sure the model was of a person, 0 to 1; None where it said nothing.
        keypoints: (K, 2) in photo pixels, None before the first pose.
        sigmas: (K, 2), how far off along x and y it expected each keypoint to be, photo pixels.
    """

    stage: int
    box: tuple[float, float, float, float] | None
    score: float | None
    keypoints: Floats | None
    sigmas: Floats | None


def film_of(prediction: Prediction, person: int = 0) -> tuple[Frame, ...]:
    """All stages of one person, the first first; none for a model that does not refine boxes.

    Raises:
        TraceError: there is no such person.
    """
    someone = prediction.people[check_person(prediction, person)]
    trace, place = prediction.trace, someone.instance
    if trace is None or trace.instances is None or place is None:
        return ()
    image, token = trace.instances.places[place]
    to_photo = someone.crop.to_photo
    scale = abs(np.diag(to_photo.matrix[:, :2]))

    def values(record: NamedTensor) -> Floats:
        at = record.values[place] if record.per == "instance" else record.values[image, token]
        return np.asarray(at.float().cpu().numpy(), dtype=np.float64)

    stages: dict[int, dict[str, Floats]] = {}
    for record in trace.tensors.values():
        if record.kind in ("box", "score", "keypoint", "sigma"):
            stage = int(record.name.rpartition(".")[2])
            stages.setdefault(stage, {})[record.kind] = values(record)
    frames = []
    for stage, said in sorted(stages.items()):
        box = said.get("box")
        edges = None if box is None else to_photo.apply(box.reshape(2, 2)).ravel()
        points, sigma = said.get("keypoint"), said.get("sigma")
        frames.append(
            Frame(
                stage,
                None if edges is None else tuple(float(edge) for edge in edges),  # type: ignore[arg-type]
                float(said["score"]) if "score" in said else None,
                None if points is None else to_photo.apply(points),
                None if sigma is None else sigma * scale,
            )
        )
    return tuple(frames)
