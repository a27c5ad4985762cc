"""DINO: losses and schedules in closed form, collapse seen, and a run that resumes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import posekit
from posekit.checkpoint import read_state_dict, save_safetensors
from posekit.data.augment import NONE
from posekit.data.canvas import Canvases, make_canvases
from posekit.data.multi_crop import CropKind, random_crops
from posekit.errors import DataError
from posekit.models.btranspose import BTranspose
from posekit.models.dino import Dino, DinoBackbone, cosine, dino_loss, teacher_figures
from posekit.models.transpose import TransPoseConfig, transpose
from posekit.skeleton import LSP14, NO_KEYPOINTS
from posekit.training.dino import DinoOptions, DinoTask, collapse
from posekit.training.engine import start_engine
from posekit.training.export import export
from posekit.training.heatmaps import HeatmapTask
from posekit.training.loop import Trainer
from posekit.training.probe import keypoint_probe
from posekit.training.recipe import Recipe, Stage
from posekit.weights import WeightsFile
from posekit.zoo import ModelEntry, Paper, PoseModel, entry
from tests.dots import dots
from tests.tiny_models import TINY_BOT, noise_photo

OPTIONS = DinoOptions(
    prototypes=16, hidden=24, bottleneck=8, small_crops=2, small_size=(32, 32), probe=12, freeze=0.4
)
RECIPE = Recipe(
    "tiny", (Stage((64, 48), 6, 4),), rate=1e-2, warm_up=1, average=0.0, task="dino",
    decay=0.04, last_decay=0.4,
)  # fmt: skip


def tiny_entry() -> ModelEntry:
    paper = Paper("A paper", "Nowhere", 2021, "0000.00000")
    return ModelEntry(
        "tiny", "Tiny", "BTranspose", paper, partial(DinoBackbone, TINY_BOT), NO_KEYPOINTS, (64, 48)
    )


@pytest.fixture(scope="module")
def photos() -> Canvases:
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.integers(0, 256, (12, 3, 24, 24), dtype=np.uint8))
    images = coarse.repeat_interleave(12, -1).repeat_interleave(12, -2)  # 288 x 288
    keypoints = torch.from_numpy(rng.uniform(90, 200, (12, 14, 2)).astype(np.float32))
    return Canvases(
        images, keypoints, torch.ones(12, 14, dtype=torch.bool), torch.full((12, 2), 120.0)
    )


@pytest.fixture
def trainer(photos: Canvases, tmp_path: Path):
    def make(folder: str = "run") -> Trainer:
        task = DinoTask(tiny_entry(), photos, photos, OPTIONS)
        return Trainer(task, RECIPE, tmp_path / folder, start_engine("cpu"))

    return make


# --- the loss ----------------------------------------------------------------------------------


def test_the_loss_is_the_mean_cross_entropy_of_unlike_crops() -> None:
    torch.manual_seed(0)
    said, taught, centre = torch.randn(4, 3, 5), torch.randn(2, 3, 5), torch.randn(5)
    terms = []
    for t in range(2):
        for s in range(4):
            if s == t:
                continue
            for photo in range(3):
                target = ((taught[t, photo] - centre) / 0.05).softmax(0)
                answer = (said[s, photo] / 0.1).softmax(0)
                terms.append(-(target * answer.log()).sum())
    expected = torch.stack(terms).mean()
    torch.testing.assert_close(dino_loss(said, taught, centre, 0.1, 0.05), expected)


def test_a_teacher_that_says_nothing_costs_the_log_of_the_prototypes() -> None:
    nothing = torch.zeros(2, 3, 8)
    assert dino_loss(nothing, nothing, torch.zeros(8), 0.1, 0.04) == pytest.approx(math.log(8))


def test_both_kinds_of_collapse_are_seen() -> None:
    centre = torch.zeros(8)
    same = teacher_figures(torch.zeros(20, 8), centre, 0.04)
    assert same == pytest.approx({"teacher entropy": 1.0, "answers used": 1.0})
    assert "says the same of every photo" in collapse(same)
    one = teacher_figures(torch.eye(8)[[3] * 20], centre, 0.04)
    assert one == pytest.approx({"teacher entropy": 0.0, "answers used": 0.0}, abs=1e-6)
    assert "Very few prototypes" in collapse(one)
    healthy = teacher_figures(torch.eye(8), centre, 0.04)
    assert healthy == pytest.approx({"teacher entropy": 0.0, "answers used": 1.0}, abs=1e-6)
    assert collapse(healthy) == ""


def test_a_cosine_starts_and_ends_where_it_should() -> None:
    assert [cosine(0.04, 0.4, p) for p in (0, 0.5, 1, 2)] == pytest.approx([0.04, 0.22, 0.4, 0.4])


# --- the network -------------------------------------------------------------------------------


def test_the_teacher_follows_and_is_never_trained() -> None:
    torch.manual_seed(0)
    dino = Dino(DinoBackbone(TINY_BOT), 128, 16, 24, 8)
    assert not any(p.requires_grad for p in dino.teacher.parameters())
    before = dino.teacher.head.prototypes.weight.clone()
    with torch.no_grad():
        dino.student.head.prototypes.weight.add_(1.0)
    dino.follow(0.9)
    torch.testing.assert_close(dino.teacher.head.prototypes.weight, before + 0.1)
    dino.recentre(torch.full((2, 3, 16), 2.0), 0.9)
    torch.testing.assert_close(dino.centre, torch.full((16,), 0.2))


def test_only_the_student_gets_gradients() -> None:
    torch.manual_seed(0)
    dino = Dino(DinoBackbone(TINY_BOT), 128, 16, 24, 8)
    said, taught = dino(torch.randn(2, 2, 3, 64, 48), [torch.randn(2, 3, 32, 32)] * 3)
    assert said.shape == (5, 2, 16) and taught.shape == (2, 2, 16)
    dino_loss(said, taught, dino.centre, 0.1, 0.04).backward()
    assert all(p.grad is not None for p in dino.student.parameters())
    assert not taught.requires_grad


def test_a_cosine_to_a_prototype_is_at_most_one() -> None:
    dino = Dino(DinoBackbone(TINY_BOT), 128, 16, 24, 8)
    answer = dino.student.head(100 * torch.randn(50, 128))
    assert float(answer.detach().abs().max()) <= 1 + 1e-6


# --- crops -------------------------------------------------------------------------------------


def test_a_crop_of_everything_is_the_region_around_the_person(photos: Canvases) -> None:
    generator = torch.Generator().manual_seed(1)
    index = torch.arange(12)
    whole = random_crops(photos, index, CropKind((64, 64), (1.0, 1.0), blur=0), generator)
    assert whole.shape == (12, 3, 64, 64)
    assert float(whole.min()) >= 0 and float(whole.max()) <= 1
    again = random_crops(
        photos, index, CropKind((64, 64), (1.0, 1.0), blur=0), torch.Generator().manual_seed(1)
    )
    torch.testing.assert_close(whole, again)
    share = random_crops(
        photos, index, CropKind((64, 64), (1.0, 1.0), blur=0), torch.Generator().manual_seed(1),
        slice(3, 6),
    )  # fmt: skip
    torch.testing.assert_close(share, whole[3:6])


def test_a_smaller_area_shows_less_of_the_photo(photos: Canvases) -> None:
    ramp = torch.arange(288, dtype=torch.float32)[None, None, None].expand(12, 3, 288, 288)
    ramps = Canvases(
        (ramp / 288 * 255).to(torch.uint8), photos.keypoints, photos.labelled, photos.extent
    )
    spans = []
    for area in (1.0, 0.25):
        generator = torch.Generator().manual_seed(2)
        kind = CropKind((32, 32), (area, area), blur=0)
        crops = random_crops(ramps, torch.arange(12), kind, generator)
        spans.append(float((crops.amax(-1) - crops.amin(-1)).mean()))
    assert spans[1] < 0.75 * spans[0]


# --- training ----------------------------------------------------------------------------------


def test_a_run_resumes_bit_for_bit_and_logs_the_teacher(trainer, tmp_path: Path) -> None:
    whole = trainer("whole")
    whole.run(validate_every=3)
    assert whole.recipe.steps == whole.step == 6
    first = trainer("parts")
    for _ in range(3):
        first.folder.mkdir(exist_ok=True)
        first.train_step(RECIPE.stages[0])
    first.save()
    second = trainer("parts")
    second.run(validate_every=3)
    ours, theirs = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    log = (tmp_path / "whole" / "log.csv").read_text().splitlines()
    assert log[0].endswith("probe PCK@0.2,teacher entropy,answers used")
    assert [line.split(",")[0] for line in log[1:]] == ["0", "3", "6"]


def test_schedules_and_frozen_prototypes(trainer) -> None:
    one = trainer()
    assert one.decay() == pytest.approx(0.04)
    prototypes = one.model.student.head.prototypes.weight
    before = prototypes.detach().clone()
    one.train_step(RECIPE.stages[0])
    assert torch.equal(prototypes, before)  # frozen over the first 40 per cent
    for _ in range(3):
        one.train_step(RECIPE.stages[0])
    assert not torch.equal(prototypes, before)
    used = [group["weight_decay"] for group in one.groups]
    assert used == pytest.approx([0.22])  # of the fourth step, half way from 0.04 to 0.4
    one.step = 6
    assert one.decay() == pytest.approx(0.4)
    task = one.task
    assert isinstance(task, DinoTask)
    ends = (
        task.teacher_temperature(0.0),
        task.teacher_temperature(0.15),
        task.teacher_temperature(1),
    )
    assert ends == pytest.approx((0.04, 0.055, 0.07))


def test_what_comes_out_is_the_teachers_backbone(trainer, monkeypatch, tmp_path: Path) -> None:
    one = trainer()
    one.run(validate_every=6)
    monkeypatch.setattr("posekit.training.export.entry", lambda _: tiny_entry())
    assert isinstance(one.task, DinoTask)
    path = export(one.folder, RECIPE, tmp_path, 12, "noise", product=one.task.product)
    state = read_state_dict(path)
    torch.testing.assert_close(
        state["layer3.0.mhsa.query.weight"].float(),
        one.average.teacher.backbone.layer3[0].mhsa.query.weight.half().float(),
    )
    # BTranspose starts from all of it, TransPose-R from what it has in common.
    ours = BTranspose(TINY_BOT)
    assert ours.initialise(state) == len(state)
    kept = ours.state_dict()
    assert all(torch.equal(kept[key].float(), value.float()) for key, value in state.items())
    other = transpose(TransPoseConfig("resnet", 8, 16, 32, layers=1, heads=2, input_size=(64, 48)))
    assert other.initialise(state) == sum(not key.startswith("layer3") for key in state)


@pytest.mark.parametrize(("name", "taken"), [("btranspose-small", 172), ("transpose-r-small", 144)])
def test_the_shipped_backbone_is_a_start_for_both_families(name: str, taken: int) -> None:
    """``--start`` of the task: TransPose-R takes all but the bottleneck's 28 tensors."""
    backbone = entry("dino-btranspose-small").weights_of("shipped").local
    assert backbone is not None
    state = read_state_dict(backbone)
    people = make_canvases(dots(1))
    task = HeatmapTask(entry(name), people, people, NONE, start=backbone)
    started = task.build().state_dict()
    same = [
        key for key in started if key in state and torch.equal(started[key], state[key].float())
    ]
    assert len(state) == 172 and len(same) == taken
    without = replace(task, start=None).build().state_dict()
    assert not torch.equal(started["layer2.0.conv2.weight"], without["layer2.0.conv2.weight"])


