"""The task of the OpenPose line: what it learns from, what it measures, how it goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from posekit.data.augment import NONE, Augmentation
from posekit.data.crowd import CrowdPhoto, Somebody
from posekit.data.crowd_augment import People, augment_crowds
from posekit.data.crowd_canvas import CrowdCanvases, make_crowd_canvases
from posekit.decode.paf_grid import PafGrid
from posekit.errors import DataError
from posekit.models.ssa import SMALL, SSANet
from posekit.models.ssa_zoo import ENTRIES
from posekit.skeleton import COCO17, LSP14
from posekit.training.engine import start_engine
from posekit.training.loop import Trainer
from posekit.training.recipe import Recipe, Stage, read_recipe
from posekit.training.ssa import SSAOptions, SSATask, people_mask, targets_of
from posekit.training.ssa_score import matched
from posekit.training.ssa_task import ssa
from posekit.training.tasks import Source, options_of, task_kinds
from posekit.zoo import ModelEntry
from tests.stick_people import crowd

TINY = replace(
    SMALL, trunk_width=8, features=16, paf_widths=(8,), heat_widths=(8, 8), input_size=(64, 64)
)
STAGE = Stage((64, 64), 6, 4)
RECIPE = Recipe("tiny", (STAGE,), rate=3e-3, warm_up=2, bf16=False, task="ssa")
GRID = PafGrid()


def painted(people: int, seed: int, complete: bool = True) -> CrowdPhoto:
    """A photo of people of dots, each keypoint of its own colour."""
    hues = np.linspace(0, 179, LSP14.size, endpoint=False).astype(np.uint8)
    full = np.full_like(hues, 255)
    colours = cv2.cvtColor(np.stack([hues, full, full], -1)[None], cv2.COLOR_HSV2RGB)[0]
    pixels = np.zeros((96, 96, 3), np.uint8)
    found = []
    for points in crowd(people, (96, 96), LSP14, seed):
        for (x, y), colour in zip(points, colours, strict=True):
            cv2.circle(pixels, (round(x), round(y)), 3, colour.tolist(), -1)
        turns = 2 * np.pi * np.arange(16) / 16
        corners = points[(points @ np.stack([np.cos(turns), np.sin(turns)])).argmax(0)]
        found.append(Somebody(corners, points, np.full(LSP14.size, 2, np.int8)))
    return CrowdPhoto(pixels, tuple(found), complete)


@pytest.fixture(scope="module")
def photos() -> CrowdCanvases:
    return make_crowd_canvases((painted(1 + n % 3, n) for n in range(8)), 8, side=96)


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return start_engine("cpu")


def tiny() -> ModelEntry:
    return replace(ENTRIES["ssa-small"], build=partial(SSANet, TINY), input_size=(64, 64))


@pytest.fixture
def trainer(
    photos: CrowdCanvases, tmp_path: Path, fabric: Fabric
) -> Callable[[str, SSAOptions], Trainer]:
    def make(folder: str = "run", options: SSAOptions | None = None) -> Trainer:
        how = Augmentation(occlude=0.0)
        task = SSATask(tiny(), photos, photos, how, options or SSAOptions())
        return Trainer(task, RECIPE, tmp_path / folder, fabric)

    return make


@pytest.mark.parametrize(
    "switches",
    [
        {"offsets": False, "spatial": False, "sequential": False, "self_supervision": False},
        {"spatial": False, "sequential": False, "self_supervision": False},
        {"attn_gate": True, "wide_offsets": True, "kind": "log1p"},
    ],
    ids=["baseline", "offsets", "everything"],
)
def test_every_row_of_the_ablation_trains(
    trainer: Callable[[str, SSAOptions], Trainer], switches: dict
) -> None:
    one = trainer("run", SSAOptions(**switches))
    one.run(validate_every=100)
    network = one.average
    assert network.config.offsets == switches.get("offsets", True)
    assert network.config.attn_gate == switches.get("attn_gate", False)
    header, line = (one.folder / "log.csv").read_text().splitlines()
    assert header.endswith("OKS AP,AP50,AR,PCK@0.2,contradiction,apart")
    assert all(math.isfinite(float(value)) for value in line.split(","))


def test_a_stopped_training_goes_on_as_if_it_had_not(
    trainer: Callable[..., Trainer],
) -> None:
    """The running averages of the stages ride along, so that sequential weights are the same."""
    whole = trainer("whole")
    for _ in range(6):
        whole.train_step(STAGE)
    assert (whole.model.stage_loss > 0).all()
    first = trainer("parts")
    for _ in range(3):
        first.train_step(STAGE)
    first.folder.mkdir()
    first.save()
    second = trainer("parts")
    second.resume()
    for _ in range(3):
        second.train_step(STAGE)
    for key, value in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[key], value), key


def test_it_learns(photos: CrowdCanvases, fabric: Fabric, tmp_path: Path) -> None:
    """Two photos by heart: the loss falls to under a third, and offsets find their places."""
    few = CrowdCanvases(*(getattr(photos, name)[:2] for name in photos.__dataclass_fields__))
    task = SSATask(tiny(), few, few, NONE, SSAOptions())
    recipe = replace(RECIPE, stages=(Stage((64, 64), 60, 2),), rate=1e-2, clip=1e3)
    one = Trainer(task, recipe, tmp_path, fabric)
    losses = [float(one.train_step(recipe.stages[0])) for _ in range(60)]
    assert np.mean(losses[-5:]) < np.mean(losses[:3]) / 3


def test_eight_photos_are_learnt_by_heart(
    photos: CrowdCanvases, fabric: Fabric, tmp_path: Path
) -> None:
    """Specification 12.9: nearly everybody of all eight photos, by the decoder and COCO's measure.

    With all losses on; what came out of the random weights is nothing.
    """
    task = SSATask(tiny(), photos, photos, NONE, SSAOptions())
    stage = Stage((96, 96), 100, 8)
    recipe = replace(RECIPE, stages=(stage,), rate=1e-2, clip=1e3, warm_up=10, average=0.9)
    one = Trainer(task, recipe, tmp_path, fabric)
    one.average.eval()
    before = one.validate(stage)
    for _ in range(100):
        one.train_step(stage)
    one.average.eval()
    after = one.validate(stage)
    assert before.value < 5
    assert after.value > 90 and after.figures["PCK@0.2"] > 90
    assert after.figures["contradiction"] < before.figures["contradiction"]


def test_targets_lie_where_the_dots_are(photos: CrowdCanvases) -> None:
    """Through canvas, view and encoder: each keypoint's block is of the keypoint's colour."""
    task = SSATask(tiny(), photos, photos, Augmentation(colour=0, blur=0, occlude=0, flip=0))
    generator = torch.Generator().manual_seed(3)
    how = task.augmentation
    views = augment_crowds(photos, torch.arange(8), LSP14, (96, 96), generator, how, hidden=True)
    targets = targets_of(views.people, TINY, (96, 96))
    seen = 0
    for image, keypoint, row, col in targets.own_block.nonzero().tolist():
        ox, oy = targets.offset[image, 2 * keypoint : 2 * keypoint + 2, row, col].tolist()
        x, y = round(8 * (col + ox) + 3.5), round(8 * (row + oy) + 3.5)
        if not (1 <= x < 95 and 1 <= y < 95):
            continue
        hue = cv2.cvtColor(
            (views.images[image, :, y, x].numpy() * 255).astype(np.uint8)[None, None],
            cv2.COLOR_RGB2HSV,
        )[0, 0]
        apart = abs(int(hue[0]) - 179 * keypoint / 14) % 179
        seen += min(apart, 179 - apart) < 4
    assert seen > 0.9 * float(targets.own_block.sum()) > 50


def test_a_perfect_network_scores_in_full(photos: CrowdCanvases) -> None:
    class Perfect(torch.nn.Module):
        """Says the truth about the photos in their order."""

        def __init__(self, task: SSATask) -> None:
            super().__init__()
            self.config, self.task = replace(TINY), task

        def forward(self, images: torch.Tensor) -> object:
            from posekit.models.ssa import StageOutputs

            generator = torch.Generator().manual_seed(0)
            every = torch.arange(len(images))
            views = augment_crowds(photos, every, LSP14, (96, 96), generator, NONE, hidden=True)
            truth = targets_of(views.people, TINY, (96, 96))
            return StageOutputs((truth.paf,), (truth.heat,), (truth.offset,), ())

    task = SSATask(tiny(), photos, photos, NONE)
    score = task.validate(Perfect(task), Stage((96, 96), 1, 1))
    assert score.name == "OKS AP"
    assert score.value > 97
    assert score.figures["PCK@0.2"] > 97  # keypoints closer than a block are told apart no more
    assert score.figures["contradiction"] < 0.5


def test_found_people_are_matched_once_each() -> None:
    true = np.zeros((3, 14, 2))
    true[0], true[1] = np.arange(28).reshape(14, 2), np.arange(28).reshape(14, 2) + 100
    known = np.ones((3, 14), bool)
    known[2] = False  # nobody labelled anything of the third
    near, half = true[0] + 1, true[1] + 2
    half[7:] = np.nan
    predicted, kept, labelled = matched([half, near, near + 1], true, known)
    assert kept.shape == (2, 14, 2)
    assert labelled.all()
    np.testing.assert_array_equal(predicted[0], near)
    np.testing.assert_array_equal(predicted[1, :7], half[:7])
    assert np.isinf(predicted[1, 7:]).all()
    nobody, _, _ = matched([], true, known)
    assert np.isinf(nobody).all()


def test_cells_count_by_who_is_labelled() -> None:
    box = torch.tensor([[[8.0, 8.0, 24.0, 32.0], [0.0, 0.0, 16.0, 16.0], [0, 0, 0, 0]]])
    people = People(
        boxes=box.expand(2, -1, -1),
        keypoints=torch.zeros(2, 3, 14, 2),
        counted=torch.zeros(2, 3, 14, dtype=torch.bool),
        beyond=torch.zeros(2, 3, 14, dtype=torch.bool),
        present=torch.tensor([[True, False, False]] * 2),
        ignored=torch.tensor([[False, True, False]] * 2),
        whwh=torch.full((2, 4), 40.0),
        complete=torch.tensor([True, False]),
    )
    all_labelled, some = people_mask(people, (5, 5), GRID, elsewhere=0.3)[:, 0]
    expected = torch.ones(5, 5)
    expected[0, :2] = expected[1, 0] = 0  # to ignore, where nobody labelled stands in front
    torch.testing.assert_close(all_labelled, expected)
    torch.testing.assert_close(some[1:4, 1:3], torch.ones(3, 2))
    assert some[0, :2].tolist() == [0, 0]
    assert some[4, 4] == pytest.approx(0.3)


def test_the_recipe_says_the_switches() -> None:
    recipe = read_recipe(Path(__file__).parents[1] / "training/recipes/ssa-small.toml")
    options = options_of(recipe, SSAOptions)
    assert recipe.task in task_kinds()
    assert (options.offsets, options.spatial, options.sequential) == (True, True, True)
    assert options.self_supervision and not options.attn_gate
    assert recipe.stages[-1].input_size == ENTRIES[recipe.model].input_size


@pytest.mark.parametrize("kind", ["l2", "quartic", "log1p"])
def test_a_recipe_chooses_the_kind_of_error(
    photos: CrowdCanvases, tmp_path: Path, kind: str
) -> None:
    file = Path(__file__).parents[1] / "training/recipes/ssa-small.toml"
    text = file.read_text().replace("[options]", f'[options]\nkind = "{kind}"', 1)
    (tmp_path / "recipe.toml").write_text(text)
    recipe = read_recipe(tmp_path / "recipe.toml")
    options = options_of(recipe, SSAOptions)
    assert SSATask(tiny(), photos, photos, NONE, options).options.loss.kind == kind
    wrong = replace(recipe, options={**recipe.options, "kind": "l3"})
    with pytest.raises(DataError, match="no loss 'l3'"):
        SSATask(tiny(), photos, photos, NONE, options_of(wrong, SSAOptions))


def test_what_does_not_fit_is_refused(photos: CrowdCanvases, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="learns 17 keypoints; the data has 14"):
        SSATask(replace(tiny(), skeleton=COCO17), photos, photos, NONE)
    with pytest.raises(DataError, match="needs offsets"):
        SSATask(tiny(), photos, photos, NONE, SSAOptions(offsets=False))
    other = replace(tiny(), build=lambda: torch.nn.Identity())
    with pytest.raises(DataError, match="not a network of the OpenPose line"):
        SSATask(other, photos, photos, NONE).build()
    wrong = replace(RECIPE, options={"crowds": {"size": 3}})
    with pytest.raises(DataError, match="no options of crowds"):
        ssa(tiny(), wrong, Source(tmp_path))
    with pytest.raises(DataError, match="has no option"):
        ssa(tiny(), replace(RECIPE, options={"speed": 3}), Source(tmp_path))
