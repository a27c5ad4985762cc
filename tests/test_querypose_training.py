"""Training QueryPose: it learns by heart, it resumes exactly, it exports what it learnt."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from posekit.checkpoint import read_state_dict, save_safetensors
from posekit.data.augment import NONE, Augmentation
from posekit.data.crowd import Kind
from posekit.data.crowd_canvas import CrowdCanvases
from posekit.errors import DataError, WeightsError
from posekit.models.querypose import QueryPose
from posekit.models.querypose_checkpoint import FLOW, fit
from posekit.models.rle import RealNVP
from posekit.skeleton import COCO17
from posekit.training.engine import start_engine
from posekit.training.export import export
from posekit.training.loop import Trainer
from posekit.training.querypose import QueryPoseTask, best_poses, people_per_process, take_over
from posekit.training.querypose_losses import LossWeights
from posekit.training.recipe import Recipe, Stage
from posekit.training.task import Step
from posekit.training.tasks import Source, prepare
from tests.tiny_querypose import SIDE, TINY, stick_canvases, stick_photos, tiny_entry

STAGE = Stage((SIDE, SIDE), 6, 4)
VARIED = Augmentation(scale=0.2, rotation=10, half_body=0.2, shift=0.05)
RECIPE = Recipe("querypose-tiny", (STAGE,), warm_up=2, bf16=False, augmentation=VARIED)


@pytest.fixture(scope="module")
def photos() -> CrowdCanvases:
    return stick_canvases(6)


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return start_engine("cpu")


@pytest.fixture
def trainer(photos: CrowdCanvases, tmp_path: Path, fabric: Fabric) -> Callable[..., Trainer]:
    def make(folder: str = "run", recipe: Recipe = RECIPE) -> Trainer:
        task = QueryPoseTask(tiny_entry(), photos, photos, recipe.augmentation)
        return Trainer(task, recipe, tmp_path / folder, fabric)

    return make


def step_of(photos: CrowdCanvases, size: int = SIDE) -> Step:
    generator = torch.Generator().manual_seed(0)
    people = torch.arange(len(photos))
    return Step(people, slice(None), Stage((size, size), 1, len(photos)), generator)


def test_it_learns_a_few_photos_by_heart(trainer: Callable[..., Trainer]) -> None:
    """Everybody is found once, in the right place, and most keypoints are right."""
    recipe = replace(
        RECIPE,
        stages=(Stage((SIDE, SIDE), 90, 6),),
        rate=3e-3,
        warm_up=10,
        average=0.8,
        augmentation=NONE,
    )
    one = trainer("run", recipe)
    one.average.eval()
    before = one.validate(recipe.stages[0])
    first = one.train_step(recipe.stages[0])
    one.run(validate_every=1000)
    last, after = one.train_step(recipe.stages[0]), one.validate(recipe.stages[0])
    assert last < first - 10 and last < 3
    assert before.value < 20 and after.value > 60
    # One of the twelve may be missing: how numbers are rounded depends on processor and threads.
    assert before.figures["box AP50"] < 20 and after.figures["box AP50"] > 80
    assert after.figures["person recall"] > 80 and after.figures["precision"] > 60


def test_resumed_training_equals_uninterrupted_training(trainer: Callable[..., Trainer]) -> None:
    """Bit for bit, weights of the flow included."""
    whole = trainer("whole")
    whole.run(validate_every=100)
    first = trainer("parts")
    for _ in range(3):
        first.train_step(STAGE)
    first.folder.mkdir()
    first.save()
    second = trainer("parts")
    second.run(validate_every=100)
    assert second.step == whole.step == 6
    theirs, ours = whole.model.state_dict(), second.model.state_dict()
    assert any(key.startswith("flow.") for key in theirs)
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())


def test_processes_that_share_a_step_add_up(photos: CrowdCanvases) -> None:
    """Two halves of a batch, each over the mean number of people, average to the whole batch's
    loss. In evaluation mode, since batch statistics differ."""
    task = QueryPoseTask(tiny_entry(), photos, photos, NONE)
    torch.manual_seed(0)
    model = task.build().eval()
    step = step_of(photos)
    counts: list[torch.Tensor] = []

    def halves(normaliser: Callable[[object], torch.Tensor]) -> list[torch.Tensor]:
        parts = [slice(0, 3), slice(3, 6)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("posekit.training.querypose.people_per_process", normaliser)
            return [task.loss(model, replace(step, share=part)) for part in parts]

    with torch.no_grad():
        whole = task.loss(model, step)
        halves(lambda people: counts.append(people_per_process(people)) or counts[-1])  # type: ignore[arg-type, func-returns-value]
        shared = halves(lambda _: sum(counts) / 2)
    torch.testing.assert_close(sum(shared) / 2, whole, rtol=1e-4, atol=1e-4)


def test_photos_without_anybody_teach_that_nobody_is_there(photos: CrowdCanvases) -> None:
    nobody = replace(photos, kinds=torch.zeros_like(photos.kinds))
    task = QueryPoseTask(tiny_entry(), nobody, photos, VARIED)
    torch.manual_seed(0)
    model = task.build()
    loss = task.loss(model, step_of(nobody))
    loss.backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert loss > 0 and all(grad.isfinite().all() for grad in grads)
    assert any(grad.abs().max() > 0 for grad in grads)


def test_the_weights_of_the_losses_are_obeyed(photos: CrowdCanvases) -> None:
    """Poses can be left out; in photos where not everybody is labelled less can be wrong."""
    unsure = replace(photos, complete=torch.zeros_like(photos.complete))
    ignored = replace(unsure, kinds=torch.full_like(photos.kinds, Kind.IGNORE))

    def loss(data: CrowdCanvases, **weights: float) -> float:
        torch.manual_seed(0)
        task = QueryPoseTask(tiny_entry(), data, data, NONE, LossWeights(**weights))
        model = task.build().eval()
        with torch.no_grad():
            return float(task.loss(model, step_of(data)))

    assert loss(photos) == loss(photos, elsewhere=0.0) == loss(unsure)
    assert loss(photos) != loss(photos, keypoints=0.0)
    half, full = loss(ignored, elsewhere=0.5), loss(ignored)
    assert 0 < half < full and half == pytest.approx(full / 2, rel=0.05)


def test_poses_are_read_for_the_surest_few(photos: CrowdCanvases) -> None:
    torch.manual_seed(0)
    network = QueryPose(replace(TINY, queries=20)).eval()
    with torch.inference_mode():
        images = torch.randn(2, 3, SIDE, SIDE)
        sizes = torch.tensor([[SIDE, SIDE], [SIDE, 40]])
        some, every = best_poses(network, images, sizes), network(images, sizes)
    assert some.last.posed.sum(1).tolist() == [8, 8]
    least = some.last.logits[..., 0][some.last.posed].view(2, 8).amin(1)
    assert (some.last.logits[..., 0][~some.last.posed].view(2, -1) <= least[:, None]).all()
    torch.testing.assert_close(
        some.last.keypoints[some.last.posed], every.last.keypoints[some.last.posed]
    )


def test_what_is_exported_is_the_model_and_the_flow_a_next_run_goes_on_with(
    trainer: Callable[..., Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trainer("run", replace(RECIPE, stages=(replace(STAGE, steps=1),)))
    one.run(validate_every=100)
    monkeypatch.setattr("posekit.training.export.entry", lambda _: tiny_entry())
    weights = export(
        tmp_path / "run", one.recipe, tmp_path / "out", 6, "sticks",
        besides="3 composites of them", examples=9,
        product=one.task.product, beside=one.task.beside,
    )  # fmt: skip
    state = read_state_dict(weights)
    flow = {FLOW + name for name in RealNVP().state_dict()}
    assert state.keys() == QueryPose(TINY).state_dict().keys() | flow
    assert fit(TINY, state)[1].keys() == QueryPose(TINY).state_dict().keys()
    learnt = one.average.state_dict()
    next_one = replace(one.task, start=weights).build().flow.state_dict()
    for name, weight in next_one.items():
        torch.testing.assert_close(weight, learnt[f"flow.{name}"], atol=1e-5, rtol=1e-3)
    card = json.loads(weights.with_suffix(".json").read_text())
    words = "6 photographs of sticks and 3 composites of them, from random weights"
    assert card["trained_on"] == words and card["training"]["epochs"] == pytest.approx(
        4 / 9, abs=0.1
    )


def test_it_starts_from_whole_weights_or_from_a_trunks(tmp_path: Path) -> None:
    torch.manual_seed(1)
    theirs, trunk = QueryPose(TINY), "backbone.bottom_up."
    save_safetensors(theirs, tmp_path / "whole.safetensors")
    task = QueryPoseTask(tiny_entry(), *[stick_canvases(1)] * 2, NONE)
    whole = replace(task, start=tmp_path / "whole.safetensors").build().network
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(whole.state_dict()[key], value, atol=1e-3, rtol=1e-3)
    features = {
        key.removeprefix(trunk): value
        for key, value in theirs.state_dict().items()
        if key.startswith(trunk)
    }
    ours = QueryPose(TINY)
    assert take_over(ours, features | {"fc.weight": torch.zeros(3)}, "x") == len(features) > 10
    assert torch.equal(
        ours.state_dict()[f"{trunk}conv1.weight"], theirs.state_dict()[f"{trunk}conv1.weight"]
    )
    with pytest.raises(WeightsError, match=r"No weight in other\.pth fits"):
        take_over(ours, {"fc.weight": torch.zeros(3)}, "other.pth")


def test_data_of_another_skeleton_is_refused(photos: CrowdCanvases) -> None:
    with pytest.raises(DataError, match="learns 17 keypoints; the data has 14"):
        QueryPoseTask(replace(tiny_entry(), skeleton=COCO17), photos, photos, NONE)


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four stick photographs as a COCO-format file, somebody to ignore among them."""
    folder = tmp_path_factory.mktemp("coco")
    images, annotations = [], []
    for photo in stick_photos(4):
        name = f"{photo.photo.name}.png"
        cv2.imwrite(str(folder / name), photo.photo.pixels[..., ::-1])
        images.append({"id": photo.image_id, "file_name": name, "width": SIDE, "height": SIDE})
        for person in photo.people:
            points = np.column_stack([person.keypoints, np.full(14, 2)])
            box = person.box
            annotations.append(
                {
                    "id": len(annotations), "image_id": photo.image_id, "category_id": 1,
                    "keypoints": points.ravel().tolist(), "num_keypoints": 14,
                    "bbox": [box.x, box.y, box.width, box.height],
                    "iscrowd": int(len(annotations) == 3),
                }
            )  # fmt: skip
    category = {"id": 1, "name": "person", "keypoints": list(stick_names())}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "people.json").write_text(json.dumps(content))
    return folder / "people.json"


