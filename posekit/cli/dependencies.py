"""``posekit dependencies``: which keypoints look at which, in one photo or over many."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.options import (
    DEFAULT_MODEL,
    BoxOption,
    DeviceOption,
    HeadOption,
    ImagesOption,
    JsonOption,
    LimitOption,
    ModelOption,
    PartOption,
    PeopleByOption,
    PersonOption,
    WeightsOption,
    check_out,
    find_people,
    load_model,
    remark_doubt,
)
from posekit.cli.output import show, table
from posekit.cli.survey import SourceArgument, is_data, photo_bar, remark_on
from posekit.files import write_csv, write_json, writing

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from posekit.explain.dependencies import Dependencies
    from posekit.zoo import PoseModel

    Ends = tuple[np.ndarray, np.ndarray] | None

STRONGEST = 3


def dependencies(
    source: SourceArgument,
    model: ModelOption = DEFAULT_MODEL,
    layer: Annotated[
        str | None, typer.Option("--layer", help="Such as encoder.3. Default: the last.")
    ] = None,
    head: HeadOption = None,
    box: BoxOption = None,
    person: PersonOption = 0,
    limit: LimitOption = None,
    images: ImagesOption = None,
    part: PartOption = "held out",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="A picture (.png or .svg), or the shares (.csv or .json)."
        ),
    ] = None,
    weights: WeightsOption = "auto",
    people_by: PeopleByOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Show how much of each keypoint's attention lies around each other keypoint.

    Keypoints are where the model puts them. A share says something where it is larger than what an
    even map has there, which stands in brackets.
    """
    from posekit.explain.plain import plain

    check_out(out, ".png", ".svg", ".csv", ".json", source=source)
    chosen: str | int = -1 if layer is None else layer
    if is_data(source, alone=bool(box or people_by is not None or person)):
        from posekit.evaluation.dependencies import survey_dependencies

        asked = load_model(model, weights, device)
        with photo_bar() as progress:
            survey = survey_dependencies(
                asked, source, chosen, head=head, images=images, part=part, limit=limit,
                progress=progress,
            )  # fmt: skip
        remark_on(survey)
        found, ends = survey.mean, (survey.low, survey.high)
        about: dict[str, Any] = {
            "data": survey.data,
            "photos": survey.photos,
            "people": survey.people,
        }
    else:
        from posekit.explain.dependencies import dependencies as dependencies_of

        prediction = find_people(
            source, model, weights, box, device, flip_test=False, record=True, people_by=people_by
        )
        asked = prediction.model
        found, ends = dependencies_of(prediction, chosen, person, head=head), None
        remark_doubt(prediction)
        about = {"person": person}
    result = {
        **asked.origin,
        **about,
        **found.describe(),
        **({} if ends is None else {"low": plain(ends[0]), "high": plain(ends[1])}),
    }
    if out is not None:
        _write(found, ends, asked, result, out)
    show(result, f"{_head(found, about)}\n{_text(found)}", as_json=as_json)


def _head(found: Dependencies, about: dict[str, Any]) -> str:
    """What the shares are means over, and what stands in brackets."""
    whose = f"of person {about.get('person')}, counted from 0"
    if "people" in about:
        people = "1 person" if about["people"] == 1 else f"{about['people']} people"
        photos = "1 photo" if about["photos"] == 1 else f"{about['photos']} photos"
        whose = f"mean over {people} in {photos} of {about['data']}"
    if found.head is None:
        whose += ", mean over heads"
    return (
        f"Shares of each keypoint's attention in {found.layer} ({whose}); in brackets: what an "
        "even map has around that keypoint."
    )


def _text(found: Dependencies) -> str:
    rows = []
    for index, name in enumerate(found.keypoints):
        if not math.isfinite(found.elsewhere[index]):
            continue
        strongest = [
            f"{other} {share:.1%} ({found.chance[found.keypoints.index(other)]:.1%})"
            for other, share in found.strongest(name, STRONGEST)
        ]
        rows.append(
            [
                name,
                *(strongest + [""] * STRONGEST)[:STRONGEST],
                f"{found.shares[index, index]:.1%}",
                f"{found.others[index]:.1%}",
                f"{found.elsewhere[index]:.1%}",
            ]
        )
    header = ["KEYPOINT", "LOOKS AT", "THEN", "THEN", "ITSELF", "OTHER PEOPLE", "ELSEWHERE"]
    return table(header, rows)


def _write(
    found: Dependencies, ends: Ends, model: PoseModel, result: dict[str, Any], out: Path
) -> None:
    with writing(out):
        match out.suffix.lower():
            case ".json":
                write_json(result, out, indent=1)
            case ".csv":
                header = ["keypoint", "looks_at", "share", "even_map", "people", "low", "high"]
                write_csv(header, _rows(found, ends), out)
            case kind:
                _draw(found, model, result).savefig(out, format=kind[1:])


def _draw(found: Dependencies, model: PoseModel, result: dict[str, Any]) -> Figure:
    from posekit.draw.dependencies import draw_dependencies
    from posekit.layer_words import layer_words

    name = model.entry.title if model.trained else f"{model.entry.title} (untrained)"
    layer = layer_words(found.layer, found.kind, model.entry.levels)
    head = "mean over heads" if found.head is None else f"head {found.head + 1}"
    title = f"{name}, {layer}, {head}"
    words = "per cent of the row's attention"
    if "people" in result:
        words += f"; mean over {result['people']} people of {result['data']}"
    return draw_dependencies(found, title, words=words)


def _rows(found: Dependencies, ends: Ends) -> Iterator[list[Any]]:
    """One line for each share, as statistics programs like it."""
    for row, name in enumerate(found.keypoints):
        people = int(found.people[row, row])
        if not people:
            continue
        for col, other in enumerate(found.keypoints):
            if count := int(found.people[row, col]):
                share, even = _number(found.shares[row, col]), _number(found.chance[col])
                interval = [_number(end[row, col]) for end in ends] if ends else ["", ""]
                yield [name, other, share, even, count, *interval]
        for other, rest in (("other people", found.others), ("elsewhere", found.elsewhere)):
            yield [name, other, _number(rest[row]), "", people, "", ""]


def _number(value: float) -> str:
    return f"{value:.6f}" if math.isfinite(value) else ""
