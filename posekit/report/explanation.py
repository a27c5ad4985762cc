"""One question and its answer as a self-contained HTML file for people without PoseKit."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from posekit.draw.legend import asked_words, even_words, heat_legend_lines, legend_lines
from posekit.draw.skeleton import left_out_words, mark_words
from posekit.explain.heat import HeatMap
from posekit.explain.maps import AttentionMap
from posekit.explain.numbers import MapNumbers, around_words
from posekit.files import FileTarget, write_text
from posekit.people import IN_BOX, IN_PHOTO
from posekit.percents import percent
from posekit.report import shell
from posekit.report.closing import closing
from posekit.report.findings import Findings
from posekit.report.pictures import Pictures
from posekit.report.reproduce import command_line, python_call
from posekit.unsure import unsure_words

__all__ = ["html_report", "save_html"]

COLUMNS = (
    (IN_BOX, "Share of the map's mass on cells inside this person's box."),
    ("in another's as well", "Part of it: the share where somebody else's box overlaps this one."),
    ("in others' alone", "Share on cells in somebody else's box and outside this one's."),
    ("in nobody's box", "Share on cells in nobody's box."),
    ("entropy", "How spread out the map is, in nats: 0 is one single cell."),
    ("spread", "The entropy as a share of the greatest: 100 % is a map with all cells alike."),
    (
        "peak distance",
        "From the marked spot to the middle of the strongest cell, in pixels of the photo.",
    ),
)
"""The columns of the table of numbers, each with what it says."""
WHOLE = (
    IN_PHOTO,
    "Share of the map's mass on cells inside the photo; nobody drew a box around the person.",
)
"""The first of them where the person's box is the whole photo."""

OTHERS = (
    (
        "confidence",
        "The height of a keypoint's peak in the heatmap, or the model's own score. Training aims "
        "at peaks of 1, and a peak may be higher: it is not a probability.",
    ),
    (
        "looks at",
        "Dependency: a row of the attention matrix, where the marked spot takes its evidence from;"
        " it adds up to 100 %.",
    ),
    (
        "is looked at by",
        "Affect: a column of the attention matrix, which places take evidence from the marked"
        " spot; it need not add up to 100 %.",
    ),
    (
        "faithfulness",
        "What becomes of the keypoint as the marked places are hidden and shown, strongest first,"
        " against places chosen at random.",
    ),
)


def save_html(
    findings: Findings,
    target: FileTarget,
    *,
    photo: bool = True,
    layer: str | int | None = None,
    colour_map: str = "magma",
    opacity: float = 0.75,
    dim: float = 0.4,
) -> None:
    """Write the report; arguments as :func:`html_report`."""
    text = html_report(
        findings, photo=photo, layer=layer, colour_map=colour_map, opacity=opacity, dim=dim
    )
    write_text(text, target)


