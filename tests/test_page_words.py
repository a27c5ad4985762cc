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


def test_confidence_is_no_probability() -> None:
    text = (STATIC / "help.js").read_text("utf-8")
    assert "a peak may be a little higher" in text and "not a probability" in text
