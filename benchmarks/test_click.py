"""What a visitor waits for: a click on an analysed photo, and what recording adds to analysing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import matplotlib.cbook
import pytest

from benchmarks.compare import compare
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain, head_grid, numbers, snap
from posekit.geometry import Box
from posekit.occlusion import Rectangle, Study, best_masks, study
from posekit.photo import read_photo
from posekit.zoo import load

MODELS = ["transpose-r-a3", "transpose-h-a4"]
POINT = (250.0, 220.0)
Direction = Literal["row", "column"]


@pytest.fixture(scope="module", params=MODELS)
def analysed(request: pytest.FixtureRequest) -> Prediction:
    """A portrait analysed by the full-sized network; random weights cost what trained ones do."""
    photo = read_photo(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return Estimator(load(request.param, weights="random", device="cpu")).predict(photo)


def click(prediction: Prediction, direction: Direction = "row") -> list[object]:
    """Snap, every layer's map, every head of the last layer, every map's numbers."""
    query = snap(prediction, POINT)
    answer = explain(prediction, query, direction=direction)
    heads = head_grid(prediction, query, -1, direction=direction)
    return [*(numbers(one, prediction) for one in answer.maps), *heads]


@pytest.mark.parametrize("direction", ["row", "column"])
def test_click(
    benchmark: Callable[..., object], analysed: Prediction, direction: Direction
) -> None:
    """End to end without a picture, against running the network again."""
    estimator = Estimator(analysed.model)
    compare(
        f"{analysed.model.entry.title}: click ({direction})",
        lambda: click(analysed, direction),
        "analyse again",
        lambda: click(estimator.predict(analysed.photo), direction),
        rounds=5,
    )
    benchmark(click, analysed, direction)


def test_occlusion_click(benchmark: Callable[..., object], analysed: Prediction) -> None:
    """Another keypoint behind the same occluder, against running the network behind it again."""
    photo, masks = analysed.photo, best_masks(analysed)
    occluder = Rectangle(Box(photo.width / 3, photo.height / 3, 80, 60))

    def ask(after: Prediction | None) -> Study:
        return study(
            analysed.model, photo, occluder, keypoint=POINT, masks=masks, before=analysed,
            after=after,
        )  # fmt: skip

    known = ask(None).after.prediction
    compare(
        f"{analysed.model.entry.title}: click behind an occluder",
        lambda: ask(known),
        "look again",
        lambda: ask(None),
        rounds=5,
    )
    benchmark(ask, known)


def test_large_view(benchmark: Callable[..., object], analysed: Prediction) -> None:
    """A click and the last layer's map at photo resolution, against every layer's map."""
    answer = explain(analysed, POINT)
    compare(
        f"{analysed.model.entry.title}: one map on the photo",
        lambda: answer.maps[-1].on_photo(),
        "all layers' maps",
        lambda: [one.on_photo() for one in answer.maps],
        memory=False,
    )
    benchmark(answer.maps[-1].on_photo)


def test_recording(benchmark: Callable[..., object], analysed: Prediction) -> None:
    """Analysing with the trace kept, against without it."""
    estimator = Estimator(analysed.model)
    compare(
        f"{analysed.model.entry.title}: analyse, recording on",
        lambda: estimator.predict(analysed.photo, record=True),
        "recording off",
        lambda: estimator.predict(analysed.photo, record=False),
        rounds=7,
    )
    benchmark.pedantic(  # type: ignore[attr-defined]
        estimator.predict, (analysed.photo,), {"record": True}, rounds=3
    )