def html_report(
    findings: Findings,
    *,
    photo: bool = True,
    layer: str | int | None = None,
    colour_map: str = "magma",
    opacity: float = 0.75,
    dim: float = 0.4,
) -> str:
    """The text of the file: the photo and its map, every layer and head, the numbers, the model.

    Args:
        findings: what to report.
        photo: False leaves the photo out: maps and pose lie on plain grey.
        layer: the one shown large, by name or position; None is the last.
        colour_map: one of ``posekit.draw.COLOUR_MAPS``; a signed map has colours of its own.
        opacity: of the maps, 0 to 1.
        dim: how much light is taken from the photo under them, 0 to 1.

    Raises:
        PoseKitError: an unknown colour map, or a method's map without its prediction.
        TraceError: no such layer.
    """
    pictures = Pictures(findings, photo, colour_map, opacity, dim)
    shown, prediction = findings.shown, findings.prediction
    main = shown if isinstance(shown, HeatMap) else shown.layer(-1 if layer is None else layer)
    height, width = prediction.photo.size
    about = [prediction.model.entry.title, f"photo {width} × {height} px"]
    if len(prediction.people) > 1:
        about.append(f"person {findings.asked.person + 1} of {len(prediction.people)}")
    if not photo:
        about.append("the photo itself is left out")
    title = findings.title[:1].upper() + findings.title[1:]
    here = Path(__file__)
    sections = shell.filled(
        here.with_name("explanation.html"),
        pose=shell.image(pictures.pose, "The pose on the photo", "map") + shell.star(pictures.star),
        pose_words=_caption("The pose", _pose_lines(findings)),
        map=shell.image(pictures.large(main), _alt(main), "map") + shell.star(pictures.star),
        map_words=_caption(_name(main, findings), _lines(main, findings)),
        bar=shell.bar(pictures.bar(main), _ticks(main, pictures)),
        layers=_layers(findings, pictures),
        heads=_heads(findings, pictures),
        numbers=shell.scrolled(_numbers(findings), "Numbers"),
        meanings=shell.meanings([*_columns(findings), *OTHERS]),
        keypoints=shell.scrolled(_pose(findings), "Keypoints", "narrow"),
        closing=closing(
            [(prediction.model, _method(findings))], python_call(findings), command_line(findings)
        ),
    )
    style = here.with_name("explanation.css").read_text(encoding="utf-8")
    return shell.document(title, about, sections, lead=_warning(findings), style=style)


def _warning(findings: Findings) -> str:
    model = findings.prediction.model
    if model.trained:
        return shell.warning(unsure_words(findings.prediction) or "")
    return shell.warning(
        f"{model.entry.title} has random weights: pose, maps and numbers show nothing learnt."
    )


def _pose_lines(findings: Findings) -> list[str]:
    """What stands under the pose."""
    asked, prediction = findings.asked, findings.prediction
    lines = [f"asked: {asked.label}"]
    if asked.keypoint is not None:
        lines.append(f"confidence {prediction.people[asked.person].scores[asked.keypoint]:.2f}")
    missing = left_out_words(prediction.people, prediction.skeleton, asked.person)
    return [*lines, mark_words(prediction), *([missing] if missing else [])]


def _name(one: AttentionMap | HeatMap, findings: Findings) -> str:
    if isinstance(one, HeatMap):
        return findings.method.title
    words = legend_lines(one, findings.prediction.model)[0].partition(" · ")[2]
    return words[:1].upper() + words[1:]


def _alt(one: AttentionMap | HeatMap) -> str:
    return f"map of {one.name}"


def _lines(one: AttentionMap | HeatMap, findings: Findings) -> list[str]:
    """What stands under a map."""
    model, trust = findings.prediction.model, findings.trust(one)
    if isinstance(one, HeatMap):
        return heat_legend_lines(one, model, faithfulness=trust)[1:] + _even(findings, one)
    return legend_lines(one, model)[1:] + ([trust.words] if trust else []) + _even(findings, one)


def _even(findings: Findings, one: AttentionMap | HeatMap) -> list[str]:
    """What is said of a map whose colours show nothing, see :data:`posekit.draw.legend.EVEN`."""
    measured = findings.numbers(one)
    return list(filter(None, [even_words(measured.entropy_share)])) if measured else []


def _caption(name: str, lines: Sequence[str]) -> str:
    words = "<br>".join(escape(line) for line in lines)
    return f"<figcaption><strong>{escape(name)}</strong>{words}</figcaption>"


def _ticks(one: AttentionMap | HeatMap, pictures: Pictures) -> list[str]:
    *ticks, last = pictures.ticks(one)
    return [*ticks, f"{last} per cell"]


def _layers(findings: Findings, pictures: Pictures) -> str:
    if len(findings.maps) < 2:
        return ""
    figures = "".join(
        f'<figure><span class="view">{shell.image(pictures.medium(one), _alt(one), "map")}'
        f"{shell.star(pictures.star)}</span>"
        f"{_caption(_name(one, findings), _short(findings, one))}</figure>"
        for one in findings.maps
    )
    return (
        "<section><h2>Every layer</h2><p class=soft>The same question in every layer, in forward "
        f'order; each map is coloured up to its own maximum.</p><div class="panels">{figures}'
        "</div></section>"
    )


