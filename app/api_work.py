"""What the calls of the API have in common: the photo, the prediction, long tasks, pictures.

With the models, the gate and the line of long jobs that the page uses.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from app import api_answers as answers
from app.api_arguments import boxes_of, model_name, text
from app.api_pictures import Pictures
from app.explore import Explorer
from app.methods import batch_for, within_memory
from app.uploads import Uploads, photo_bytes
from posekit.draw import draw_explanation, save_png
from posekit.errors import BoxError, ModelError
from posekit.estimator import Prediction
from posekit.explain import Explanation, HeatMap, Method, Query, explain
from posekit.explain.batches import Progress
from posekit.explain.faithfulness import Faithfulness, faithfulness_of
from posekit.explain.faithfulness.grids import Map
from posekit.geometry import Box
from posekit.photo import Photo, read_photo
from posekit.top_down import nobody_words
from posekit.unsure import unsure_words
from posekit.zoo import entry

Json = dict[str, Any]

LOOK_SECONDS = 30.0  # well within the patience of app.jobs


class Work:
    """Has the work of the calls done; it keeps nothing of theirs."""

    def __init__(self, explorer: Explorer, uploads: Uploads, pictures: Pictures) -> None:
        self.explorer, self.uploads, self.pictures = explorer, uploads, pictures

    def photo(self, sent: Any) -> Photo:
        """The photo of a call, in its own size; from here on nothing else holds it."""
        data = photo_bytes(sent, self.uploads)
        return read_photo(data, name="This file", limits=self.explorer.photo_limits)

    def predict(
        self, photo: Photo, model: Any, boxes: Any, people_by: Any, *, nobody: bool = False
    ) -> tuple[Prediction, list[str], str | None]:
        """The people in a photo.

        Args:
            photo: the caller's.
            model: as it was sent, like ``boxes`` and ``people_by``.
            boxes: see :func:`app.api_arguments.boxes_of`.
            people_by: a model of whole photos that finds the people first, or ``best``.
            nobody: whether that one may find nobody.

        Returns:
            The prediction, what the caller should know about how it came about, and the name of
            the model that found the people; None where none was asked.

        Raises:
            BoxError: it found nobody.
            ModelError: it does not find people, or ``model`` finds them itself.
        """
        given = boxes_of(boxes)
        finder = self._finder(given, people_by)
        found, notes = self.look(photo, model, given, finder)
        if finder is not None and not found.people:
            if not nobody:
                raise BoxError(nobody_words(entry(finder)))
            notes = [*notes, f"{entry(finder).title} found nobody in this photo."]
        return found, notes, finder

    def look(
        self, photo: Photo, model: Any, boxes: list[Box] | None, finder: str | None = None
    ) -> tuple[Prediction, list[str]]:
        """The people in boxes or, first, found by a finder; and what the caller should know."""
        name = model_name(model, self.explorer.shelf)
        found, notes = self.explorer.predict(photo, name, boxes, finder)
        doubt = unsure_words(found, first=0)
        return found, [*notes, doubt] if doubt else notes

    def boxes(
        self, photo: Photo, boxes: Any, people_by: Any
    ) -> tuple[list[Box] | None, str | None]:
        """The boxes given, or those that a model of whole photos finds, and that model's name.

        Raises:
            BoxError: it found nobody.
        """
        given = boxes_of(boxes)
        finder = self._finder(given, people_by)
        if finder is None:
            return given, None
        _, found = self.explorer.find_people(photo, finder)
        return found, finder

    def _finder(self, boxes: list[Box] | None, people_by: Any) -> str | None:
        """The model that is to find the people; ``best`` is the one that misses fewest."""
        by = text(people_by, "people_by")
        if by is None:
            return None
        if boxes:
            raise BoxError("Give boxes or people_by, not both.")
        here = self.explorer.finders()
        if not here:
            raise ModelError("No model here has learnt to find people: give each a box.")
        if by != "best" and by not in here:
            raise ModelError(
                f"{by!r} finds nobody: people_by is best, or one of {', '.join(here)}."
            )
        return here[0] if by == "best" else by

    def explain(
        self, prediction: Prediction, query: Query, method: Method, options: Json
    ) -> Explanation | HeatMap:
        """A method's answer; methods that run the network wait in the line of long jobs."""
        if "direction" in method.options:  # a look at the trace
            return explain(prediction, query, method=method.name, **options)
        if "batch_size" in method.options:
            options["batch_size"] = batch_for(prediction, method.needs == "gradient")

        def run(progress: Progress) -> Explanation | HeatMap:
            more = options | ({"progress": progress} if "progress" in method.options else {})
            return explain(prediction, query, method=method.name, **more)

        found: Explanation | HeatMap = self.patiently(method.title, run)
        return found

    def trust(self, prediction: Prediction, query: Query, shown: Map) -> Faithfulness:
        """How far to trust a map."""
        size = batch_for(prediction, False)
        trust: Faithfulness = self.patiently(
            "The test of faithfulness",
            lambda progress: faithfulness_of(
                prediction, query, shown, person=query.person, batch_size=size, progress=progress
            ),
        )
        return trust

    def picture(
        self,
        found: Explanation | HeatMap,
        shown: Map,
        prediction: Prediction,
        query: Query,
        trust: Faithfulness | None,
    ) -> Any:
        """The map over the photo, as PNG."""
        about: Json = {"prediction": prediction, "query": query, "faithfulness": trust}
        if isinstance(found, Explanation):
            assert not isinstance(shown, HeatMap)  # one of its maps
            about["faithfulness"] = None if trust is None else {shown.layer: trust}
            found = replace(found, maps=(shown,))
        figure = draw_explanation(found, **about)
        write = partial(save_png, figure, explanation=found, **about)
        return self.file(write)

    def file(self, write: Callable[[Path], None]) -> Any:
        """What ``write`` draws, as a file that Gradio's clients fetch."""
        return answers.file(self.pictures.save(write))

    def patiently(self, label: str, task: Callable[[Progress], Any]) -> Any:
        """The result of a long task, which waits in the same line as those of visitors."""
        jobs, token = self.explorer.methods.jobs, f"api {secrets.token_urlsafe(12)}"
        job = jobs.start(token, label, lambda progress: within_memory(lambda: task(progress)))
        while True:
            job, _ = jobs.look(token, job.id, LOOK_SECONDS)  # raises what the task raised
            if job.state == "done":
                return job.result