def test_a_network_without_a_trunk_is_refused(photos: Canvases) -> None:
    paper = Paper("A paper", "Nowhere", 2021, "0000.00000")
    flat = ModelEntry(
        "flat", "Flat", "None", paper, lambda: torch.nn.Conv2d(3, 3, 1), NO_KEYPOINTS, (64, 48)
    )
    with pytest.raises(DataError, match="Flat has no trunk"):
        DinoTask(flat, photos, photos, OPTIONS).build()


class Beacon(torch.nn.Module):
    """A "trunk" whose channel k is bright where keypoint k was painted."""

    def trunk(self, images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(images, 8)


def test_the_probe_reads_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    count = 60
    keypoints = torch.full((count, 14, 2), 144.0)
    images = torch.zeros(count, 3, 288, 288, dtype=torch.uint8)
    for n in range(count):
        for channel, k in enumerate((LSP14.index("neck"), 8, 9, 2)):
            x, y = rng.integers(100, 188, 2)
            keypoints[n, k] = torch.tensor([float(x), float(y)])
            if channel < 3:
                images[n, channel, y - 5 : y + 6, x - 5 : x + 6] = 255
    labelled = torch.zeros(count, 14, dtype=torch.bool)
    labelled[:, [LSP14.index("neck"), 8, 9, 2]] = True
    people = Canvases(images, keypoints, labelled, torch.full((count, 2), 110.0))
    entry = tiny_entry()
    score = keypoint_probe(Beacon(), entry, LSP14, people, people, (96, 96))
    blind = keypoint_probe(
        Beacon(), entry, LSP14,
        people, Canvases(torch.zeros_like(images), keypoints, labelled, people.extent), (96, 96),
    )  # fmt: skip
    assert score > 60  # three of the four keypoints are painted
    assert blind < score / 2


# --- exploring it ------------------------------------------------------------------------------


def test_the_backbone_predicts_nothing_and_can_be_asked(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = DinoBackbone(TINY_BOT).eval()
    model = PoseModel(tiny_entry(), module, WeightsFile("random"), torch.device("cpu"))
    prediction = posekit.Estimator(model).predict(noise_photo())
    assert prediction.people[0].keypoints.shape == (0, 2)
    found = posekit.explain(prediction, (60.0, 80.0))
    assert [one.layer for one in found.maps] == ["mhsa.1", "mhsa.2"]
    path = save_safetensors(module, tmp_path / "dino.safetensors", half=True)
    assert not any("encoder" in key or "final" in key for key in read_state_dict(path))
