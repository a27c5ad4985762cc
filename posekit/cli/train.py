"""``posekit train`` and ``posekit evaluate``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from posekit.cli.options import (
    DEFAULT_MODEL,
    DeviceOption,
    FlipOption,
    JsonOption,
    WeightsOption,
    load_model,
)
from posekit.cli.output import remark, show

DataOption = Annotated[
    Path,
    typer.Option("--data", help="Folder with joints.npz and the photographs (images*.tar)."),
]


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as training/recipes/NAME.toml.")],
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; a run there goes on.")],
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Stop then; the same command goes on later.")
    ] = None,
    validate_every: Annotated[int, typer.Option(help="Steps between two measurements.")] = 500,
    export_to: Annotated[
        Path | None, typer.Option("--export", help="Folder for the weights and their model card.")
    ] = None,
    device: DeviceOption = "auto",
    devices: Annotated[int, typer.Option(help="Processes, one a GPU, on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines; start the command on each.")] = 1,
) -> None:
    """Train a model by a recipe, resuming where the run stopped."""
    import math

    from posekit.data.canvas import Canvases, make_canvases
    from posekit.data.lsp import read_lsp
    from posekit.data.rendered import rendered_people
    from posekit.training.engine import start_engine
    from posekit.training.export import export
    from posekit.training.heatmaps import HeatmapTask
    from posekit.training.loop import Trainer
    from posekit.training.recipe import read_recipe
    from posekit.zoo import entry

    plan = read_recipe(recipe)
    fabric = start_engine(device, devices=devices, nodes=nodes, bf16=plan.bf16)
    remark("reading the photographs")
    validation = make_canvases(read_lsp(data, "held out"))
    photographs = make_canvases(read_lsp(data, "train"))
    people = photographs
    if plan.scenes:
        remark(f"rendering {plan.scenes} scenes")
        people = Canvases.join([photographs, make_canvases(rendered_people(plan.scenes))])
    remark(f"{len(people)} people to train on, {len(validation)} to measure on, on {fabric.device}")
    task = HeatmapTask(entry(plan.model), people, validation, plan.augmentation)
    trainer = Trainer(task, plan, out, fabric)
    trainer.run(validate_every=validate_every, seconds=60 * minutes if minutes else math.inf)
    if export_to is not None and fabric.is_global_zero:
        weights = export(out, plan, export_to, len(photographs), "LSPET")
        remark(f"wrote {weights} and its model card")


def evaluate(
    data: DataOption,
    model: Annotated[str, typer.Argument(help="One of `posekit models`.")] = DEFAULT_MODEL,
    weights: WeightsOption = "auto",
    part: Annotated[str, typer.Option(help='"held out" or "train".')] = "held out",
    limit: Annotated[int | None, typer.Option(help="Only the first so many photographs.")] = None,
    card: Annotated[
        bool, typer.Option("--card", help="Write the figure into the checkpoint's model card.")
    ] = False,
    flip_test: FlipOption = False,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure PCK@0.2 (torso) on labelled photographs, each person given by a box."""
    from posekit.data.lsp import read_lsp
    from posekit.errors import WeightsError
    from posekit.estimator import Estimator
    from posekit.evaluation import evaluate as measure
    from posekit.training.export import HELD_OUT_NAME, add_measurement

    loaded = load_model(model, weights, device)
    score = measure(Estimator(loaded, flip_test=flip_test), read_lsp(data, part, limit))
    if card:
        local = loaded.weights.local
        if local is None or part != "held out" or limit is not None or flip_test:
            raise WeightsError(
                "A model card takes figures of a checkpoint on all photographs held out, "
                "without flip test."
            )
        add_measurement(
            local, HELD_OUT_NAME, score, f"posekit evaluate {model} --data LSPET --card"
        )
    lines = [f"PCK@0.2 {score.mean} on {score.people} people, {score.keypoints} keypoints"]
    lines += [f"  {name:<16}{value:6.2f}" for name, value in score.per_keypoint.items()]
    show(dataclasses.asdict(score), "\n".join(lines), as_json=as_json)
