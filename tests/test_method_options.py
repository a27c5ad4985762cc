"""Options as they are typed: each becomes the type its default has, or a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from posekit.errors import TraceError
from posekit.explain import find_method, list_methods
from posekit.explain.options import option_words, read_options, settable


@pytest.mark.parametrize(
    ("method", "word", "value"),
    [
        ("integrated-gradients", "steps=64", 64),
        ("integrated-gradients", "noise-samples = 4", 4),
        ("integrated-gradients", "baseline=blur", "blur"),
        ("saliency", "noise=0.3", 0.3),
        ("saliency", "noise=1", 1.0),
        ("rise", "centred=no", False),
        ("rise", "centred=true", True),
        ("rollout", "head=2", 2),
        ("rollout", "head=max", "max"),
        ("rollout", "start=encoder.2", "encoder.2"),
        ("relevance", "start=1", 1),
        ("contribution", "head=none", None),
        ("contribution", "head=3", 3),
        ("grad-cam", "layer=trunk.2", "trunk.2"),
        ("attention", "layers=encoder.1, encoder.3", ["encoder.1", "encoder.3"]),
    ],
)
def test_a_value_has_the_type_of_the_default(method: str, word: str, value: Any) -> None:
    (found,) = read_options(find_method(method), [word]).values()
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("method", "words", "said"),
    [
        ("rise", ["mask=10"], "did you mean masks"),
        ("rise", ["colour=red"], "it takes masks=1000, cells=8"),
        ("rise", ["masks"], "written key=value"),
        ("rise", ["=3"], "written key=value"),
        ("rise", ["masks=many"], "a whole number such as 1000, not 'many'"),
        ("rise", ["masks=1.5"], "a whole number"),
        ("rise", ["keep=half"], "a number such as 0.5"),
        ("rise", ["centred=maybe"], "true or false"),
        ("rise", ["masks=1", "masks=2"], "given twice"),
        ("rise", ["person=1"], "no option 'person'"),
        ("rise", ["progress=1"], "no option 'progress'"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(method: str, words: list[str], said: str) -> None:
    with pytest.raises(TraceError, match=said) as refused:
        read_options(find_method(method), words)
    assert "\n" not in str(refused.value)


def test_a_method_without_options_says_so() -> None:
    def nothing(prediction: object, target: object, *, person: int | None = None) -> Any:
        raise NotImplementedError

    bare = replace(find_method("rollout"), name="bare", function=nothing)
    assert settable(bare) == {} and option_words(bare) == ""
    with pytest.raises(TraceError, match="it takes none"):
        read_options(bare, ["a=1"])


def test_every_default_written_out_is_read_back() -> None:
    for method in list_methods():
        for name, default in settable(method).items():
            text = "none" if default is None else str(default)
            assert read_options(method, [f"{name}={text}"])[name] == default, (method.name, name)


def test_methods_go_by_a_title_people_know() -> None:
    titles = {m.name: m.title for m in list_methods()}
    assert titles["rise"] == "RISE" and titles["grad-cam"] == "Grad-CAM"
    assert titles["integrated-gradients"] == "Integrated gradients"
    assert len(set(titles.values())) == len(titles)
