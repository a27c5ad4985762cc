"""What ``posekit evaluate`` can be asked to measure, and which options go with what."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import typer

__all__ = ["BoxSource", "Cut", "Metric", "refuse"]


class Metric(StrEnum):
    """What to measure."""

    auto = "auto"
    pck = "pck"
    pckh = "pckh"
    oks = "oks"
    purity = "purity"
    people = "people"
    instance = "instance"
    contradiction = "contradiction"


class Cut(StrEnum):
    """Where photos end."""

    shoulders = "shoulders"
    waist = "waist"


class BoxSource(StrEnum):
    """Where people's boxes come from."""

    given = "given"
    labels = "labels"


_OF_SOME = {
    "--boxes": {Metric.pck, Metric.pckh, Metric.oks},
    "--people-by": {Metric.people},
    "--cut": {Metric.pck, Metric.oks, Metric.people},
    "--limit": set(Metric) - {Metric.contradiction},
    "--count": {Metric.instance},
    "--beside": {Metric.instance, Metric.contradiction},
    "--side": {Metric.contradiction},
    "--rows": {Metric.pck, Metric.pckh, Metric.oks, Metric.people},
    "--flip-test": set(Metric) - {Metric.instance, Metric.contradiction},
}
"""Options that only some metrics take account of."""


def refuse(metric: Metric, coco: bool, given: Mapping[str, bool]) -> None:
    """Refuse options that would change nothing."""
    for option in (name for name, here in given.items() if here):
        if metric not in _OF_SOME.get(option, set(Metric)):
            raise typer.BadParameter(f"{option} does not go with --metric {metric.value}.")
        if (option == "--images" and not coco) or (option == "--part" and coco):
            kind = "a folder with joints.npz" if coco else "a .json file"
            raise typer.BadParameter(f"{option} is for {kind}.")