def _heads(findings: Findings, pictures: Pictures) -> str:
    rows = []
    for one in findings.maps:
        heads = () if isinstance(one, HeatMap) else findings.heads.get(one.layer, ())
        figures = "".join(
            f'<figure><span class="view">'
            f"{shell.image(pictures.small(head), f'head {n} of {head.layer}', 'head')}</span>"
            f"{_caption(f'Head {n}', _short(findings, head)[:1] + _even(findings, head))}</figure>"
            for n, head in enumerate(heads, start=1)
        )
        if figures:
            rows.append(
                f'<h3>{escape(_name(one, findings))}</h3><div class="heads">{figures}</div>'
            )
    if not rows:
        return ""
    return f"<section><h2>Every head</h2>{''.join(rows)}</section>"


def _columns(findings: Findings) -> tuple[tuple[str, str], ...]:
    return (WHOLE, *COLUMNS[1:]) if findings.whole else COLUMNS


def _short(findings: Findings, one: AttentionMap | HeatMap) -> list[str]:
    measured = findings.numbers(one)
    if measured is None:
        return ["nothing there"]
    return [
        f"{percent(measured.mass_in_box)} {_columns(findings)[0][0]}",
        f"spread {percent(measured.entropy_share)}"
        f" · peak distance {measured.peak_distance_px:.0f} px",
        *([f"strongest around {around_words(measured)}"] if measured.around else []),
        *_even(findings, one),
    ]


def _numbers(findings: Findings) -> str:
    rows = []
    for one in findings.maps:
        rows.append((_name(one, findings), _which(one), findings.numbers(one)))
        for head in () if isinstance(one, HeatMap) else findings.heads.get(one.layer, ()):
            rows.append(
                (_name(one, findings), f"head {(head.head or 0) + 1}", findings.numbers(head))
            )
    heads = [
        ("map", ""),
        ("head", "Counted from 1; the mean is over all heads."),
        *_columns(findings),
    ]
    return shell.table(heads, ([name, which, *_cells(one)] for name, which, one in rows))


def _which(one: AttentionMap | HeatMap) -> str:
    if isinstance(one, HeatMap) or one.heads == 1:
        return "–"
    return "mean" if one.head is None else f"head {one.head + 1}"


def _cells(measured: MapNumbers | None) -> list[str]:
    if measured is None:
        return ["–"] * len(COLUMNS)
    return [
        percent(measured.mass_in_box),
        percent(measured.mass_in_both),
        percent(measured.mass_in_other_boxes),
        percent(measured.mass_outside),
        f"{measured.entropy_nats:.2f} nats",
        percent(measured.entropy_share),
        f"{measured.peak_distance_px:.0f} px",
    ]


def _pose(findings: Findings) -> str:
    person = findings.prediction.people[findings.asked.person]
    rows = (
        [name, f"{x:.1f}" if there else "–", f"{y:.1f}" if there else "–", f"{score:.2f}"]
        for name, (x, y), score, there in zip(
            findings.prediction.skeleton.keypoints,
            person.keypoints,
            person.scores,
            person.found,
            strict=True,
        )
    )
    heads = [
        ("keypoint", ""),
        ("x", "Pixels of the photo from its left edge; the first pixel's centre is 0."),
        ("y", "Pixels of the photo from its upper edge; the first pixel's centre is 0."),
        OTHERS[0],
    ]
    return shell.table(heads, rows)


def _method(findings: Findings) -> str:
    """What the method was asked with; nothing where it was asked for no more than its name."""
    options = findings.shown.options if isinstance(findings.shown, HeatMap) else findings.options
    if not options:
        return ""
    words = asked_words(findings.method.name, options, findings.prediction.model)
    return f"{findings.method.title}: {' · '.join(words)}"
