"""``posekit benchmark``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posekit.cli.options import (
    DeviceOption,
    ImagesOption,
    JsonOption,
    LimitOption,
    PartOption,
    WeightsOption,
    check_out,
)
from posekit.cli.output import remark, show, table


def benchmark(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of photographs, a folder with joints.npz, or a COCO-format .json file."
        ),
    ],
    models: Annotated[str, typer.Option("--models", "-m", help="Of `posekit models`: a,b.")],
    methods: Annotated[
        str | None,
        typer.Option(
            help='Such as "attention,integrated-gradients(steps=8)". Default: every method.'
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            help="Of deletion, insertion, pointing, box-mass, agreement, randomisation, "
            "infidelity, sensitivity. Default: the first five."
        ),
    ] = None,
    keypoints: Annotated[
        str | None, typer.Option(help='Such as "left wrist,neck". Default: all.')
    ] = None,
    limit: LimitOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The table: .csv, .md or .json. Finished photographs are kept beside it, so that "
            "the same command goes on where it stopped.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of deletion and insertion.")] = 10,
    samples: Annotated[int, typer.Option(min=1, help="Sets of cells for infidelity.")] = 64,
    noisy: Annotated[int, typer.Option(min=1, help="Noisy crops for sensitivity.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
    images: ImagesOption = None,
    part: PartOption = "held out",
    weights: WeightsOption = "auto",
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure how far each method's maps can be trusted: a table model x method.

    Where labels or boxes are known they are used. A random map, the photo's edges and a spot on
    the keypoint stand in the table too: what a method says beyond them is what it knows.
    """
    from tqdm import tqdm

    from posekit.benchmark import Settings, run
    from posekit.benchmark.entrants import split_list
    from posekit.benchmark.settings import DEFAULT_METRICS
    from posekit.benchmark.writing import SUFFIXES, as_text_rows, lacking, refusals, write

    check_out(out, *SUFFIXES)
    settings = Settings(
        metrics=tuple(split_list(metrics)) if metrics is not None else DEFAULT_METRICS,
        keypoints=tuple(split_list(keypoints)) if keypoints is not None else None,
        steps=steps,
        samples=samples,
        noisy=noisy,
        seed=seed,
    )
    journal = None if out is None else out.with_name(f"{out.stem}.photos.jsonl")
    with tqdm(unit="map set", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            report = run(
                data,
                split_list(models),
                None if methods is None else split_list(methods),
                settings=settings,
                images=images,
                part=part,
                limit=limit,
                weights=weights,
                device=device,
                journal=journal,
                progress=progress,
            )
        except KeyboardInterrupt:
            bar.close()
            kept = f"; the same command goes on from {journal}" if journal is not None else ""
            remark(f"Stopped{kept}.")
            raise typer.Exit(130) from None
    for name, known in report.what["models"].items():
        if known["kind"] == "random":
            remark(f"{name} is untrained: its maps show nothing learnt.")
    if report.problems:
        remark(report.problems)
    for sentence, times in report.failed.items():
        remark(f"Not measured, {times} of the photographs: {sentence}")
    for name, count in report.lost.items():
        if count:
            remark(f"{name}: {count} keypoints were not found, and are asked of no method.")
    for sentence in lacking(report):
        remark(sentence)
    for sentence in refusals(report.rows):
        remark(f"refused, {sentence}")
    if out is not None:
        write(report, out)
    show(report.as_dict(), table(*as_text_rows(report)), as_json=as_json)
