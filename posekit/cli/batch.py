"""``posekit batch``: the same question of many photographs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from posekit.cli.methods import gather_options
from posekit.cli.options import (
    DEFAULT_MODEL,
    DeviceOption,
    HeadOption,
    ImagesOption,
    JsonOption,
    LimitOption,
    ModelOption,
    PartOption,
    WeightsOption,
    WithPhotoOption,
    load_model,
)
from posekit.cli.output import remark, show
from posekit.files import write_csv, writing

if TYPE_CHECKING:
    from posekit.many import Looked


class Kind(StrEnum):
    """What is written of each map."""

    none = "none"
    png = "png"
    svg = "svg"
    npz = "npz"
    html = "html"
    json = "json"


def batch(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of photographs, a folder with joints.npz, or a COCO-format .json file."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="A folder; it is made.")],
    model: ModelOption = DEFAULT_MODEL,
    keypoint: Annotated[
        str | None,
        typer.Option("--keypoint", "-k", help='Such as "left wrist". Without it poses only.'),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="How to explain; see explain --list-methods.")
    ] = "attention",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", metavar="KEY=VALUE", help="An option of the method."),
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", help="Such as encoder.3; repeat it for more.")
    ] = None,
    head: HeadOption = None,
    maps: Annotated[
        Kind, typer.Option("--maps", help="A file of each person's maps: what kind, or none.")
    ] = Kind.png,
    with_photo: WithPhotoOption = True,
    limit: LimitOption = None,
    images: ImagesOption = None,
    part: PartOption = "held out",
    weights: WeightsOption = "auto",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Ask the same of every photograph: poses, numbers and maps in one folder.

    Writes poses.csv, a line a keypoint; with --keypoint also numbers.csv, a line a map, and the
    maps. A photograph that cannot be read is named and stops nothing.
    """
    from tqdm import tqdm

    from posekit.benchmark.cases import open_cases
    from posekit.explain import find_method
    from posekit.many import batch as looked_at

    options = gather_options(
        find_method(method), option or [], {"layer": layer or None, "head": head}
    )
    cases = open_cases(data, images=images, part=part, limit=limit)
    loaded = load_model(model, weights, device)
    poses: list[dict[str, Any]] = []
    numbers: list[dict[str, Any]] = []
    refused: Counter[str] = Counter()
    photos = files = 0
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    found = looked_at(loaded, cases, keypoint, method=method, options=options)
    for one in tqdm(found, total=len(cases), unit="photo", disable=None):
        photos += 1
        poses += one.poses
        numbers += one.numbers
        refused.update(sentence for sentence in one.refused if sentence is not None)
        if maps is not Kind.none:
            files += _write_maps(one, out, maps.value, with_photo)
    _write_csv(poses, out / "poses.csv")
    if keypoint is not None:
        _write_csv(numbers, out / "numbers.csv")
    if cases.problems:
        remark(cases.problems.summary())
    for sentence, times in refused.items():
        remark(f"Not answered, {times} people: {sentence}")
    result = {
        "model": loaded.name,
        "trained": loaded.trained,
        "data": cases.name,
        "photos": photos,
        "poses": poses,
        "numbers": numbers,
        "files": files,
    }
    text = f"{out}: {photos} photographs, {len(poses)} keypoints"
    if keypoint is not None:
        text += f", {len(numbers)} maps of {keypoint}, {files} files"
    show(result, text, as_json=as_json)


def _write_maps(one: Looked, folder: Path, kind: str, photo: bool) -> int:
    """A file for everybody who was asked about; returns how many."""
    from posekit.cli.look import write_findings

    written = 0
    for found in one.findings:
        if found is None:
            continue
        person = f"-person-{found.asked.person}" if len(one.findings) > 1 else ""
        write_findings(found, folder / f"{Path(one.name).stem}{person}.{kind}", photo)
        written += 1
    return written


def _write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """A line a row; columns are those of all rows, in the order in which they come up."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with writing(path):
        write_csv(columns, ([row.get(name) for name in columns] for row in rows), path)
