"""``posekit predict`` and ``posekit explain``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.methods import (
    TargetKind,
    bar,
    gather_options,
    heat_result,
    heat_table,
    print_methods,
    target_of,
    trust_in,
    trust_words,
)
from posekit.cli.options import (
    DEFAULT_MODEL,
    BoxOption,
    DeviceOption,
    FlipOption,
    HeadOption,
    JsonOption,
    KeypointOption,
    ModelOption,
    OptionalPhoto,
    PeopleByOption,
    PhotoArgument,
    PointOption,
    WeightsOption,
    WithPhotoOption,
    check_out,
    find_people,
    finder_name,
    read_numbers,
    remark_doubt,
)
from posekit.cli.output import show, table
from posekit.files import write_png, writing
from posekit.people import IN_BOX
from posekit.percents import percent

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.explain import Explanation
    from posekit.report import Findings


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
    people_by: PeopleByOption = None,
    flip_test: FlipOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Find the keypoints of the people in a photo."""
    from posekit.unsure import unsure_words
    from posekit.zoo import entry

    check_out(out, ".png", source=photo)
    prediction = find_people(
        photo,
        model,
        weights,
        box,
        device,
        flip_test=flip_test,
        record=False,
        people_by=people_by,
    )
    if out is not None:
        from posekit.doubts import doubts_of
        from posekit.draw import draw_skeleton

        pixels = prediction.photo.pixels
        drawn = draw_skeleton(
            pixels, prediction.people, prediction.skeleton, doubted=doubts_of(prediction)
        )
        with writing(out):
            write_png(drawn, out)
    result = people_values(prediction) | {"unsure": unsure_words(prediction, first=0)}
    rows = [
        [str(n), k["name"], f"{k['x']:.1f}", f"{k['y']:.1f}", f"{k['score']:.2f}"]
        for n, person in enumerate(result["people"])
        for k in person["keypoints"]
        if k["x"] is not None
    ]
    text = table(["PERSON, FROM 0", "KEYPOINT", "X", "Y", "SCORE"], rows)
    if not result["people"]:
        who = entry(finder_name(people_by)) if people_by else prediction.model.entry
        text = f"{who.title} found nobody in this photo."
    remark_doubt(prediction)
    show(result, text, as_json=as_json)


def explain(
    photo: OptionalPhoto = None,
    model: ModelOption = DEFAULT_MODEL,
    keypoint: KeypointOption = None,
    point: PointOption = None,
    box: BoxOption = None,
    person: Annotated[
        int | None, typer.Option("--person", help="Which of the boxes, counted from 0.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="How to explain; see --list-methods.")
    ] = "attention",
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option", metavar="KEY=VALUE", help="An option of the method; repeat it for more."
        ),
    ] = None,
    target: Annotated[
        TargetKind,
        typer.Option("--target", help="What of the keypoint: its heatmap's peak, x, y, ..."),
    ] = TargetKind.peak,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", help="Such as encoder.3; repeat it for more. Default: all."),
    ] = None,
    head: HeadOption = None,
    direction: Annotated[
        Direction | None,
        typer.Option("--direction", help="row: what it looks at; column: what looks at it."),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option("--part", help="A part of the attention alone: content or position."),
    ] = None,
    faithfulness: Annotated[
        bool, typer.Option("--faithfulness", help="Measure how far to trust the map.")
    ] = False,
    list_methods: Annotated[
        bool, typer.Option("--list-methods", help="Every method, what it costs and shows.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="A picture (.png), vectors (.svg), a report for others (.html), raw maps (.npz),"
            " or pose, numbers and maps as text (.json).",
        ),
    ] = None,
    with_photo: WithPhotoOption = True,
    weights: WeightsOption = "auto",
    people_by: PeopleByOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Show what the model looked at for a keypoint or any other spot, by any method."""
    from posekit.explain import Explanation, find_method
    from posekit.explain import explain as explain_query
    from posekit.explain.query import resolve
    from posekit.report import Findings, plain_values

    if list_methods:
        return print_methods(as_json=as_json)
    if photo is None:
        raise typer.BadParameter("name a photo, or ask for --list-methods.")
    if (keypoint is None) == (point is None):
        raise typer.BadParameter('name one of --keypoint "left wrist" and --point X,Y.')
    asked = keypoint if point is None else read_numbers(point, 2, "a point X,Y in pixels")
    assert asked is not None
    check_out(out, ".png", ".svg", ".html", ".npz", ".json", source=photo)
    chosen = find_method(method)
    flags = {"layer": layer or None, "head": head, "part": part}
    flags["direction"] = None if direction is None else direction.value
    options = gather_options(chosen, option or [], flags)
    prediction = find_people(
        photo, model, weights, box, device, flip_test=False, record=True, people_by=people_by
    )
    query = resolve(prediction, asked, person)
    wanted = target_of(query, target)
    if "progress" in chosen.options:
        with bar(chosen.title) as options["progress"]:
            answer = explain_query(prediction, wanted, method=method, person=person, **options)
    else:
        answer = explain_query(prediction, wanted, method=method, person=person, **options)
    trust = trust_in(prediction, wanted, answer, person) if faithfulness else None
    about: dict[str, Any] = {"prediction": prediction, "query": query, "faithfulness": trust}
    asked_with = {name: value for name, value in options.items() if name != "progress"}
    found = Findings(answer, prediction, query, trust, method, asked_with, target.value)
    if isinstance(answer, Explanation):
        result = plain_values(found)
        text = _layer_table(answer, result)
    else:
        result = heat_result(answer, **about)
        text = heat_table(result, f"{answer.target} by {chosen.title}")
    if trust is not None:
        text += f"\n{trust_words(trust)}"
    if out is not None:
        write_findings(found, out, with_photo)
    remark_doubt(prediction)
    show(result, text, as_json=as_json)


def _around(one: dict[str, Any]) -> str:
    """Around which keypoints a layer's map is strongest, as :func:`around_words` says it."""
    named = ", ".join(
        f"{near['keypoint']} {percent(near['share'])}" for near in one.get("around", ())
    )
    return f"{named} ({percent(one['around_elsewhere'])} elsewhere)" if named else ""


