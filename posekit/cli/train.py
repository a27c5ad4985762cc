"""``posekit train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posekit.cli.options import DeviceOption
from posekit.cli.output import remark

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
