"""``posekit compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posekit.cli.look import Direction
from posekit.cli.options import (
    REPORTS,
    BoxOption,
    DeviceOption,
    HeadOption,
    JsonOption,
    KeypointOption,
    PeopleByOption,
    PersonOption,
    PhotoArgument,
    PointOption,
    ReportOption,
    WithPhotoOption,
    boxes_or_found,
    check_out,
    load_model,
    photo_at,
    read_numbers,
)
from posekit.cli.output import remark, show, table
from posekit.files import writing

if TYPE_CHECKING:
    from posekit.compare import Comparison


def compare(
    photo: PhotoArgument,
    models: Annotated[
        str,
        typer.Option(
            "--models",
            "-m",
            metavar="A,B[,C]",
            help="Two to five of `posekit models`; NAME=WEIGHTS chooses weights, "
            "as in transpose-r-small=random.",
        ),
    ],
    keypoint: KeypointOption = None,
    point: PointOption = None,
    same_place: Annotated[
        bool,
        typer.Option(
            "--same-place",
            help="Ask all models where the first puts the keypoint, not each where it does itself.",
        ),
    ] = False,
    box: BoxOption = None,
    people_by: PeopleByOption = None,
    person: PersonOption = 0,
    layer: Annotated[
        str | None, typer.Option("--layer", help="Such as encoder.3. Default: each model's last.")
    ] = None,
    head: HeadOption = None,
    direction: Annotated[
        Direction,
        typer.Option("--direction", help="row: what it looks at; column: what looks at it."),
    ] = Direction.row,
    method: Annotated[
        str, typer.Option("--method", help="attention, rollout, grad-cam, ...")
    ] = "attention",
    faithfulness: Annotated[
        bool,
        typer.Option("--faithfulness", help="Add deletion and insertion: some passes more."),
    ] = False,
    out: ReportOption = None,
    with_photo: WithPhotoOption = True,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask several models the same about one photo, and set their answers side by side."""
    from posekit.compare import compare as compare_models
    from posekit.compare import describe, predict_alike
    from posekit.compare.ask import check_count
    from posekit.compare.words import columns_of, disagreement_table
    from posekit.draw.legend import even_line
    from posekit.explain.methods import find_method
    from posekit.unsure import unsure_words

    if (keypoint is None) == (point is None):
        raise typer.BadParameter('name one of --keypoint "left wrist" and --point X,Y.')
    query = keypoint if point is None else read_numbers(point, 2, "a point X,Y in pixels")
    assert query is not None
    check_out(out, *REPORTS, source=photo)
    names = [name.strip() for name in models.split(",") if name.strip()]
    check_count(len(names))
    find_method(method)
    picture = photo_at(photo)
    chosen = boxes_or_found(box, people_by, picture, device)
    loaded = []
    for name in names:
        model, _, weights = name.partition("=")
        loaded.append(load_model(model, weights or "auto", device))
    predictions = predict_alike(loaded, picture, chosen)
    comparison = compare_models(
        predictions,
        query,
        person=person,
        layer=layer,
        head=head,
        direction=direction.value,
        method=method,
        anchor="point" if same_place else None,
        faithfulness=faithfulness,
    )
    for panel in comparison.panels:
        if panel.note:
            remark(f"{panel.title}: {panel.note}")
        if (doubt := unsure_words(panel.prediction, first=0)) is not None:
            named = panel.title == panel.prediction.model.entry.title
            remark(doubt if named else f"{panel.title}: {doubt}")
    if out is not None:
        _write(comparison, out, photo=with_photo)
    columns = columns_of(comparison)
    rows = [[one.cell(row) for one in columns] for row in comparison.table]
    text = f"{comparison.title}:\n{table([one.head.upper() for one in columns], rows)}"
    if even := even_line((row.title, row.entropy_share) for row in comparison.table):
        text += f"\n{even}"
    heads, apart = disagreement_table(comparison)
    if apart:
        text += f"\n\n{table([head.upper() for head in heads], apart)}"
    show(describe(comparison), text, as_json=as_json)


def _write(comparison: Comparison, out: Path, *, photo: bool) -> None:
    suffix = out.suffix.lower()
    with writing(out):
        if suffix == ".html":
            comparison.save_html(out, photo=photo)
        elif suffix == ".svg":
            comparison.save_svg(out, photo=photo)
        elif suffix == ".json":
            comparison.save_json(out)
        elif suffix == ".npz":
            comparison.save_npz(out)
        else:
            comparison.save_png(out, photo=photo)
