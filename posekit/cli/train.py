"""``posekit train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posekit.cli.options import DeviceOption
from posekit.cli.output import remark


def train(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as training/recipes/NAME.toml.")],
    data: Annotated[
        Path,
        typer.Option(
            "--data", help="A folder with joints.npz and images*.tar, or a COCO-format .json file."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the run; a run there goes on.")],
    images: Annotated[
        Path | None, typer.Option(help="Photographs of a .json file that lie elsewhere.")
    ] = None,
    validation: Annotated[
        Path | None, typer.Option(help="A second .json file, to choose the best weights by.")
    ] = None,
    validation_images: Annotated[Path | None, typer.Option(help="Its photographs.")] = None,
    start: Annotated[
        Path | None, typer.Option(help="Weights to start from, such as ImageNet's of a trunk.")
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="A .json file of people with masks alone, to supervise attention with."),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(help="Change an option of the recipe: NAME=VALUE; may be repeated."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.0, help="Stop then; the same command goes on later."),
    ] = None,
    validate_every: Annotated[
        int, typer.Option(min=1, help="Steps between two measurements.")
    ] = 500,
    export_to: Annotated[
        Path | None, typer.Option("--export", help="Folder for the weights and their model card.")
    ] = None,
    device: DeviceOption = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Processes, one a GPU, on each machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines; start the command on each.")] = 1,
) -> None:
    """Train a model by a recipe, resuming where the run stopped."""
    import math

    from posekit.training.engine import start_engine
    from posekit.training.export import export
    from posekit.training.loop import Trainer
    from posekit.training.recipe import read_recipe, with_options
    from posekit.training.task import Accompanied, Distilled
    from posekit.training.tasks import Source, prepare
    from posekit.zoo import entry

    plan = with_options(read_recipe(recipe), option or [])
    model = entry(plan.model)
    fabric = start_engine(device, devices=devices, nodes=nodes, bf16=plan.bf16)
    if plan.bf16 and fabric.strategy.precision.precision == "32-true":
        remark("this processor does not multiply bfloat16 itself: training in float32")
    remark("reading the photographs")
    source = Source(data, images, validation, validation_images, start, masks)
    prepared = prepare(model, plan, source)
    if prepared.problems:
        remark(prepared.problems.summary())
    remark(f"{prepared.words}, on {fabric.device}")
    trainer = Trainer(prepared.task, plan, out, fabric)
    trainer.run(validate_every=validate_every, seconds=60 * minutes if minutes else math.inf)
    if export_to is not None and fabric.is_global_zero:
        distilled = isinstance(prepared.task, Distilled)
        weights = export(
            out,
            plan,
            export_to,
            prepared.photographs,
            source.name,
            besides=prepared.besides,
            examples=len(prepared.task),
            start="random weights" if start is None else start.name,
            product=prepared.task.product if isinstance(prepared.task, Distilled) else None,
            beside=prepared.task.beside if isinstance(prepared.task, Accompanied) else None,
            network=None if distilled else prepared.task.build(),
        )
        remark(f"wrote {weights} and its model card")
