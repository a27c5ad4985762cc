"""``posekit heads``: what each attention head is worth to each keypoint."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from posekit.cli.methods import bar
from posekit.cli.options import (
    DEFAULT_MODEL,
    BoxOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    PeopleByOption,
    PersonOption,
    PhotoArgument,
    WeightsOption,
    check_out,
    find_people,
)
from posekit.cli.output import show, table, writing

if TYPE_CHECKING:
    from posekit.explain.heads import HeadWorth
    from posekit.zoo import PoseModel


def heads(
    photo: PhotoArgument,
    model: ModelOption = DEFAULT_MODEL,
    layer: Annotated[
        str | None, typer.Option("--layer", help="Such as encoder.3. Default: all.")
    ] = None,
    box: BoxOption = None,
    person: PersonOption = 0,
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
    from posekit.explain.heads import heads as heads_of

    check_out(out, ".png", ".svg", ".csv", ".json")
    prediction = find_people(
        photo, model, weights, box, device, flip_test=False, record=True, people_by=people_by
    )
    layers = None if layer is None else [layer]
    with bar("heads") as progress:
        found = heads_of(prediction, person, layers=layers, progress=progress)
    asked = prediction.model
    result = {
        "model": asked.name,
        "weights": asked.weights.kind,
        "trained": asked.trained,
        "person": person,
        "keypoints": list(found.keypoints),
        "values": _plain(found.values),
        "heads": [
            {"layer": name, "head": head, "falls": _plain(falls)}
            for name, head, falls in zip(found.layers, found.heads, found.falls, strict=True)
        ],
    }
    if out is not None:
        _write(found, asked, result, out)
    show(result, _text(found), as_json=as_json)


def _plain(values: Any) -> list[float | None]:
    return [round(float(v), 5) if math.isfinite(v) else None for v in values]


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


def _write(found: HeadWorth, model: PoseModel, result: dict[str, Any], out: Path) -> None:
    with writing(out):
        match out.suffix.lower():
            case ".json":
                out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
            case ".csv":
                with out.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.writer(file)
                    writer.writerow(["layer", "head", "keypoint", "value", "fall"])
                    rows = zip(found.layers, found.heads, found.falls, strict=True)
                    for name, head, falls in rows:
                        for keypoint, value, fall in zip(
                            found.keypoints, found.values, falls, strict=True
                        ):
                            if math.isfinite(fall):
                                writer.writerow(
                                    [name, head, keypoint, f"{value:.5f}", f"{fall:.5f}"]
                                )
            case kind:
                from posekit.draw.heads import draw_heads

                title = model.entry.title if model.trained else f"{model.entry.title} (untrained)"
                draw_heads(found, title).savefig(out, format=kind[1:])
