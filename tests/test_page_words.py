"""Words of the page that a student must be able to decode, and those that say what is not so."""

from __future__ import annotations

from pathlib import Path

import pytest

STATIC = Path(__file__).resolve().parent.parent / "app" / "static"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("help.js", "1 is sure"),  # a heatmap's peak may be higher than 1
        ("numbers.js", "nats of spread"),
        ("numbers.js", "px to the peak"),  # elsewhere it is the peak distance
        ("numbers.js", "Most of it"),  # the three strongest may be a small part
        ("models.js", "In the paper"),  # or in a README: the server says
        ("models.js", "No weights can be had"),
        ("explore.html", "cuts the person out"),  # not every model does
        ("explore.html", "click it"),
        ("panel.js", "free spot"),
        ("compare-ask.js", "the same spot"),
        ("compare-figures.js", "To the strongest cell"),
        ("compare-figures.js", '"all of it"'),  # said of a model without a map
        ("compare-figures.js", "How sure the model is"),
        ("compare-figures.js", "Share of the attention"),  # two of the models have none
        ("occlusion-answer.js", "Share of the attention"),
    ],
)
def test_words_that_are_gone(file: str, words: str) -> None:
    assert words not in (STATIC / file).read_text("utf-8")


@pytest.mark.parametrize("file", ["numbers.js", "compare-figures.js"])
def test_the_peak_s_distance_has_one_name(file: str) -> None:
    assert "peak distance" in (STATIC / file).read_text("utf-8").lower()


@pytest.mark.parametrize("file", sorted(STATIC.glob("*.css")), ids=lambda one: one.name)
def test_a_tap_leaves_no_hover_behind(file: Path) -> None:
    """Styles of a hover ask for a pointer that can; what undoes one or hides a point need not."""
    for line in file.read_text("utf-8").splitlines():
        if ":hover" in line and file.name != "occlusion.css":
            guarded = line.startswith("@media (hover: hover)")
            undoes = ":not(.pk-here, :hover" in line or line.endswith((
                ".pk-zoom .pk-icon:hover { color: #fff; }",
                "header select:hover { border-color: var(--pk-line); }",
            ))  # fmt: skip
            assert guarded or undoes, line


def test_confidence_is_no_probability() -> None:
    text = (STATIC / "help.js").read_text("utf-8")
    assert "a peak may be a little higher" in text and "not a probability" in text