def stick_names() -> tuple[str, ...]:
    return tuple(name.replace(" ", "_") for name in TINY.skeleton.keypoints)


def test_the_task_is_found_by_name_and_reads_its_data(
    coco: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSEKIT_CACHE", str(coco.parent / "cache"))
    monkeypatch.setattr("posekit.training.crowds.PIECE", 2)
    recipe = replace(
        RECIPE, task="querypose", scenes=2, options={"side": 96, "keypoints": 0.5, "hidden": True}
    )
    ready = prepare(tiny_entry(), recipe, Source(coco, validation=coco))
    task = ready.task
    assert isinstance(task, QueryPoseTask) and len(task) == 6 and len(task.validation) == 4
    assert task.train.images.shape[-1] == 96
    assert (task.weights.keypoints, task.weights.elsewhere, task.hidden) == (0.5, 0.5, True)
    assert ready.photographs == 4 and ready.besides == "2 rendered scenes"
    assert ready.words == "6 photos to train on, 4 of them as they were taken, 4 to measure on"
    assert (task.train.kinds == Kind.IGNORE).sum() == 1
    assert task.train.complete.all()
    with pytest.raises(DataError, match="--validation"):
        prepare(tiny_entry(), recipe, Source(coco))
    with pytest.raises(DataError, match=r"task 'querypose'.*speed"):
        prepare(tiny_entry(), replace(recipe, options={"speed": 1}), Source(coco))


def test_photographs_of_one_person_become_composites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LSP-style data: the photographs as they are, composites from disk, then rendered scenes."""
    from posekit.data import crowd_cache
    from posekit.data.labelled import LabelledPerson
    from posekit.photo import read_photo
    from posekit.scenes import OUTSIDE, render_scene
    from posekit.skeleton import LSP14

    def people(folder: Path, part: str, problems: object) -> list[LabelledPerson]:
        singles = []
        for seed in range(6) if part == "train" else range(6, 9):
            scene = render_scene(seed, size=(160, 160), fill=0.85)
            person = scene.people[0]
            labelled = person.hidden_by_in(LSP14) != OUTSIDE
            photo = read_photo(scene.pixels, name=f"{part}{seed}")
            singles.append(LabelledPerson(photo, person.keypoints_in(LSP14), labelled))
        return singles

    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("posekit.training.crowds.read_lsp", people)
    monkeypatch.setattr(crowd_cache, "PIECE", 4)
    monkeypatch.setattr("posekit.training.crowds.PIECE", 4)
    (tmp_path / "lsp").mkdir()
    options = {"composites": 4, "composites_to_measure": 2, "side": 96, "most_people": 2}
    recipe = replace(RECIPE, task="querypose", scenes=1, options=options)
    ready = prepare(tiny_entry(), recipe, Source(tmp_path / "lsp"))
    task = ready.task
    assert isinstance(task, QueryPoseTask)
    assert len(task) == 6 + 4 + 1 and len(task.validation) == 3 + 2
    assert ready.photographs == 6
    assert ready.besides == "4 composites of them and 1 rendered scenes"
    assert not task.train.complete[:6].any() and task.train.complete[10]
    assert (task.train.kinds[:6] == Kind.PERSON).sum() == 6
    assert len(list((tmp_path / "cache" / "composites").glob("*.npz"))) == 2
