"""The Occlusion page's calls without a browser: the core's numbers, hostile input, privacy."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio.data_classes import DataWithFiles
from PIL import Image

from app.calls import SURPRISE, spoken
from app.explore import Explorer
from app.occlusion import GRIDS, Hider
from app.occlusion_library import FORWARDED, GONE, OFF
from app.occlusion_payload import NO_MASK
from app.server import serve
from app.session import SessionError, SessionStore
from app.style import SCRIPTS, STATIC, markup
from posekit.errors import TraceError
from posekit.explain import explain
from posekit.occlusion import (
    CaseLibrary,
    occluder_from_dict,
    prepared_case,
    study,
    sweep_limb,
)

SMALL, LARGE = "transpose-r-small", "transpose-r-a3"
CASE = "in full view"
Sent = dict[str, Any]
NUMBERS = count(1)  # of the questions, as the page counts them


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library")


@pytest.fixture(scope="module")
def explorer(folder: Path) -> Explorer:
    return Explorer(device="cpu", model=SMALL, library=CaseLibrary(folder))


@pytest.fixture(scope="module")
def hider(explorer: Explorer) -> Hider:
    return explorer.hider


@pytest.fixture(scope="module")
def opened(explorer: Explorer, hider: Hider) -> Sent:
    token = explorer.start({})["token"]
    reply = hider.occlusion_open({"token": token, "case": CASE, "model": SMALL})
    return {"token": token, "reply": reply}


def rectangle(x: float = 200, y: float = 120, side: float = 80) -> Sent:
    return {"kind": "rectangle", "box": [x, y, side, side], "colour": "grey"}


def sent(opened: Sent, **more: Any) -> Sent:
    reply = opened["reply"]
    return {
        "token": opened["token"], "view": reply["id"], "case": CASE, "whole": False,
        "person": reply["person"], "keypoint": reply["keypoint"], "occluder": reply["occluder"],
        "number": next(NUMBERS), **more,
    }  # fmt: skip


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def call(do: Callable[[Sent], Sent], data: Any) -> Sent:
    """As the page calls it: errors come as sentences."""
    reply = spoken(lambda asked: do(asked))(data)
    json.dumps(reply, allow_nan=False)
    return reply


def noise(size: tuple[int, int] = (150, 110), seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def uploaded(explorer: Explorer, model: str = SMALL) -> Sent:
    """A visitor with a photo of their own."""
    token = explorer.start({})["token"]
    fields = {"token": token, "model": model, "boxes": "[]"}
    view = explorer.analyse(DataWithFiles(data=fields, files=[("photo", noise())]))
    return {"token": token, "reply": view}


def test_a_case_opens_with_its_truth_its_masks_and_its_first_occluder(
    hider: Hider, opened: Sent
) -> None:
    reply, case = opened["reply"], prepared_case(CASE)
    assert reply["skeleton"]["keypoints"][reply["keypoint"]] == case.case.keypoint
    assert occluder_from_dict(reply["occluder"]) == case.occluder
    assert reply["photo"]["src"].startswith("data:image/jpeg")
    assert reply["masks"]["words"] == "exact masks of a rendered scene"
    counts = reply["masks"]["list"][0]["counts"]
    assert sum(counts[1::2]) == case.masks.masks[0].sum()
    np.testing.assert_allclose(reply["mean"], case.photo.pixels.mean(axis=(0, 1)), atol=0.51)
    assert [one["level"] for one in hider.choices()["cases"]][:2] == ["easy", "easy"]
    assert hider.cases.occlusion_thumb({"case": CASE})["thumb"].startswith("data:image/jpeg")
    json.dumps(reply, allow_nan=False)


def test_both_sides_carry_the_cores_numbers(explorer: Explorer, hider: Hider, opened: Sent) -> None:
    reply = hider.occlusion_study(sent(opened))
    before = explorer.sessions.get(opened["token"], opened["reply"]["id"])
    case = prepared_case(CASE)
    exact = study(
        before.model, case.photo, case.occluder, keypoint=case.case.keypoint, boxes=case.boxes,
        masks=case.masks, truth=case.truth(before.skeleton), before=before,
    )  # fmt: skip
    assert reply["sentences"] == list(exact.sentences)
    assert [row["key"] for row in reply["changes"]] == [row.key for row in exact.changes]
    assert reply["before"]["confidence"] == exact.before.confidence
    assert reply["after"]["confidence"] == pytest.approx(exact.after.confidence, abs=1e-5)
    assert "off_truth" in {row["key"] for row in reply["changes"]}
    for layer in reply["layers"]:
        row = explain(before, exact.before.query).layer(layer["name"])  # type: ignore[arg-type]
        np.testing.assert_array_equal(floats(layer["before"]["weights"]), row.weights.ravel())
        assert layer["shares"][0]["own"] == exact.before.purity[layer["name"]].own
        # One scale: the strongest colour is the same density of attention on both sides.
        cells = [abs(np.linalg.det(np.reshape(layer[s]["toPhoto"], (2, 3))[:, :2]))
                 for s in ("before", "after")]  # fmt: skip
        tops = [layer[s]["top"] / cell for s, cell in zip(("before", "after"), cells, strict=True)]
        assert tops[0] == pytest.approx(tops[1])
        strongest = max(floats(layer[s]["weights"]).max() for s in ("before", "after"))
        assert layer["before"]["top"] == pytest.approx(float(strongest))
    json.dumps(reply, allow_nan=False)


def test_only_a_new_occluder_costs_a_pass_of_the_model(
    explorer: Explorer, hider: Hider, opened: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[int] = []
    module = explorer.shelf.get(SMALL).module
    monkeypatch.setattr(module, "forward", _counting(module.forward, passes))
    first = hider.occlusion_study(sent(opened, occluder=rectangle()))
    assert len(passes) == 1  # the side after alone
    other = hider.occlusion_study(sent(opened, occluder=rectangle(), keypoint=0))
    assert other["label"] != first["label"]
    hider.occlusion_study(sent(opened, occluder=rectangle(), layer="encoder.1"))
    hider.occlusion_limb(sent(opened, share=0.5))
    hider.occlusion_study(sent(opened, occluder=None))
    assert len(passes) == 1
    moved = hider.occlusion_study(sent(opened, occluder=rectangle(x=230)))
    assert len(passes) == 2
    # What lies before is the same to the last bit, wherever the occluder is.
    assert json.dumps(moved["before"]) == json.dumps(first["before"])
    for one, two in zip(first["layers"], moved["layers"], strict=True):
        assert one["before"]["weights"] == two["before"]["weights"]
        assert one["after"]["weights"] != two["after"]["weights"]


def _counting(forward: Callable[..., Any], passes: list[int]) -> Callable[..., Any]:
    def run(*given: Any, **named: Any) -> Any:
        passes.append(1)
        return forward(*given, **named)

    return run


def test_a_question_that_a_newer_one_overtook_is_not_answered(
    explorer: Explorer, hider: Hider, opened: Sent
) -> None:
    older = sent(opened)
    assert "before" in hider.occlusion_study(sent(opened))
    assert hider.occlusion_study(older) == {"stale": True}
    # Overtaken while it waited for the model: no pass is made for it.
    replies = []
    with explorer.gate.enter():
        late = sent(opened, occluder=rectangle(x=10))
        waiting = threading.Thread(target=lambda: replies.append(hider.occlusion_study(late)))
        waiting.start()
        time.sleep(0.2)
        assert hider.occlusion_study(sent(opened, occluder=None))["before"]
    waiting.join(30)
    assert replies == [{"stale": True}]
    # Another visitor's numbers are another visitor's.
    other = explorer.start({})["token"]
    view = hider.occlusion_open({"token": other, "case": CASE, "model": SMALL})["id"]
    assert "before" in hider.occlusion_study(sent(opened, token=other, view=view, number=1))


def test_a_free_spot_and_every_occluder_are_answered(hider: Hider, opened: Sent) -> None:
    reply = hider.occlusion_study(
        sent(opened, keypoint=None, point=[240.0, 200.0], occluder=rectangle())
    )
    assert reply["keypoint"] is None and reply["before"]["point"] == [240.0, 200.0]
    mask = opened["reply"]["masks"]["list"][0]
    things = [
        {"kind": "stroke", "points": [[100, 100], [200, 160]], "width": 20, "colour": [9, 8, 7]},
        {"kind": "patch", "source": [0, 0, 60, 60], "target": [200, 150]},
        {"kind": "cutout", "mask": mask, "by": [40, 0]},
        hider.occlusion_limb(sent(opened, share=0.7))["occluder"],
    ]
    for thing in things:
        reply = hider.occlusion_study(sent(opened, occluder=thing))
        assert reply["occluder"]["kind"] == thing["kind"]
        assert any(row["key"] == "covered_person" for row in reply["changes"])
        json.dumps(reply, allow_nan=False)
    assert hider.occlusion_limb(sent(opened, share=0))["occluder"] is None


HOSTILE: list[Sent] = [
    {"occluder": "rectangle"},
    {"occluder": {"kind": "bomb"}},
    {"occluder": {"kind": "rectangle", "box": [0, 0, float("nan"), 5]}},
    {"occluder": {"kind": "rectangle", "box": [0, 0, 1e308, 5]}},
    {"occluder": {"kind": "rectangle", "box": [9000, 9000, 5, 5]}},
    {"occluder": {"kind": "rectangle", "box": [1, 1, 5, 5], "colour": "<b>"}},
    {"occluder": {"kind": "stroke", "points": [], "width": 4}},
    {"occluder": {"kind": "stroke", "points": [[0, 0], [400, 400]] * 2000, "width": 900}},
    {"occluder": {"kind": "cutout", "mask": {"size": [10**9, 10**9], "counts": [1]}, "by": [0, 0]}},
    {"occluder": {"kind": "cutout", "mask": {"size": [2, 2], "counts": [0, 4]}, "by": [0, 0]}},
    {"occluder": {"kind": "patch", "source": [0, 0, 9], "target": [1, 2]}},
    {"keypoint": 99},
    {"keypoint": "left wrist"},
    {"keypoint": True},
    {"keypoint": None, "point": None},
    {"keypoint": None, "point": [float("inf"), 3]},
    {"keypoint": None, "point": "here"},
    {"person": 7},
    {"person": -1},
    {"person": 0.5},
    {"number": "newest"},
]


@pytest.mark.parametrize("wrong", HOSTILE, ids=lambda one: json.dumps(one)[:60])
def test_hostile_questions_get_one_sentence_quickly(
    hider: Hider, opened: Sent, wrong: Sent
) -> None:
    began = time.perf_counter()
    for do in (hider.occlusion_study, hider.occlusion_download, hider.library.occlusion_save):
        more = {"format": "json", "title": "x", "note": ""}
        if "number" in wrong and do != hider.occlusion_study:
            continue
        reply = call(do, sent(opened, **{**more, **wrong}))
        assert set(reply) == {"error"} and reply["error"] != SURPRISE, reply
    assert time.perf_counter() - began < 10
    # Nothing was lost by it.
    assert "before" in hider.occlusion_study(sent(opened))


@pytest.mark.parametrize(
    "data",
    [None, [], "x", 7, {}, {"token": None}, {"token": {"a": 1}, "view": ["b"]}],
    ids=str,
)
def test_what_is_no_question_at_all_is_refused_too(hider: Hider, data: Any) -> None:
    for do in hider.calls:
        assert "error" in call(do, data), do.__name__


def test_wrong_names_are_refused_with_those_there_are(hider: Hider, opened: Sent) -> None:
    token = opened["token"]
    for do, data, word in (
        (hider.occlusion_open, {"token": token, "case": "no such", "model": SMALL}, CASE),
        (hider.occlusion_open, {"token": token, "case": {}, "model": SMALL}, CASE),
        (hider.occlusion_open, {"token": token, "case": CASE, "model": "x"}, SMALL),
        (hider.cases.occlusion_thumb, {"case": "../../etc"}, CASE),
        (hider.occlusion_sweep, sent(opened, kind="spiral"), "grid, limb"),
        (hider.occlusion_sweep, sent(opened, kind="grid", grid="10000"), "usual"),
        (hider.occlusion_sweep, sent(opened, kind="limb", keypoint=None, point=[9, 9]), "keypoint"),
        (hider.occlusion_download, sent(opened, format="exe"), "html"),
        (hider.occlusion_download, sent(opened, format="html", note=["x"]), "note"),
        (hider.occlusion_limb, sent(opened, share="all"), "number"),
        (hider.occlusion_limb, sent(opened, share=7), "0 to 1"),
        (hider.occlusion_limb, sent(opened, share=float("nan")), "0 to 1"),
    ):
        reply = call(do, data)
        assert set(reply) == {"error"} and word in reply["error"], reply


def test_who_is_gone_is_told_and_nobody_reaches_anothers_photo(
    explorer: Explorer, hider: Hider, opened: Sent
) -> None:
    mine, other = uploaded(explorer), explorer.start({})["token"]
    view = mine["reply"]["id"]
    question = {"view": view, "person": 0, "keypoint": 0, "occluder": rectangle(10, 10, 20)}
    more = {"whole": True, "format": "json", "kind": "limb", "share": 0.5, "model": SMALL}
    guarded = (
        hider.occlusion_study, hider.occlusion_limb, hider.occlusion_sweep,
        hider.occlusion_download, hider.library.occlusion_save, hider.occlusion_open,
    )  # fmt: skip
    for do in guarded:
        for token in (other, "guess", "", mine["token"][:-1] + "x"):
            reply = call(do, {"token": token, **question, **more})
            assert set(reply) == {"error", "expired"}, (do.__name__, reply)
    for do in (hider.library.occlusion_cases, hider.library.occlusion_delete):
        assert call(do, {"token": "guess", "saved": "x"})["expired"]
    # A stranger cannot drop it either.
    hider.occlusion_open({"token": other, "case": CASE, "model": SMALL, "instead": view})
    assert "before" in hider.occlusion_study({"token": mine["token"], **question, **more})
    # Nor does naming a case lend its truth to another photo.
    reply = hider.occlusion_study({"token": mine["token"], "case": CASE, **question, **more})
    assert "off_truth" not in {row["key"] for row in reply["changes"]}
    explorer.forget({"token": mine["token"]})
    assert call(hider.occlusion_study, {"token": mine["token"], **question})["expired"]


def test_ones_own_photo_needs_no_second_analysis_and_goes_through_other_models(
    explorer: Explorer, hider: Hider
) -> None:
    mine = uploaded(explorer)
    base = {"token": mine["token"], "view": mine["reply"]["id"], "whole": True, "boxes": []}
    same = hider.occlusion_open({**base, "model": SMALL})
    assert same["id"] == mine["reply"]["id"] and same["photo"]["src"] is None
    other = hider.occlusion_open({**base, "model": LARGE})
    assert other["id"] != same["id"] and other["trained"] is False
    first, second = (explorer.sessions.get(mine["token"], one["id"]) for one in (same, other))
    assert second.photo is first.photo
    # Untrained weights are sure of nothing: no mask is known, and the table says so.
    question = {"token": mine["token"], "view": other["id"], "person": 0, "keypoint": 0}
    reply = hider.occlusion_study({**question, "whole": True, "occluder": rectangle(20, 20, 30)})
    assert "untrained" in " ".join(reply["sentences"])
    if other["masks"] is None:
        assert any(NO_MASK in row["cells"] for row in reply["changes"])
    again = hider.occlusion_open({**base, "model": SMALL, "instead": other["id"]})
    assert again["id"] == same["id"]
    assert call(hider.occlusion_study, question)["expired"]  # that view was let go


def test_no_mask_known_is_said_where_purity_would_stand(
    explorer: Explorer, hider: Hider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.occlusion.best_masks", lambda prediction: None)
    mine = uploaded(explorer)
    question = {"token": mine["token"], "view": mine["reply"]["id"], "person": 0, "keypoint": 0}
    reply = hider.occlusion_study({**question, "whole": True, "occluder": rectangle(20, 20, 30)})
    rows = {row["key"]: row["cells"] for row in reply["changes"]}
    for key in ("on_person", "on_others", "on_background"):
        assert rows[f"{key}.{reply['layer']}"][1:3] == [NO_MASK, NO_MASK]
    assert reply["layers"][0]["shares"][0]["own"] is None
    assert reply["layers"][0]["shares"][1]["occluder"] is not None


def done(hider: Hider, opened: Sent, reply: Sent) -> Sent:
    methods = hider.explorer.methods
    until = time.monotonic() + 120
    while "job" in reply and time.monotonic() < until:
        where = {"token": opened["token"], "view": opened["reply"]["id"], "job": reply["job"]}
        reply = methods.progress(where)
    return reply


def test_a_sweep_is_a_job_with_the_cores_numbers(
    explorer: Explorer, hider: Hider, opened: Sent
) -> None:
    found = done(hider, opened, hider.occlusion_sweep(sent(opened, kind="limb")))["answer"]
    before = explorer.sessions.get(opened["token"], opened["reply"]["id"])
    case = prepared_case(CASE)
    exact = sweep_limb(
        before.model, case.photo, keypoint=case.case.keypoint, boxes=case.boxes, masks=case.masks,
        before=before,
    )  # fmt: skip
    assert found["heat"] is None and found["shareWords"] == exact.share_words
    for key in ("share", "confidence", "on_person"):
        np.testing.assert_allclose(
            [row[key] for row in found["rows"]], [row[key] for row in exact.rows], atol=1e-4
        )
    drawn = {trace["name"]: trace for trace in found["figure"]["data"]}
    order = np.argsort(exact.share, kind="stable")
    np.testing.assert_allclose(drawn["confidence"]["x"], 100 * exact.share[order], atol=1e-9)
    np.testing.assert_allclose(drawn["confidence"]["y"], exact.confidence[order], atol=1e-4)
    json.dumps(found, allow_nan=False)
    html = base64.b64decode(hider.occlusion_download(sent(opened, format="sweep"))["bytes"])
    assert b"Plotly.newPlot" in html and b"https://cdn" not in html[:2000]
    report = base64.b64decode(hider.occlusion_download(sent(opened, format="html"))["bytes"])
    assert escape(exact.title).encode() in report


def test_a_grid_sweep_can_be_cancelled_and_another_keypoint_has_no_part_in_its_report(
    explorer: Explorer, hider: Hider, opened: Sent
) -> None:
    methods = explorer.methods
    reply = hider.occlusion_sweep(sent(opened, kind="grid", grid="fine"))
    rows, cols = GRIDS["fine"]
    assert "job" in reply
    methods.cancel({"token": opened["token"]})
    stopped = done(hider, opened, reply)
    assert stopped.get("stopped") and "stopped" in stopped["error"]
    assert rows * cols <= 200  # what one visitor may ask of everybody's machine
    other = base64.b64decode(
        hider.occlusion_download(sent(opened, format="html", keypoint=0))["bytes"]
    )
    assert b"growing along the limb" not in other


def test_downloads_say_what_is_on_show_and_escape_what_was_typed(
    hider: Hider, opened: Sent
) -> None:
    words = "<script>alert(1)</script>"
    for kind, start in (("png", b"\x89PNG"), ("npz", b"PK"), ("json", b"{"), ("html", b"<!doc")):
        reply = hider.occlusion_download(sent(opened, format=kind, note=words, title=words))
        assert reply["name"] == f"posekit-occlusion-left-wrist.{kind}"
        content = base64.b64decode(reply["bytes"])
        assert content[: len(start)].lower() == start.lower()
        assert words.encode() not in content


def test_cases_are_saved_listed_reopened_exported_and_deleted_with_their_files(
    explorer: Explorer, hider: Hider, opened: Sent, folder: Path
) -> None:
    token, library = opened["token"], hider.library
    note = "Is it <b>its own</b> wrist?"
    kept = library.occlusion_save(sent(opened, title="Mine", note=note))["saved"]
    other = explorer.start({})["token"]  # one library for whoever uses this server
    listed = library.occlusion_cases({"token": other})
    assert listed["on"] and listed["total"] == 1 and "stay" in listed["words"]
    assert [one["title"] for one in listed["cases"]] == ["Mine"]
    assert listed["cases"][0]["thumb"].startswith("data:image/jpeg")
    assert library.occlusion_cases({"token": other, "start": 1})["cases"] == []
    again = hider.occlusion_open({"token": other, "saved": kept["id"]})
    for key in ("occluder", "keypoint", "person"):
        assert again[key] == opened["reply"][key]
    assert again["case"]["note"] == note and again["model"] == SMALL
    assert again["masks"]["source"] == "scene"  # exact, as they were saved
    one = hider.occlusion_study(sent(opened, case=None))
    two = hider.occlusion_study(
        sent(opened, case=None, token=other, view=again["id"], saved=kept["id"])
    )
    assert two["after"]["confidence"] == pytest.approx(one["after"]["confidence"], abs=1e-5)
    page = base64.b64decode(
        library.occlusion_export({"token": other, "saved": kept["id"]})["bytes"]
    )
    assert b"Mine" in page and b"<b>its own" not in page
    wrong: list[Any] = [None, "", "../..", kept["id"] + "0", 7, ["x"], {"id": kept["id"]}]
    for case in wrong:
        for do in (library.occlusion_delete, library.occlusion_export):
            assert call(do, {"token": token, "saved": case}) == {"error": GONE}
    assert len([one for one in folder.iterdir() if one.is_dir()]) == 1
    assert library.occlusion_delete({"token": other, "saved": kept["id"]})["deleted"] == kept["id"]
    assert [one for one in folder.iterdir() if one.is_dir()] == []
    assert library.occlusion_cases({"token": token})["total"] == 0
    # Whoever has it open goes on with it; its masks are estimated from then on.
    still = sent(opened, case=None, token=other, view=again["id"], saved=kept["id"])
    assert "before" in hider.occlusion_study(still)
    long = {"title": "x", "note": "n" * 4001}
    assert "4000 characters" in call(library.occlusion_save, sent(opened, **long))["error"]


def test_the_librarys_folder_is_not_told_to_visitors(
    explorer: Explorer, tmp_path: Path, opened: Sent
) -> None:
    (tmp_path / "secret-place").write_text("in the way")
    hider = Hider(explorer, CaseLibrary(tmp_path / "secret-place" / "cases"))
    reply = call(hider.library.occlusion_save, sent(opened, title="x"))
    assert "cannot be used" in reply["error"] and "secret-place" not in reply["error"]


def test_without_a_folder_the_library_is_off_and_says_so(explorer: Explorer, opened: Sent) -> None:
    hider, token = Hider(explorer), {"token": opened["token"]}
    assert hider.choices()["library"] == {"on": False, "words": OFF}
    assert hider.library.occlusion_cases(token)["cases"] == []
    for do in (hider.library.occlusion_save, hider.occlusion_open):
        reply = call(do, sent(opened, case=None, saved="0" * 32, title="x", model=SMALL))
        assert reply == {"error": OFF}
    # Taking the case home works all the same.
    assert "bytes" in hider.occlusion_download(sent(opened, format="html"))


def test_a_local_library_is_not_for_those_who_come_through_a_proxy(
    explorer: Explorer, folder: Path, opened: Sent
) -> None:
    hider = Hider(explorer, CaseLibrary(folder), local=True)
    assert hider.library.occlusion_cases({"token": opened["token"]})["on"]
    mark = FORWARDED.set(True)
    try:
        assert hider.library.occlusion_cases({"token": opened["token"]})["words"] == OFF
        assert call(hider.library.occlusion_save, sent(opened, title="x")) == {"error": OFF}
    finally:
        FORWARDED.reset(mark)


def test_serve_has_a_library_only_where_it_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from app import server

    made: list[Any] = []

    class Made(Exception):
        pass

    def explorer(**given: Any) -> None:
        made.append((given["library"], given["local"]))
        raise Made

    monkeypatch.setattr(server, "Explorer", explorer)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    for host, cases in (("127.0.0.1", None), ("0.0.0.0", None), ("0.0.0.0", tmp_path / "cases")):
        with pytest.raises(Made):
            server.serve(host, cases=cases)
    assert (made[0][0] is not None, made[0][1]) == (True, True)
    assert made[1] == (None, False)
    assert (made[2][0].folder, made[2][1]) == (tmp_path / "cases", False)


def test_the_page_has_four_pages_and_no_script_takes_anothers_names() -> None:
    page = markup()
    assert re.findall(r'data-page="(\w+)"', page) == ["explore", "compare", "occlusion", "models"]
    slots = re.findall(r'data-slot="(oc-[\w-]+)"', (STATIC / "occlusion.html").read_text())
    assert [name for name, count in Counter(slots).items() if count > 1] == []
    used = {
        name
        for script in SCRIPTS
        if script.startswith("occlusion")
        for name in re.findall(r'slot\("(oc-[\w-]+)"\)', (STATIC / script).read_text())
    }
    assert used <= set(slots)


def test_a_proxy_is_noticed_over_http(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    explorer = Explorer(device="cpu", model=SMALL, library=CaseLibrary(folder), local=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = serve(port=port, block=False, explorer=explorer)
    try:
        base = f"http://127.0.0.1:{port}"
        parts = httpx.get(f"{base}/config").json()["components"]
        us = next(one["id"] for one in parts if one["props"].get("elem_id") == "posekit")
        asked = {"component_id": us, "fn_name": "occlusion_cases", "session_hash": "x"}
        asked["data"] = {"token": explorer.start({})["token"]}
        url = f"{base}/gradio_api/component_server/"
        assert httpx.post(url, json=asked).json()["on"] is True
        for name in ("X-Forwarded-For", "forwarded", "Via"):
            reply = httpx.post(url, json=asked, headers={name: "192.0.2.7"}).json()
            assert reply["on"] is False and reply["words"] == OFF
    finally:
        page.close()


def test_a_side_after_of_another_photo_is_refused(hider: Hider, opened: Sent) -> None:
    before = hider.explorer.sessions.get(opened["token"], opened["reply"]["id"])
    thing = occluder_from_dict(rectangle())
    with pytest.raises(TraceError, match="another photo"):
        study(before.model, before.photo, thing, keypoint=0, before=before, after=before)


def test_a_view_can_be_let_go_by_its_own_visitor_only() -> None:
    store: SessionStore[str] = SessionStore()
    mine, other = store.open(), store.open()
    view = store.put(mine, "photo", 5)
    store.drop(other, view)
    assert store.get(mine, view) == "photo"
    store.drop(mine, view)
    store.drop(mine, view)  # no error: it is gone, as was wanted
    assert store.nbytes == 0
    with pytest.raises(SessionError):
        store.get(mine, view)
    with pytest.raises(SessionError):
        store.touch("guess")
