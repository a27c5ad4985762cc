"""``posekit live``: a photo whose maps follow the pointer, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posekit.cli.options import (
    DEFAULT_MODEL,
    BoxOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    PeopleByOption,
    PhotoArgument,
    WeightsOption,
    WithPhotoOption,
    check_out,
    find_people,
    remark_doubt,
)
from posekit.cli.output import show
from posekit.files import writing


def live(
    photo: PhotoArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write: .html.")],
    model: ModelOption = DEFAULT_MODEL,
    box: BoxOption = None,
    person: Annotated[
        list[int] | None,
        typer.Option("--person", help="Whose maps, 0 is the first; repeat it. Default: all."),
    ] = None,
    with_photo: WithPhotoOption = True,
    weights: WeightsOption = "auto",
    people_by: PeopleByOption = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Write a page that shows what the model looks at wherever one points, without PoseKit."""
    from posekit.report.live_report import live as live_of

    check_out(out, ".html", source=photo)
    prediction = find_people(
        photo, model, weights, box, device, flip_test=False, record=True, people_by=people_by
    )
    report = live_of(prediction, people=person or None, photo=with_photo)
    with writing(out):
        report.save(out)
    remark_doubt(prediction)
    size = out.stat().st_size
    result = {
        "model": prediction.model.name,
        "trained": prediction.model.trained,
        "people": list(report.people),
        "photo": with_photo,
        "bytes": size,
    }
    who = "one person" if len(report.people) == 1 else f"{len(report.people)} people"
    show(result, f"{out.name}: {who}, {size / 1e6:.1f} MB", as_json=as_json)
