"""How a model comes to its maps, for whoever opens the help of Explore."""

from __future__ import annotations

from posekit.estimator import Prediction

__all__ = ["reading_words"]

ATTENDS = (
    ", divides {it} into a grid of cells, and lets every cell look at every other one, layer after"
    " layer. Point at a spot: its cell is the question, the glow is the answer."
)
ABOUT_KEYPOINTS = (
    "; no place in it looks at another. Choose a keypoint: the glow shows, step by step, what the"
    " model found it by."
)


def reading_words(prediction: Prediction) -> str:
    """What this model does with a photo, and what the glow then is; by its view and its maps."""
    crop = prediction.model.entry.view != "photo"
    taken = "cuts the person out" if crop else "takes the whole photo and finds the people in it"
    trace = prediction.trace
    if trace is not None and trace.spatial:
        return f"The model {taken}{ATTENDS.format(it='the cut-out' if crop else 'the photo')}"
    return f"The model {taken}{ABOUT_KEYPOINTS}"
