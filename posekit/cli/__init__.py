"""``posekit``: the models, predictions and explanations from the command line.

Results go to standard output (as JSON with ``--json``), remarks to standard error. Exit codes: 0
done, 1 refused with one sentence, 2 wrong usage. torch and the models are imported inside the
commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from posekit import __version__
from posekit.cli.batch import batch
from posekit.cli.benchmark import benchmark
from posekit.cli.cases import cases_app
from posekit.cli.compare import compare
from posekit.cli.data import data_app
from posekit.cli.dependencies import dependencies
from posekit.cli.difference import difference
from posekit.cli.evaluate import evaluate
from posekit.cli.heads import heads
from posekit.cli.live import live
from posekit.cli.look import explain, predict
from posekit.cli.models import models
from posekit.cli.occlude import occlude
from posekit.cli.output import remark
from posekit.cli.people import people
from posekit.cli.serve import serve
from posekit.cli.train import train
from posekit.cli.weights import weights_app
from posekit.errors import PoseKitError

__all__ = ["app"]


class OneSentence(TyperGroup):
    """A command group that answers an expected error with its sentence and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: remark(str(message))
            try:
                return super().invoke(ctx)
            except PoseKitError as error:
                remark(str(error))
                raise typer.Exit(1) from error


app = typer.Typer(
    cls=OneSentence,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"posekit {__version__}")
        raise typer.Exit


@app.callback()
def posekit(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Click a keypoint and see what a pose transformer looks at."""


app.command()(models)
app.command()(predict)
app.command()(explain)
app.command()(batch)
app.command()(live)
app.command()(dependencies)
app.command()(heads)
app.command()(people)
app.command()(compare)
app.command()(occlude)
app.command()(train)
app.command()(evaluate)
app.command()(difference)
app.command()(benchmark)
app.command()(serve)
app.add_typer(cases_app, name="cases")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")
