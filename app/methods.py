"""Every method on the Explore page: computed as a job, kept for the visitor, drawn and measured.

What a method offers (layers, heads, a direction) is read off its options, so that a new one appears
by itself.  Attention itself answers a click at once and needs none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from inspect import signature
from typing import Any

from app import payload
from app.calls import question
from app.jobs import REASONS, Job, JobError, Jobs, StoppedError
from app.payload import Json
from app.session import SessionStore
from posekit.device import is_out_of_memory
from posekit.errors import ModelError, TraceError
from posekit.estimator import Prediction
from posekit.explain import Explanation, HeatMap, Method, Query, explain, find_method, list_methods
from posekit.explain.batches import Progress, batch_within
from posekit.explain.faithfulness import Chance, Faithfulness, faithfulness_of
from posekit.explain.faithfulness.grids import Map
from posekit.explain.heads import heads

Answer = Explanation | HeatMap

PAGE = "explore"
"""Whose jobs these are: see :meth:`app.jobs.Jobs.stop`."""

COSTS = {"attention": "instant", "gradient": "gradients", "perturbation": "many passes"}
"""The groups of the chooser: what a method needs, in words."""

STEP_SECONDS = 0.5
"""How long a batch should take: so long a visitor waits for Cancel at most, and for news."""

GRADIENT_FACTOR = 4
"""A pass with gradients takes about so many times a pass without."""

QUICK_SECONDS = 0.4
"""Answers within this time come back at once; a slower one is asked after."""


@dataclass(frozen=True)
class Wanted:
    """One question to one method: what an answer is kept under.

    ``options`` are pairs, so that this can be a key.
    """

    method: str
    query: Query
    options: tuple[tuple[str, Any], ...]


class Methods:
    """Answers the page's calls about methods.  What is a visitor's lies in the session store."""

    def __init__(self, sessions: SessionStore[Prediction], jobs: Jobs | None = None) -> None:
        self.sessions = sessions
        self.jobs = jobs or Jobs()

    @property
    def calls(self) -> tuple[Callable[[Json], Json], ...]:
        """What the page may ask, by the names it asks with."""
        return self.compute, self.trust, self.heads_worth, self.progress, self.cancel

    # -- calls of the page ------------------------------------------------------------------

    def compute(self, sent: Json) -> Json:
        """A method's map for the question: at once when it is kept or quick, else as a job."""
        token, view = str(sent["token"]), str(sent["view"])
        prediction = self.sessions.get(token, view)
        wanted = self.wanted(prediction, sent)
        method = find_method(wanted.method)
        kept = self.sessions.recall(token, view, wanted)
        if kept is not None:
            self.jobs.stop(token, "replaced", PAGE)
            return self._answer(prediction, wanted, kept)

        def task(progress: Progress) -> Json:
            options = dict(wanted.options)
            if "progress" in method.options:
                options["progress"] = progress
            if "batch_size" in method.options:
                options["batch_size"] = batch_for(prediction, method.needs == "gradient")
            answer = within_memory(
                lambda: explain(prediction, wanted.query, method=method.name, **options)
            )
            self.sessions.remember(token, view, wanted, answer, _nbytes(answer))
            return self._answer(prediction, wanted, answer)

        return self._look(self.jobs.start(token, method.title, task, PAGE))

    def trust(self, sent: Json) -> Json:
        """How faithful the shown map is, against chance; chance is measured once a question."""
        token, view = str(sent["token"]), str(sent["view"])
        prediction = self.sessions.get(token, view)
        key, query, shown = self._shown(prediction, sent)
        kept = self.sessions.recall(token, view, ("trust", key))
        if kept is not None:
            self.jobs.stop(token, "replaced", PAGE)
            return {"answer": payload.trust(kept)}
        chance: Chance | None = self.sessions.recall(token, view, ("chance", query))

        def task(progress: Progress) -> Json:
            size = batch_for(prediction, False)
            found = within_memory(
                lambda: faithfulness_of(
                    prediction, query, shown, person=query.person, chance=chance,
                    batch_size=size, progress=progress,
                )
            )  # fmt: skip
            self.sessions.remember(token, view, ("chance", query), found.chance, 1024)
            self.sessions.remember(token, view, ("trust", key), found, 1024)
            return {"answer": payload.trust(found)}

        return self._look(self.jobs.start(token, "The test of faithfulness", task, PAGE))

    def heads_worth(self, sent: Json) -> Json:
        """What each head is worth to every keypoint of the person; kept for the photo."""
        token, view = str(sent["token"]), str(sent["view"])
        prediction = self.sessions.get(token, view)
        query, _ = question(prediction, sent)
        key = ("heads", query.person)
        kept = self.sessions.recall(token, view, key)
        if kept is not None:
            self.jobs.stop(token, "replaced", PAGE)
            return {"answer": payload.heads(kept)}

        def task(progress: Progress) -> Json:
            found = within_memory(lambda: heads(prediction, query.person, progress=progress))
            self.sessions.remember(token, view, key, found, found.falls.nbytes + 1024)
            return {"answer": payload.heads(found)}

        return self._look(self.jobs.start(token, "The test of each head", task, PAGE))

    def progress(self, sent: Json) -> Json:
        """How far the visitor's job is, or what came of it."""
        token = str(sent["token"])
        self.sessions.get(token, str(sent["view"]))  # whoever waits is here; who is gone is told
        return self._watch(token, str(sent["job"]))

    def cancel(self, sent: Json) -> Json:
        """Stop the visitor's job."""
        why = str(sent.get("why") or "visitor")
        self.jobs.stop(str(sent["token"]), why if why in REASONS else "visitor")
        return {"stopped": True}

    # -- the rest ---------------------------------------------------------------------------

    def listing(self) -> list[Json]:
        """What the page's chooser offers."""
        return [
            {
                "name": one.name,
                "title": one.title,
                "cost": COSTS[one.needs],
                "needs": one.needs,
                "description": one.description,
                "direction": "direction" in one.options,
                "heads": "head" in one.options,
                "layer": picks_layer(one),
                "layers": "HeatMap" not in str(signature(one.function).return_annotation),
            }
            for one in list_methods()
        ]

    def wanted(self, prediction: Prediction, sent: Json) -> Wanted:
        """The question as it was sent.

        Only a layer and a head may come from the page: how many passes are made is not for a
        visitor to say.
        """
        method = find_method(str(sent.get("method")))
        if "direction" in method.options:
            raise TraceError("Attention answers a click by itself; there is nothing to compute.")
        query, _ = question(prediction, sent)
        options: list[tuple[str, Any]] = []
        if "head" in method.options and sent.get("head") is not None:
            options.append(("head", int(sent["head"])))
        if picks_layer(method) and sent.get("layer") is not None:
            options.append(("layer", str(sent["layer"])))
        return Wanted(method.name, query, tuple(options))

    def kept(
        self, sent: Json
    ) -> tuple[Answer, Query, Faithfulness | dict[str, Faithfulness] | None]:
        """What the page shows of a method, its question, and its faithfulness where measured."""
        token, view = str(sent["token"]), str(sent["view"])
        prediction = self.sessions.get(token, view)
        wanted = self.wanted(prediction, sent)
        answer = self.sessions.recall(token, view, wanted)
        if answer is None:
            title = find_method(wanted.method).title
            raise JobError(f"{title} has not been computed for this spot yet; compute it first.")
        if isinstance(answer, HeatMap):
            return answer, wanted.query, self._trust(sent, (wanted, None))
        found = {name: self._trust(sent, (wanted, name)) for name in answer.layers}
        measured = {name: one for name, one in found.items() if one is not None}
        return answer, wanted.query, measured or None

    def trusts(self, sent: Json, answer: Explanation) -> dict[str, Faithfulness]:
        """The faithfulness of attention's layers, of those where it was measured."""
        found = {
            one.layer: self._trust(
                sent, (answer.query, one.direction, one.layer, one.head, one.part)
            )
            for one in answer.maps
        }
        return {layer: one for layer, one in found.items() if one is not None}

    def _trust(self, sent: Json, key: Hashable) -> Faithfulness | None:
        kept: Faithfulness | None = self.sessions.recall(
            str(sent["token"]), str(sent["view"]), ("trust", key)
        )
        return kept

    def _shown(self, prediction: Prediction, sent: Json) -> tuple[Hashable, Query, Map]:
        """The one map on show: a key for it, its question, and itself."""
        method = find_method(str(sent.get("method") or "attention"))
        if "direction" not in method.options:
            answer, query, _ = self.kept(sent)
            wanted = self.wanted(prediction, sent)
            if isinstance(answer, HeatMap):
                return (wanted, None), query, answer
            one = answer.layer(str(sent.get("layer")))
            return (wanted, one.layer), query, one
        query, direction = question(prediction, sent)
        layer, head, part = str(sent.get("layer")), sent.get("head"), sent.get("part")
        head = None if head is None else int(head)
        found = explain(
            prediction, query, direction=direction, head=head, layers=[layer], part=part
        )
        return (query, direction, layer, head, part), query, found.maps[0]

    def _look(self, job: Job) -> Json:
        return self._watch(job.token, job.id)

    def _watch(self, token: str, job_id: str) -> Json:
        try:
            job, before = self.jobs.look(token, job_id, QUICK_SECONDS)
        except StoppedError as stopped:
            return {"error": str(stopped), "stopped": True}
        if job.state == "done":
            found: Json = job.result
            return found
        return {"job": job.id, "state": job.state, "before": before, **payload.share(job)}

    def _answer(self, prediction: Prediction, wanted: Wanted, answer: Answer) -> Json:
        if isinstance(answer, HeatMap):
            return {"answer": payload.heat(answer, prediction, wanted.query)}
        return {"answer": payload.layers(answer, find_method(wanted.method).title)}


def picks_layer(method: Method) -> bool:
    """Whether a method is about one attention layer, which is then named by its position."""
    return isinstance(method.options.get("layer"), int)


def batch_for(prediction: Prediction, gradients: bool) -> int:
    """Passes at once, so that a batch takes about :data:`STEP_SECONDS` on this machine."""
    took = prediction.seconds.get("forward", prediction.seconds["total"])
    one = took / max(1, len(prediction.people))
    return batch_within(STEP_SECONDS, one * GRADIENT_FACTOR if gradients else one)


def within_memory(run: Callable[[], Any]) -> Any:
    """``run()``; memory that ran out, where the method itself did not notice, is a sentence."""
    try:
        return run()
    except MemoryError:
        pass
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    raise ModelError(
        "There is not enough memory for this explanation: choose another method or a smaller model."
    )


def _nbytes(answer: Answer) -> int:
    maps = [answer.values] if isinstance(answer, HeatMap) else [m.weights for m in answer.maps]
    return sum(values.nbytes for values in maps) + 1024
