"""What ``posekit explain`` needs for methods beside attention: options, targets, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from posekit.cli.output import show, table
from posekit.errors import TraceError
from posekit.percents import percent

if TYPE_CHECKING:
    from posekit.estimator import Prediction
    from posekit.explain import Explanation, HeatMap, Method, Query, Target
    from posekit.explain.faithfulness import Faithfulness
    from posekit.explain.faithfulness.grids import Map


class TargetKind(StrEnum):
    """What is explained of a keypoint."""

    peak = "peak"
    x = "x"
    y = "y"
    confidence = "confidence"


COSTS = {
    "attention": "instant",
    "gradient": "gradients",
    "perturbation": "many passes",
}
"""What a method needs, in words for the person who waits for it."""


def print_methods(*, as_json: bool) -> None:
    """Print every method: name, cost, sentence."""
    from posekit.explain import list_methods
    from posekit.explain.options import option_words, settable

    methods = list_methods()
    result = [
        {
            "name": one.name,
            "title": one.title,
            "cost": COSTS[one.needs],
            "description": one.description,
            "options": dict(settable(one)),
        }
        for one in methods
    ]
    rows = [[one.name, COSTS[one.needs], one.description, option_words(one)] for one in methods]
    show(result, table(["METHOD", "COST", "WHAT IT SHOWS", "OPTIONS"], rows), as_json=as_json)


def gather_options(method: Method, words: Sequence[str], flags: dict[str, Any]) -> dict[str, Any]:
    """The method's options from ``--option`` words and from the flags that are set.

    Args:
        method: the method.
        words: ``key=value`` each.
        flags: values of --layer (a list), --head, --direction and --part; None for those not set.

    Raises:
        TraceError: an option or flag that the method does not have.
    """
    from posekit.explain.options import read_options, settable

    options, known = read_options(method, words), settable(method)
    for name, value in flags.items():
        if value is None:
            continue
        if name == "layer" and "layers" in known:
            options["layers"] = value
        elif name not in known:
            raise TraceError(
                f"The method {method.name} has no {name} to choose: leave --{name} out, or take "
                "another method of `posekit explain --list-methods`."
            )
        elif name == "layer":
            if len(value) > 1:
                raise TraceError(f"The method {method.name} takes one layer, not {len(value)}.")
            options["layer"] = value[0]
        else:
            options[name] = value
    return options


def target_of(query: Query, kind: TargetKind) -> Query | Target:
    """The query itself, or the number of its keypoint that is to be explained.

    Raises:
        TraceError: a coordinate or confidence of a free point.
    """
    from posekit.explain import KeypointConfidence, KeypointCoordinate

    if kind is TargetKind.peak:
        return query
    if query.keypoint is None:
        raise TraceError(f"--target {kind.value} needs a --keypoint: a point has no such number.")
    if kind is TargetKind.confidence:
        return KeypointConfidence(query.keypoint)
    return KeypointCoordinate(query.keypoint, "x" if kind is TargetKind.x else "y")


def trust_in(
    prediction: Prediction,
    target: Query | Target,
    answer: Explanation | HeatMap,
    person: int | None,
) -> Any:
    """The faithfulness of a method's map, or of every layer's by name; chance is measured once."""
    from posekit.explain import HeatMap
    from posekit.explain.faithfulness import chance_of, faithfulness_of

    with bar("Faithfulness of random maps") as progress:
        chance = chance_of(prediction, target, person=person, progress=progress)

    def of(one: Map, label: str) -> Faithfulness:
        with bar(f"Faithfulness of {label}") as progress:
            return faithfulness_of(
                prediction, target, one, person=person, chance=chance, progress=progress
            )

    if isinstance(answer, HeatMap):
        return of(answer, answer.method)
    return {one.layer: of(one, one.layer) for one in answer.maps}


def trust_words(trust: Faithfulness | Mapping[str, Faithfulness]) -> str:
    """The figure and its meaning, a line for each layer when there are several."""
    if isinstance(trust, Mapping):
        return "\n".join(f"{layer}: {one.words}" for layer, one in trust.items())
    return f"{trust.words}\n{trust.meaning}"


@contextmanager
def bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error where a person watches, and for long work only."""
    from tqdm import tqdm

    # None: tqdm is silent where standard error is no terminal.
    with tqdm(total=0, desc=label, unit="pass", disable=None, delay=1.0, leave=False) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress


def heat_result(
    heat: HeatMap, prediction: Prediction, query: Query, faithfulness: Faithfulness | None
) -> dict[str, Any]:
    """A method's map as plain values, with its numbers."""
    from posekit.draw import describe
    from posekit.explain import heat_numbers
    from posekit.report.values import number_values

    found = describe(heat, prediction=prediction, query=query, faithfulness=faithfulness)
    if heat.mass.any():
        found["numbers"] = number_values(heat_numbers(heat, prediction, query.point))
    return found


def heat_table(result: dict[str, Any], title: str) -> str:
    """The same as lines of two columns under a title."""
    rows = [["GRID", "{} x {} cells".format(*result["grid"])]]
    rows += [[name.replace("_", " "), _word(value)] for name, value in result["options"].items()]
    if "numbers" in result:
        one = result["numbers"]
        rows += [
            [one["where"], percent(one["mass_in_box"])],
            [
                "entropy",
                f"{one['entropy_nats']:.2f} nats ({percent(one['entropy_share'])} of even)",
            ],
            ["peak", f"{one['peak_distance_px']:.0f} px away"],
        ]
        rows += [["note", words] for words in [one["nearly_even"]] if words]
    if result["delta"] is not None:
        rows.append(["convergence delta", f"{result['delta']:.3g}"])
    rows.append(["seconds", f"{result['seconds']:.2f}"])
    return f"{title[0].upper()}{title[1:]}:\n" + table(rows[0], rows[1:])


def _word(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
