"""``posekit predict`` and ``posekit explain``."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.options import (
    DEFAULT_MODEL,
    BoxOption,
    DeviceOption,
    FlipOption,
    JsonOption,
    ModelOption,
    PhotoArgument,
    WeightsOption,
    check_out,
    find_people,
    read_numbers,
)
from posekit.cli.output import show, table
from posekit.errors import PoseKitError

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.explain.attention import Explanation


class Direction(StrEnum):
    """Which way to read the attention."""

    row = "row"
    column = "column"


def predict(
    photo: PhotoArgument,
    model: ModelOption = DEFAULT_MODEL,
    box: BoxOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The photo with the pose: .png.")
    ] = None,
    weights: WeightsOption = "auto",
    flip_test: FlipOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find the keypoints of the people in a photo."""
    check_out(out, ".png")
    prediction = find_people(photo, model, weights, box, device, flip_test=flip_test, record=False)
    if out is not None:
        from posekit.draw import draw_skeleton, save_png

        pixels = prediction.photo.pixels
        drawn = draw_skeleton(pixels, prediction.people, prediction.skeleton)
        try:
            save_png(drawn, out)
        except OSError as error:
            raise _unwritable(out, error) from error
    result = _people(prediction)
    rows = [
        [str(n), k["name"], f"{k['x']:.1f}", f"{k['y']:.1f}", f"{k['score']:.2f}"]
        for n, person in enumerate(result["people"])
        for k in person["keypoints"]
    ]
    show(result, table(["PERSON", "KEYPOINT", "X", "Y", "SCORE"], rows), as_json=as_json)


def explain(
    photo: PhotoArgument,
    model: ModelOption = DEFAULT_MODEL,
    keypoint: Annotated[
        str | None, typer.Option("--keypoint", "-k", help='Such as "left wrist".')
    ] = None,
    point: Annotated[
        str | None, typer.Option("--point", metavar="X,Y", help="Any spot, in pixels of the photo.")
    ] = None,
    box: BoxOption = None,
    person: Annotated[
        int | None, typer.Option("--person", help="Which of the boxes, counted from 0.")
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", help="Such as encoder.3; repeat it for more. Default: all."),
    ] = None,
    head: Annotated[
        int | None, typer.Option("--head", help="One head, counted from 0. Default: their mean.")
    ] = None,
    direction: Annotated[
        Direction,
        typer.Option("--direction", help="row: what it looks at; column: what looks at it."),
    ] = Direction.row,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A picture (.png) or the raw maps (.npz)."),
    ] = None,
    weights: WeightsOption = "auto",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Show what the model looked at for a keypoint or any other spot, layer by layer."""
    from posekit.explain.attention import explain as explain_query

    if (keypoint is None) == (point is None):
        raise typer.BadParameter('name one of --keypoint "left wrist" and --point X,Y.')
    query = keypoint if point is None else read_numbers(point, 2, "a point X,Y in pixels")
    assert query is not None
    check_out(out, ".png", ".npz")
    prediction = find_people(photo, model, weights, box, device, flip_test=False, record=True)
    explanation = explain_query(
        prediction, query, person=person, direction=direction.value, head=head, layers=layer or None
    )
    if out is not None:
        _write(explanation, out)
    result = _layers(explanation)
    rows = [
        [
            one["layer"],
            f"{one['mass_in_box']:.1%}",
            f"{one['entropy_nats']:.2f} nats ({one['entropy_share']:.0%} of uniform)",
            f"{one['peak_distance_px']:.0f} px away",
        ]
        for one in result["layers"]
    ]
    title = explanation.title
    text = table(["LAYER", "IN THE BOX", "ENTROPY", "PEAK"], rows)
    show(result, f"{title[0].upper()}{title[1:]}:\n{text}", as_json=as_json)


def _write(explanation: Explanation, out: Path) -> None:
    from posekit.draw import draw_explanation, save_npz, save_png

    try:
        if out.suffix.lower() == ".npz":
            save_npz(explanation, out)
        else:
            save_png(draw_explanation(explanation), out, explanation=explanation)
    except OSError as error:
        raise _unwritable(out, error) from error


def _unwritable(out: Path, error: OSError) -> PoseKitError:
    return PoseKitError(f"{str(out)!r} cannot be written: {error.strerror}.")


def _people(prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain values; coordinates in pixels of the photo."""
    names = prediction.skeleton.keypoints
    return {
        "model": prediction.model.name,
        "weights": prediction.model.weights.kind,
        "trained": prediction.model.trained,
        "photo_size": list(prediction.photo.size),
        "people": [
            {
                "box": [person.box.x, person.box.y, person.box.width, person.box.height],
                "keypoints": [
                    {"name": name, "x": float(x), "y": float(y), "score": float(score)}
                    for name, (x, y), score in zip(
                        names, person.keypoints, person.scores, strict=True
                    )
                ],
            }
            for person in prediction.people
        ],
        "seconds": {step: round(seconds, 4) for step, seconds in prediction.seconds.items()},
    }


def _layers(explanation: Explanation) -> dict[str, Any]:
    """An explanation as plain values: what was asked, and the numbers of every layer's map."""
    from posekit.draw import describe
    from posekit.explain.numbers import numbers

    return {
        **describe(explanation, explanation),
        "layers": [
            {
                "layer": one.layer,
                "grid": list(one.grid.size),
                "total": one.total,
                **asdict(numbers(one, explanation.prediction)),
            }
            for one in explanation.maps
        ],
    }
