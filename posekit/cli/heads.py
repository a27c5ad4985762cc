"""``posekit heads``: what each attention head is worth, in one photo or over many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from posekit.cli.methods import bar
from posekit.cli.options import (
    DEFAULT_MODEL,
    BoxOption,
    DeviceOption,
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
    from posekit.explain.heads import HeadWorth

    Ends = tuple[np.ndarray, np.ndarray] | None


def heads(
    source: SourceArgument,
    model: ModelOption = DEFAULT_MODEL,
    layer: Annotated[
        str | None, typer.Option("--layer", help="Such as encoder.3. Default: all.")
    ] = None,
    box: BoxOption = None,
    person: PersonOption = 0,
    limit: LimitOption = None,
    images: ImagesOption = None,
    part: PartOption = "held out",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A picture (.png or .svg), or the numbers (.csv, .json)."),
    ] = None,
    weights: WeightsOption = "auto",
    people_by: PeopleByOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Silence one attention head after another, and say how far each keypoint falls without it."""
    from posekit.explain.plain import plain

    check_out(out, ".png", ".svg", ".csv", ".json", source=source)
    ends: Ends = None
    if is_data(source, alone=bool(box or people_by is not None or person)):
        from posekit.evaluation.heads import survey_heads

        asked = load_model(model, weights, device)
        with photo_bar() as progress:
            survey = survey_heads(
                asked, source, layer, images=images, part=part, limit=limit, progress=progress
            )
        remark_on(survey)
        found, ends = survey.mean, (survey.low, survey.high)
        about = {"data": survey.data, "photos": survey.photos, "people": survey.people}
    else:
        from posekit.explain.heads import heads as heads_of

        prediction = find_people(
            source, model, weights, box, device, flip_test=False, record=True, people_by=people_by
        )
        asked = prediction.model
        with bar("heads") as progress:
            layers = None if layer is None else [layer]
            found = heads_of(prediction, person, layers=layers, progress=progress)
        remark_doubt(prediction)
        about = {"person": person}
    result = {
        **asked.origin,
        **about,
        **found.describe(),
    }
    if ends is not None:
        for n, row in enumerate(result["heads"]):
            row |= {"low": plain(ends[0][n]), "high": plain(ends[1][n])}
    if out is not None:
        title = asked.entry.title if asked.trained else f"{asked.entry.title} (untrained)"
        if "people" in about:
            title += f", mean over {about['people']} people of {about['data']}"
        _write(found, title, result, out)
    show(result, _text(found), as_json=as_json)


def _text(found: HeadWorth) -> str:
    """A line a head: the mean fall, and the keypoints that lose and gain most without it."""
    rows = []
    for name, head, falls in zip(found.layers, found.heads, found.falls, strict=True):
        most, least = int(np.nanargmax(falls)), int(np.nanargmin(falls))
        rows.append(
            [
                name,
                str(head),
                f"{np.nanmean(falls):+.3f}",
                f"{found.keypoints[most]} {falls[most]:+.2f}",
                f"{found.keypoints[least]} {falls[least]:+.2f}",
            ]
        )
    return table(["LAYER", "HEAD, FROM 0", "MEAN FALL", "FALLS MOST", "FALLS LEAST"], rows)


def _write(found: HeadWorth, title: str, result: dict[str, Any], out: Path) -> None:
    with writing(out):
        match out.suffix.lower():
            case ".json":
                write_json(result, out, indent=1)
            case ".csv":
                header = ["layer", "head", "keypoint", "value", "fall", "low", "high"]
                write_csv(header, _rows(result), out)
            case kind:
                from posekit.draw.heads import draw_heads

                draw_heads(found, title).savefig(out, format=kind[1:])


def _rows(result: dict[str, Any]) -> Iterator[list[Any]]:
    """One line for each head and keypoint, as statistics programs like it."""
    for row in result["heads"]:
        blank = [None] * len(row["falls"])
        columns = row["falls"], row.get("low", blank), row.get("high", blank)
        for name, value, fall, low, high in zip(
            result["keypoints"], result["values"], *columns, strict=True
        ):
            if fall is not None:
                yield [row["layer"], row["head"], name, value, fall, low, high]
