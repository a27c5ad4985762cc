"""The HTTP API: four calls for programs, over the queue that bounds them.

``/models``, ``/predict``, ``/explain`` and ``/compare`` are described in ``docs/api.md``; the same
functions are the MCP tools.  Everything is computed by :mod:`posekit`, with the models, the gate
and the line of long jobs that the page uses.  One call of the API runs at a time: of those who wait
at the gate at most one is a program, however many calls it sends, and a visitor's click waits for
one call at most.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import gradio as gr

from app import api_answers as answers
from app.api_arguments import boxes_of, model_name, options_of, question, text, whole
from app.api_pictures import Pictures
from app.api_told import told
from app.explore import Explorer
from app.methods import batch_for, within_memory
from app.uploads import Uploads, photo_bytes
from posekit.compare import compare, describe, predict_alike
from posekit.compare.ask import check_count
from posekit.draw import draw_explanation, save_png
from posekit.errors import ModelError
from posekit.estimator import Prediction
from posekit.explain import Explanation, HeatMap, Method, Query, explain, find_method
from posekit.explain.batches import Progress
from posekit.explain.faithfulness import Faithfulness, faithfulness_of
from posekit.explain.faithfulness.grids import Map
from posekit.explain.query import resolve
from posekit.photo import Photo, read_photo

Json = dict[str, Any]
Direction = Literal["row", "column"]
Sent = gr.FileData | str
"""A photo as it comes: a file that was uploaded, or its bytes as a data: URL."""

LINE = "posekit-api"
LOOK_SECONDS = 30.0  # well within the patience of app.jobs


# Of a docstring below Gradio tells MCP clients the first line of each argument.


class Api:
    """The four calls.  One object serves everybody; it keeps nothing of theirs but uploads."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.uploads, self.pictures = Uploads(), Pictures()

    @property
    def calls(self) -> tuple[Callable[..., Any], ...]:
        """The four, by the names they are called by."""
        return self.models, self.predict, self.explain, self.compare

    def expose(self) -> None:
        """Add the calls to the Blocks at hand."""
        for call in self.calls:
            gr.api(told(call), api_name=call.__name__, concurrency_id=LINE, concurrency_limit=1)

    def sweep(self) -> None:
        """Forget uploads and pictures that nobody came for."""
        self.uploads.sweep()
        self.pictures.sweep()

    # -- the calls --------------------------------------------------------------------------

    def models(self) -> list[Json]:
        """List the pose models of this server, those with trained weights first.

        Returns:
            One object a model: what it is, its keypoints, whether it is trained, its figures.
        """
        return answers.models(self.explorer.shelf.names())

    def predict(self, photo: Sent, model: str, boxes: list[list[float]] | None = None) -> Json:
        """Find the keypoints of the people in a photo.

        Args:
            photo: A picture file that was uploaded to this server, or one as a data: URL.
            model: The name of one of the models.
            boxes: [[x, y, width, height], ...] of people in pixels; by default the whole photo.

        Returns:
            People with their box and their keypoints by name: x, y in pixels and score, or null.
        """
        picture = self._photo(photo)
        prediction, notes = self._predict(picture, model, boxes)
        return answers.people(prediction, notes)

    def explain(
        self,
        photo: Sent,
        model: str,
        keypoint: str | None = None,
        point: list[float] | None = None,
        person: int | None = None,
        boxes: list[list[float]] | None = None,
        layer: str | None = None,
        head: int | None = None,
        direction: Direction = "row",
        part: str | None = None,
        method: str = "attention",
        faithfulness: bool = False,
        values: bool = True,
        picture: bool = False,
    ) -> tuple[Json, gr.FileData | None]:
        """Show what a pose model looked at for a keypoint or a point of a photo.

        Args:
            photo: A picture file that was uploaded to this server, or one as a data: URL.
            model: The name of one of the models.
            keypoint: The keypoint asked about, such as "left wrist". Give this or point.
            point: The place asked about, [x, y] in pixels of the photo.
            person: Which of the people, counted from 0; by default the first.
            boxes: [[x, y, width, height], ...] of people in pixels; by default the whole photo.
            layer: A layer, such as "encoder.3"; by default the last.
            head: One attention head, counted from 0; by default the mean of all heads.
            direction: row for what the keypoint looks at, column for what looks at it.
            part: A part of the attention alone, such as "position", of models that have parts.
            method: How to explain: attention, rollout, grad-cam, relevance, occlusion, ...
            faithfulness: Whether to measure how far to trust the map, which takes seconds.
            values: Whether to answer with the map cell by cell.
            picture: Whether to draw the map over the photo as a PNG file.

        Returns:
            The map: its numbers, its cells, and where they lie on the photo.
            The picture, if it was asked for.
        """
        taken = self._photo(photo)
        chosen, asked = (
            find_method(text(method, "method") or "attention"),
            question(keypoint, point),
        )
        options = options_of(
            chosen,
            layer=text(layer, "layer"),
            head=whole(head, "head"),
            direction=direction,
            part=text(part, "part"),
        )
        prediction, notes = self._predict(taken, model, boxes)
        query = resolve(prediction, asked, whole(person, "person"))
        found = self._explain(prediction, query, chosen, options)
        shown = found if isinstance(found, HeatMap) else found.layer(-1 if layer is None else layer)
        trust = self._trust(prediction, query, shown) if faithfulness else None
        answer = answers.explanation(
            found, shown, prediction, query, trust,
            method=chosen.name, values=bool(values), notes=notes,
        )  # fmt: skip
        return answer, self._picture(found, shown, prediction, query, trust) if picture else None

    def compare(
        self,
        photo: Sent,
        models: list[str],
        keypoint: str | None = None,
        point: list[float] | None = None,
        person: int = 0,
        boxes: list[list[float]] | None = None,
        layer: str | None = None,
        head: int | None = None,
        direction: Direction = "row",
        method: str = "attention",
        same_place: bool = False,
        faithfulness: bool = False,
    ) -> Json:
        """Ask two to five pose models the same about one photo, and measure how they differ.

        Args:
            photo: A picture file that was uploaded to this server, or one as a data: URL.
            models: The names of two to five models.
            keypoint: The keypoint asked about, such as "left wrist". Give this or point.
            point: The place asked about, [x, y] in pixels of the photo.
            person: Which of the people, counted from 0.
            boxes: [[x, y, width, height], ...] of people in pixels; by default the whole photo.
            layer: A layer of all of them; by default the last of each.
            head: One attention head, counted from 0; by default the mean of all heads.
            direction: row for what the keypoint looks at, column for what looks at it.
            method: How to explain: attention, rollout, grad-cam, relevance, occlusion, ...
            same_place: Whether to ask all where the first model puts the keypoint.
            faithfulness: Whether to run deletion and insertion tests, which takes seconds.

        Returns:
            A panel a model with figures and pose, how maps overlap, where the models disagree.
        """
        taken, asked, method = self._photo(photo), question(keypoint, point), str(method)
        if not isinstance(models, list):
            raise ModelError("The models are a list of two to five names.")
        check_count(len(models))
        shelf, chosen = self.explorer.shelf, find_method(method)
        loaded = [shelf.get(model_name(one, shelf)) for one in models]
        given = boxes_of(boxes)
        with self.explorer.gate.enter():
            predictions = predict_alike(loaded, taken, given)
        options: Json = {}
        if "batch_size" in chosen.options:
            gradients = chosen.needs == "gradient"
            options["batch_size"] = min(batch_for(one, gradients) for one in predictions)
        found = self._patiently(chosen.title, lambda progress: compare(
            predictions, asked, person=whole(person, "person") or 0, layer=text(layer, "layer"),
            head=whole(head, "head"), direction=direction, method=method, options=options,
            anchor="point" if same_place else None, faithfulness=bool(faithfulness),
            progress=progress,
        ))  # fmt: skip
        return describe(found)

    # -- the rest ---------------------------------------------------------------------------

    def _photo(self, sent: Any) -> Photo:
        """The photo of a call, in its own size; from here on nothing else holds it."""
        data = photo_bytes(sent, self.uploads)
        return read_photo(data, name="This file", limits=self.explorer.photo_limits)

    def _predict(self, photo: Photo, model: Any, boxes: Any) -> tuple[Prediction, list[str]]:
        name = model_name(model, self.explorer.shelf)
        return self.explorer.predict(photo, name, boxes_of(boxes))

    def _explain(
        self, prediction: Prediction, query: Query, method: Method, options: Json
    ) -> Explanation | HeatMap:
        if "direction" in method.options:  # a look at the trace
            return explain(prediction, query, method=method.name, **options)
        if "batch_size" in method.options:
            options["batch_size"] = batch_for(prediction, method.needs == "gradient")

        def run(progress: Progress) -> Explanation | HeatMap:
            more = options | ({"progress": progress} if "progress" in method.options else {})
            return explain(prediction, query, method=method.name, **more)

        found: Explanation | HeatMap = self._patiently(method.title, run)
        return found

    def _trust(self, prediction: Prediction, query: Query, shown: Map) -> Faithfulness:
        size = batch_for(prediction, False)
        trust: Faithfulness = self._patiently(
            "The test of faithfulness",
            lambda progress: faithfulness_of(
                prediction, query, shown, person=query.person, batch_size=size, progress=progress
            ),
        )
        return trust

    def _picture(
        self,
        found: Explanation | HeatMap,
        shown: Map,
        prediction: Prediction,
        query: Query,
        trust: Faithfulness | None,
    ) -> Any:
        """The map over the photo, as a file that Gradio's clients fetch."""
        about: Json = {"prediction": prediction, "query": query, "faithfulness": trust}
        if isinstance(found, Explanation):
            assert not isinstance(shown, HeatMap)  # one of its maps
            about["faithfulness"] = None if trust is None else {shown.layer: trust}
            found = replace(found, maps=(shown,))
        figure = draw_explanation(found, **about)
        write = partial(save_png, figure, explanation=found, **about)
        return answers.file(self.pictures.save(write))

    def _patiently(self, label: str, task: Callable[[Progress], Any]) -> Any:
        """The result of a long task, which waits in the same line as those of visitors."""
        jobs, token = self.explorer.methods.jobs, f"api {secrets.token_urlsafe(12)}"
        job = jobs.start(token, label, lambda progress: within_memory(lambda: task(progress)))
        while True:
            job, _ = jobs.look(token, job.id, LOOK_SECONDS)  # raises what the task raised
            if job.state == "done":
                return job.result