def _layer_table(explanation: Explanation, result: dict[str, Any]) -> str:
    from posekit.draw.legend import even_line

    rows = [
        [
            one["layer"],
            percent(one["mass_in_box"]) if "mass_in_box" in one else "nothing there",
            *(
                (
                    f"{one['entropy_nats']:.2f} nats ({percent(one['entropy_share'])} of even)",
                    f"{one['peak_distance_px']:.0f} px away",
                )
                if "entropy_nats" in one
                else ("", "")
            ),
            _around(one),
        ]
        for one in result["layers"]
    ]
    title = explanation.title
    where = next((one["where"] for one in result["layers"] if "where" in one), IN_BOX)
    text = table(["LAYER", where.upper(), "ENTROPY", "PEAK", "STRONGEST AROUND"], rows)
    even = even_line((one["layer"], one.get("entropy_share")) for one in result["layers"])
    return "\n".join(filter(None, [f"{title[0].upper()}{title[1:]}:", text, even]))


def write_findings(findings: Findings, out: Path, photo: bool) -> None:
    """The file that its name asks for."""
    from posekit import draw, report

    about: dict[str, Any] = {
        "prediction": findings.prediction,
        "query": findings.query,
        "faithfulness": findings.faithfulness,
    }
    with writing(out):
        match out.suffix.lower():
            case ".npz":
                draw.save_npz(findings.shown, out, **about)
            case ".json":
                report.save_json(findings, out, maps=True)
            case ".svg":
                draw.save_svg(findings.shown, out, photo=photo, **about)
            case ".html":
                report.save_html(findings, out, photo=photo)
            case _:
                figure = draw.draw_explanation(findings.shown, photo=photo, **about)
                draw.save_png(figure, out, explanation=findings.shown, **about)


def people_values(prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain values; coordinates in pixels of the photo."""
    from posekit.report.values import keypoint_values

    return {
        **prediction.model.origin,
        "photo_size": list(prediction.photo.size),
        "people": [
            {
                "box": [person.box.x, person.box.y, person.box.width, person.box.height],
                "score": person.score,
                "keypoints": keypoints,
            }
            for person, keypoints in zip(
                prediction.people, keypoint_values(prediction), strict=True
            )
        ],
        "seconds": {step: round(seconds, 4) for step, seconds in prediction.seconds.items()},
    }
