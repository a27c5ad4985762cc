"""``posekit difference``."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from posekit.cli.options import JsonOption
from posekit.cli.output import show, table


def difference(
    first: Annotated[
        Path, typer.Argument(metavar="A.csv", help="Written by `posekit evaluate --rows`.")
    ],
    second: Annotated[
        Path, typer.Argument(metavar="B.csv", help="The same of another model or other weights.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Compare two measurements of the same photographs: B minus A, with its 95 % interval.

    Photographs are drawn anew for both at once (paired bootstrap). An interval without 0 in it says
    that the two models differ, at the 5 % level.
    """
    from posekit.evaluation import Rows
    from posekit.evaluation import difference as compare

    before, after = Rows.read_csv(first), Rows.read_csv(second)
    found = compare(before, after, names=(str(first), str(second)))
    photos = len(before.unique_photos)
    result = {
        "metric": before.metric,
        "first": first.name,
        "second": second.name,
        "photographs": photos,
        "figures": {name: dataclasses.asdict(one) for name, one in found.items()},
    }
    rows = [
        [
            name,
            f"{one.first:.2f}",
            f"{one.second:.2f}",
            f"{one.difference:+.2f}",
            "" if one.interval is None else "{:+.2f} to {:+.2f}".format(*one.interval),
        ]
        for name, one in found.items()
    ]
    head = f"{second} minus {first}, on {photos} photograph{'s' if photos != 1 else ''}:"
    columns = ["FIGURE", "A", "B", "B - A", "95 % INTERVAL"]
    show(result, f"{head}\n{table(columns, rows)}", as_json=as_json)
