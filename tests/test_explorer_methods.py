"""Methods on the Explore page without a browser: computed, kept, stopped, refused in a sentence."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from app.calls import spoken
from app.explore import Explorer
from app.session import SessionError
from posekit.estimator import Estimator, Prediction
from posekit.explain import explain, list_methods
from posekit.explain.heads import heads
from posekit.geometry import Box
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_btranspose, tiny_model

Json = dict[str, Any]


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return Explorer(device="cpu")


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Estimator(tiny_model(layers=2)).predict(noise_photo(), [Box(20, 20, 60, 90)])


class Guest:
    """A visitor who has a photo open, and asks as the page would."""

    def __init__(self, explorer: Explorer, prediction: Prediction) -> None:
        self.explorer = explorer
        self.prediction = prediction
        self.token = explorer.start({})["token"]
        self.view = explorer.sessions.put(self.token, prediction, 1000)

    def asked(self, **more: Any) -> Json:
        question = {"person": 0, "keypoint": 9, "direction": "row", "layer": "encoder.2"}
        return {"token": self.token, "view": self.view, **question, **more}

    def call(self, name: str, **more: Any) -> Json:
        """One call, errors as the page gets them."""
        owner = self.explorer if hasattr(self.explorer, name) else self.explorer.methods
        return spoken(getattr(owner, name))(self.asked(**more))

    def wait(self, reply: Json) -> Json:
        """Ask after a job until it is over."""
        for _ in range(400):
            if "job" not in reply:
                return reply
            reply = self.call("progress", job=reply["job"])
        raise AssertionError(f"still {reply}")

    def compute(self, method: str, **more: Any) -> Json:
        return self.wait(self.call("compute", method=method, **more))


@pytest.fixture
def guest(explorer: Explorer, prediction: Prediction) -> Iterator[Guest]:
    """One visitor; the line of jobs is empty again afterwards."""
    visitor = Guest(explorer, prediction)
    yield visitor
    jobs = explorer.methods.jobs
    for token in list(jobs._jobs):
        jobs.stop(token, "gone")
    assert jobs.start("last", "nothing", lambda progress: None).ended.wait(20)


class Held:
    """A network that waits in each forward pass for the test to let it go on."""

    def __init__(self, module: torch.nn.Module, patch: pytest.MonkeyPatch) -> None:
        self.passes = 0
        self.waiting = threading.Event()
        self.go = threading.Semaphore(0)
        forward = type(module).forward

        def held(*arguments: Any, **named: Any) -> Any:
            self.passes += 1
            self.waiting.set()
            assert self.go.acquire(timeout=20)
            return forward(module, *arguments, **named)

        patch.setattr(module, "forward", held)


@pytest.fixture
def held(prediction: Prediction, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    network = Held(prediction.model.module, monkeypatch)
    yield network
    for _ in range(5000):
        network.go.release()


QUICK = ("flow", "rollout", "contribution", "grad-cam", "saliency", "relevance", "input-x-gradient")


@pytest.mark.parametrize("method", QUICK)
def test_a_method_answers_with_its_own_numbers(guest: Guest, method: str) -> None:
    sent = guest.compute(method)["answer"]
    layer = {"layer": "encoder.2"} if method == "contribution" else {}
    exact = explain(guest.prediction, 9, method=method, **layer)
    maps = exact.maps if hasattr(exact, "maps") else [exact]
    planes = sent.get("layers") or [sent]
    for plane, one in zip(planes, maps, strict=True):
        values = getattr(one, "values", None) if hasattr(one, "values") else one.weights
        drawn = np.frombuffer(base64.b64decode(plane["weights"]), "<f4")
        np.testing.assert_allclose(drawn, np.ravel(values), rtol=1e-4, atol=1e-7)
        np.testing.assert_allclose(plane["toPhoto"], one.grid_to_photo.matrix.ravel())
    title = next(m.title for m in list_methods() if m.name == method)
    assert title in (sent.get("legend") or planes[0]["legends"][0])
    json.dumps(sent, allow_nan=False)


def test_every_method_is_offered_with_its_cost(explorer: Explorer) -> None:
    offered = {one["name"]: one for one in explorer.methods.listing()}
    assert list(offered) == [method.name for method in list_methods()]
    assert offered["attention"]["direction"] and not offered["rise"]["direction"]
    assert offered["contribution"]["layer"] and offered["contribution"]["heads"]
    assert not offered["grad-cam"]["layer"]  # its layer is one of the CNN's, not of the attention
    assert offered["flow"]["layers"] and not offered["rollout"]["layers"]
    assert [offered[name]["cost"] for name in ("flow", "saliency", "rise")] == [
        "instant",
        "gradients",
        "many passes",
    ]


def test_layer_and_head_reach_the_method_and_nothing_else_does(guest: Guest) -> None:
    sent = guest.compute("contribution", layer="encoder.1", head=2)["answer"]
    exact = explain(guest.prediction, 9, method="contribution", layer="encoder.1", head=2)
    drawn = np.frombuffer(base64.b64decode(sent["weights"]), "<f4")
    np.testing.assert_allclose(drawn, exact.values.ravel(), rtol=1e-4, atol=1e-7)
    assert sent["delta"] == pytest.approx(exact.delta, abs=1e-5)
    many = guest.explorer.methods.wanted(
        guest.prediction, guest.asked(method="rise", masks=10**9, options={"masks": 10**9})
    )
    assert many.options == ()


def test_a_free_spot_is_explained_by_what_the_model_sees_there(guest: Guest) -> None:
    spot = {"keypoint": None, "point": [50.0, 60.0], "free": True}
    sent = guest.compute("saliency", **spot)["answer"]
    assert "at point (50, 60)" in sent["legend"]
    outside = guest.compute("saliency", **{**spot, "point": [5000.0, 60.0]})
    assert "outside this person's crop" in outside["error"]


def test_the_same_question_is_not_computed_twice(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = guest.compute("saliency")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("it was computed again")

    monkeypatch.setattr("app.methods.explain", never)
    assert guest.compute("saliency") == first
    assert "error" in guest.compute("saliency", keypoint=10)
    assert "error" in guest.compute("input-x-gradient")
    other = Guest(guest.explorer, guest.prediction)  # answers are a visitor's own
    assert "error" in other.compute("saliency")


def test_progress_is_told_and_cancel_stops_the_network(guest: Guest, held: Held) -> None:
    reply = guest.call("compute", method="occlusion")
    assert held.waiting.wait(10)
    held.go.release()  # what the photo is without any square
    held.go.release()  # one batch of squares
    for _ in range(100):
        reply = guest.call("progress", job=reply["job"])
        if reply["done"]:
            break
    assert reply["state"] == "running" and 0 < reply["done"] < reply["total"]
    assert guest.call("cancel") == {"stopped": True}
    held.go.release()
    over = guest.wait(reply)
    assert over == {"error": "Occlusion was stopped.", "stopped": True}
    passes = held.passes
    for _ in range(50):
        held.go.release()
    time.sleep(0.2)
    assert held.passes == passes  # nothing runs on behind the visitor's back


def test_the_page_answers_clicks_meanwhile(guest: Guest, held: Held) -> None:
    reply = guest.call("compute", method="rise")
    assert held.waiting.wait(10)
    assert len(guest.call("explain", keypoint=4)["layers"]) == 2
    assert guest.call("progress", job=reply["job"])["state"] == "running"


def test_another_question_takes_the_place_of_the_old(guest: Guest, held: Held) -> None:
    old = guest.call("compute", method="rise")
    assert held.waiting.wait(10)
    new = guest.call("compute", method="rollout", keypoint=4)
    assert new["state"] == "waiting"
    held.go.release()
    held.go.release()
    assert "answer" in guest.wait(new)
    assert "start it again" in guest.call("progress", job=old["job"])["error"]


def test_nobody_sees_another_visitor_s_job(guest: Guest, held: Held) -> None:
    reply = guest.call("compute", method="rise")
    other = Guest(guest.explorer, guest.prediction)
    assert set(other.call("progress", job=reply["job"])) == {"error"}
    other.call("cancel")
    assert guest.call("progress", job=reply["job"])["state"] == "running"
    stranger = spoken(guest.explorer.methods.progress)
    for token in ("", "guess", guest.token[:-1]):
        sent = {**guest.asked(job=reply["job"]), "token": token}
        assert stranger(sent).get("expired") is True


def test_the_photo_changed_meanwhile(guest: Guest, held: Held) -> None:
    reply = guest.call("compute", method="rise")
    assert held.waiting.wait(10)
    guest.call("cancel", why="photo")
    held.go.release()
    said = guest.wait(reply)["error"]
    assert said == ("The photo changed while RISE was being computed for it, so it was stopped.")


def test_a_visit_that_ends_stops_its_work(guest: Guest, held: Held) -> None:
    reply = guest.call("compute", method="rise")
    assert held.waiting.wait(10)
    guest.explorer.forget({"token": guest.token})
    gone = guest.call("progress", job=reply["job"])
    assert gone == {
        "error": "This visit has expired; please choose the photo again.",
        "expired": True,
    }
    held.go.release()
    passes = held.passes
    time.sleep(0.2)
    assert held.passes <= passes + 1


def test_a_photo_let_go_of_meanwhile_is_sent_again_by_the_page(guest: Guest, held: Held) -> None:
    reply = guest.call("compute", method="saliency")
    assert held.waiting.wait(10)
    for _ in range(guest.explorer.sessions.limits.max_views):
        guest.explorer.sessions.put(guest.token, guest.prediction, 1000)
    with pytest.raises(SessionError):
        guest.explorer.sessions.get(guest.token, guest.view)
    held.go.release()
    assert guest.call("progress", job=reply["job"])["expired"] is True


def test_a_keypoint_that_was_not_found_is_a_sentence(explorer: Explorer) -> None:
    model = tiny_model(layers=1)
    with torch.no_grad():
        model.module.final_layer.bias[9] = -100.0
    found = Estimator(model).predict(noise_photo())
    guest = Guest(explorer, found)
    said = guest.compute("saliency")["error"]
    assert "left wrist was found" in said and said.endswith("nothing to explain.")
    assert "left wrist was found" in guest.wait(guest.call("trust", layer="encoder.1"))["error"]
    assert len(guest.call("explain")["layers"]) == 1  # attention needs a place, and no peak


def test_a_model_without_attention_says_so_and_has_other_methods(explorer: Explorer) -> None:
    found = Estimator(pose_model(BlobFinder(), (64, 48))).predict(noise_photo())
    guest = Guest(explorer, found)
    answer = guest.call("explain", layer=None)
    assert answer["layers"] == [] and answer["query"]["label"] == "left wrist"
    assert "no attention between places" in guest.compute("rollout", layer=None)["error"]
    assert "weights" in guest.compute("saliency", layer=None)["answer"]
    view = explorer._keep(guest.token, found, True, nbytes=0, notes=[])
    assert view["layers"] == [] and view["live"] is False


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("integrated-gradients", torch.OutOfMemoryError("CUDA out of memory")),
        ("relevance", RuntimeError("DefaultCPUAllocator: can't allocate memory")),
        ("contribution", MemoryError()),
    ],
)
def test_memory_that_runs_out_is_a_sentence(
    guest: Guest, monkeypatch: pytest.MonkeyPatch, method: str, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(guest.prediction.model.module, "forward", full)
    said = guest.compute(method)["error"]
    assert said.startswith("There is not enough memory for this explanation")
    monkeypatch.undo()
    assert "answer" in guest.compute("rollout")  # and the page goes on


def test_attention_is_no_job_and_an_unknown_method_is_refused(guest: Guest) -> None:
    assert "answers a click by itself" in guest.call("compute", method="attention")["error"]
    assert "no method 'nonsense'" in guest.call("compute", method="nonsense")["error"]
    assert "no method" in guest.call("compute")["error"]


# --- how faithful -----------------------------------------------------------------------------


def test_a_shown_map_is_weighed_against_chance_once(guest: Guest) -> None:
    first = guest.wait(guest.call("trust", head=1))["answer"]
    assert first["words"].startswith("faithfulness ") and first["meaning"].endswith(".")
    again = guest.call("trust", head=1)
    assert again["answer"] == first  # at once: it was kept
    guest.compute("rollout")
    other = guest.wait(guest.call("trust", method="rollout"))["answer"]
    assert other["chance"] == first["chance"] and other["score"] != first["score"]


def test_a_map_that_is_not_there_is_not_weighed(guest: Guest) -> None:
    said = guest.call("trust", method="rise")["error"]
    assert said == "RISE has not been computed for this spot yet; compute it first."


def test_downloads_hold_the_method_and_its_figure(guest: Guest) -> None:
    look = {"palette": "viridis", "opacity": 0.8, "dim": 0.4, "keep": 0.5}
    early = guest.call("download", method="contribution", format="png", **look)
    assert "compute it first" in early["error"]
    guest.compute("contribution")
    guest.wait(guest.call("trust", method="contribution"))
    npz = guest.call("download", method="contribution", format="npz", **look)
    assert npz["name"] == "posekit-tiny-left-wrist-contribution.npz"
    import io

    with np.load(io.BytesIO(base64.b64decode(npz["bytes"]))) as kept:
        about = json.loads(str(kept["metadata"]))
        assert about["method"] == "contribution" and "score" in about["faithfulness"]
    png = guest.call("download", method="contribution", format="png", **look)
    from PIL import Image

    text = Image.open(io.BytesIO(base64.b64decode(png["bytes"]))).text  # type: ignore[attr-defined]
    assert "faithfulness" in text["Description"]


# --- parts ------------------------------------------------------------------------------------


def test_a_part_is_shown_where_there_is_one(explorer: Explorer) -> None:
    found = Estimator(tiny_btranspose()).predict(noise_photo())
    guest = Guest(explorer, found)
    view = explorer._keep(guest.token, found, True, nbytes=0, notes=[])
    parts = {layer["name"]: layer["parts"] for layer in view["layers"]}
    assert parts["mhsa.1"] == ["content", "position"] and parts["encoder.1"] == []
    titles = [layer["title"] for layer in view["layers"]]
    assert len(set(titles)) == len(titles)
    whole, alone = (guest.call("explain", part=part)["layers"] for part in (None, "position"))
    for one, other, layer in zip(whole, alone, view["layers"], strict=True):
        assert (one["weights"] != other["weights"]) is bool(layer["parts"])
        assert ("position part alone" in other["legends"][0]) is bool(layer["parts"])
    assert "has a part 'colour'" in guest.call("explain", part="colour")["error"]


def test_the_worth_of_heads_is_the_cores_and_kept_for_all_keypoints(
    guest: Guest, prediction: Prediction, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = guest.wait(guest.call("heads_worth"))["answer"]
    found = heads(prediction)
    assert list(answer["layers"]) == ["encoder.1", "encoder.2"] and answer["person"] == 0
    for name, falls in answer["layers"].items():
        for told, expected in zip(falls, found.layer(name), strict=True):
            numbers = [np.nan if fall is None else fall for fall in told]
            np.testing.assert_allclose(numbers, expected, atol=1e-6)
    monkeypatch.setattr("app.methods.heads", None)  # not run again for another keypoint
    assert guest.call("heads_worth", keypoint=4)["answer"] == answer


def test_a_model_without_attention_has_no_heads_to_weigh(explorer: Explorer) -> None:
    bare = Estimator(pose_model(BlobFinder(), (64, 48))).predict(noise_photo())
    reply = Guest(explorer, bare)
    assert "no attention between places" in reply.wait(reply.call("heads_worth"))["error"]
