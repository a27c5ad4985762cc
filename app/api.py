"""The HTTP API: seven calls for programs, over the queue that bounds them.

``/models``, ``/predict``, ``/explain``, ``/compare``, ``/occlude``, ``/dependencies`` and
``/heads`` are described in ``docs/api.md``; the same functions are the MCP tools.  Everything is
computed by :mod:`posekit`, as :mod:`app.api_work` has it done.  One call of the API runs at a time:
of those who wait at the gate at most one is a program, however many calls it sends, and a visitor's
click waits for one call at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import gradio as gr

from app import api_answers as answers
from app.api_arguments import (
    colour_of,
    fraction,
    model_name,
    options_of,
    question,
    text,
    whole,
)
from app.api_pictures import Pictures
from app.api_told import told
from app.api_work import Work
from app.explore import Explorer
from app.methods import batch_for, within_memory
from app.occlusion_ask import occluder_of
from app.uploads import Uploads
from posekit import occlusion
from posekit.compare import compare, describe, predict_alike
from posekit.compare.ask import check_count
from posekit.errors import ModelError, OcclusionError
from posekit.explain import HeatMap, find_method
from posekit.explain.dependencies import dependencies
from posekit.explain.heads import heads
from posekit.explain.query import resolve
from posekit.occlusion import limb_band, study

Json = dict[str, Any]
Direction = Literal["row", "column"]
Sent = gr.FileData | str
"""A photo as it comes: a file that was uploaded, or its bytes as a data: URL."""

LINE = "posekit-api"


# Of a docstring below Gradio tells MCP clients the first line of each argument.


class Api:
    """The calls.  One object serves everybody; it keeps nothing of theirs but uploads."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.uploads, self.pictures = Uploads(), Pictures()
        self.work = Work(explorer, self.uploads, self.pictures)

    @property
    def calls(self) -> tuple[Callable[..., Any], ...]:
        """All of them, by the names they are called by."""
        return (
            self.models, self.predict, self.explain, self.compare, self.occlude,
            self.dependencies, self.heads,
        )  # fmt: skip

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

    def predict(
        self,
        photo: Sent,
        model: str,
        boxes: list[list[float]] | None = None,
        people_by: str | None = None,
    ) -> Json:
        """Find the keypoints of the people in a photo.

        Args:
            photo: A picture file that was uploaded to this server, or one as a data: URL.
            model: The name of one of the models.
            boxes: [[x, y, width, height], ...] of people in pixels; by default the whole photo.
            people_by: A model of whole photos that finds the people first, or best; not with boxes.

        Returns:
            People with their box and their keypoints by name: x, y in pixels and score, or null.
        """
        picture = self.work.photo(photo)
        prediction, notes, finder = self.work.predict(picture, model, boxes, people_by, nobody=True)
        return answers.people(prediction, notes, finder)

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
        people_by: str | None = None,
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
            people_by: A model of whole photos that finds the people first, or best; not with boxes.

        Returns:
            The map: its numbers, its cells, and where they lie on the photo.
            The picture, if it was asked for.
        """
        taken = self.work.photo(photo)
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
        prediction, notes, finder = self.work.predict(taken, model, boxes, people_by)
        query = resolve(prediction, asked, whole(person, "person"))
        found = self.work.explain(prediction, query, chosen, options)
        shown = found if isinstance(found, HeatMap) else found.layer(-1 if layer is None else layer)
        trust = self.work.trust(prediction, query, shown) if faithfulness else None
        answer = answers.explanation(
            found, shown, prediction, query, trust,
            method=chosen.name, values=bool(values), notes=notes, finder=finder,
        )  # fmt: skip
        drawn = self.work.picture(found, shown, prediction, query, trust) if picture else None
        return answer, drawn

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
        people_by: str | None = None,
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
            people_by: A model of whole photos that finds the people first, or best; not with boxes.

        Returns:
            A panel a model with figures and pose, how maps overlap, where the models disagree.
        """
        taken, asked, method = self.work.photo(photo), question(keypoint, point), str(method)
        if not isinstance(models, list):
            raise ModelError("The models are a list of two to five names.")
        check_count(len(models))
        shelf, chosen = self.explorer.shelf, find_method(method)
        loaded = [shelf.get(model_name(one, shelf)) for one in models]
        given, finder = self.work.boxes(taken, boxes, people_by)
        with self.explorer.gate.enter():
            predictions = predict_alike(loaded, taken, given)
        options: Json = {}
        if "batch_size" in chosen.options:
            gradients = chosen.needs == "gradient"
            options["batch_size"] = min(batch_for(one, gradients) for one in predictions)
        found = self.work.patiently(chosen.title, lambda progress: compare(
            predictions, asked, person=whole(person, "person") or 0, layer=text(layer, "layer"),
            head=whole(head, "head"), direction=direction, method=method, options=options,
            anchor="point" if same_place else None, faithfulness=bool(faithfulness),
            progress=progress,
        ))  # fmt: skip
        return describe(found) | {"people_by": finder}

    def occlude(
        self,
        photo: Sent,
        model: str,
        keypoint: str | None = None,
        point: list[float] | None = None,
        occluder: Json | None = None,
        limb: str | None = None,
        share: float = 1.0,
        colour: str | list[int] = "mean",
        person: int | None = None,
        boxes: list[list[float]] | None = None,
        layer: str | None = None,
        picture: bool = False,
        people_by: str | None = None,
    ) -> tuple[Json, gr.FileData | None]:
        """Put something in front of a person, or block attention there, and see what it changes.

        Args:
            photo: A picture file that was uploaded to this server, or one as a data: URL.
            model: The name of one of the models.
            keypoint: The keypoint asked about, such as "left wrist". Give this or point.
            point: The place asked about, [x, y] in pixels of the photo.
            occluder: {"kind": "rectangle", "box": [x, y, width, height], "colour": "mean"}, say.
            limb: Instead: cover the way from this keypoint to the one asked about.
            share: How much of the limb, 0 to 1.
            colour: Of the limb's band: mean, grey, [red, green, blue], or knockout.
            person: Which of the people, counted from 0; by default the first.
            boxes: [[x, y, width, height], ...] of people in pixels; by default the whole photo.
            layer: A layer, such as "encoder.3"; by default the supervised or else the last.
            picture: Whether to draw both sides as a PNG file.
            people_by: A model of whole photos that finds the people first, or best; not with boxes.

        Returns:
            Pose, confidence and attention before and after, in numbers and sentences.
            The picture, if it was asked for.
        """
        taken, asked = self.work.photo(photo), question(keypoint, point)
        who, chosen = whole(person, "person") or 0, text(layer, "layer")
        begin, part = text(limb, "limb"), fraction(share, "share")
        if (occluder is None) == (begin is None):
            raise OcclusionError("Give either an occluder, or the limb to cover.")
        if begin is None and (part != 1 or colour != "mean"):
            raise OcclusionError("share and colour are of a limb; an occluder has its own colour.")
        cover = occluder_of(occluder, taken)
        given, finder = self.work.boxes(taken, boxes, people_by)
        before, notes = self.work.look(taken, model, given)
        if begin is not None:
            if not isinstance(asked, str):
                raise OcclusionError("A limb ends at a keypoint: ask about one, not about a point.")
            cover = limb_band(before, begin, asked, part, person=who, colour=colour_of(colour))
        with self.explorer.gate.enter():
            found = within_memory(lambda: study(
                before.model, taken, cover, keypoint=asked, person=who, boxes=given, layer=chosen,
                masks="best", before=before,
            ))  # fmt: skip
        drawn = self.work.file(found.save_png) if picture else None
        return occlusion.describe(found) | {"notes": notes, "people_by": finder}, drawn

    def dependencies(
        self,
        photo: Sent,
        model: str,
        person: int | None = None,
        boxes: list[list[float]] | None = None,
        layer: str | None = None,
        head: int | None = None,
        people_by: str | None = None,
    ) -> Json:
        """Say how much of each keypoint's attention lies around each other keypoint.

        Args:
            photo: A picture file that was uploaded to this server, or one as a data: URL.
            model: The name of one of the models.
            person: Which of the people, counted from 0; by default the first.
            boxes: [[x, y, width, height], ...] of people in pixels; by default the whole photo.
            layer: A layer, such as "encoder.3"; by default the last.
            head: One attention head, counted from 0; by default the mean of all heads.
            people_by: A model of whole photos that finds the people first, or best; not with boxes.

        Returns:
            Shares by who looks and who is looked at, and what an even map would have there.
        """
        who, chosen = whole(person, "person") or 0, text(layer, "layer")
        prediction, notes, finder = self.work.predict(
            self.work.photo(photo), model, boxes, people_by
        )
        found = dependencies(
            prediction, -1 if chosen is None else chosen, who, head=whole(head, "head")
        )
        return answers.about(prediction, who, notes, finder) | found.describe()

    def heads(
        self,
        photo: Sent,
        model: str,
        person: int | None = None,
        boxes: list[list[float]] | None = None,
        layer: str | None = None,
        people_by: str | None = None,
    ) -> Json:
        """Silence one attention head after another, and say how far each keypoint falls without it.

        Args:
            photo: A picture file that was uploaded to this server, or one as a data: URL.
            model: The name of one of the models.
            person: Which of the people, counted from 0; by default the first.
            boxes: [[x, y, width, height], ...] of people in pixels; by default the whole photo.
            layer: A layer, such as "encoder.3"; by default all of them.
            people_by: A model of whole photos that finds the people first, or best; not with boxes.

        Returns:
            A head each, with the fall of every keypoint's heatmap value, or null.
        """
        who, chosen = whole(person, "person") or 0, text(layer, "layer")
        prediction, notes, finder = self.work.predict(
            self.work.photo(photo), model, boxes, people_by
        )
        found = self.work.patiently("The worth of heads", lambda progress: heads(
            prediction, who, layers=None if chosen is None else [chosen], progress=progress,
        ))  # fmt: skip
        told: Json = answers.about(prediction, who, notes, finder) | found.describe()
        return told
