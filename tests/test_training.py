"""The loop: it learns, it resumes exactly, it measures what it says."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

from posekit.checkpoint import read_state_dict
from posekit.data.augment import NONE, Augmentation, Draws, augment
from posekit.data.canvas import CANVAS, MARGIN, Canvases, make_canvases
from posekit.data.lsp import LabelledPerson
from posekit.data.rendered import rendered_people
from posekit.errors import DataError, WeightsError
from posekit.evaluation import PCK
from posekit.models import transpose as tp
from posekit.photo import Photo, read_photo
from posekit.skeleton import COCO17, LSP14
from posekit.training.engine import start_engine
from posekit.training.export import add_measurement, export
from posekit.training.heatmaps import HeatmapTask
from posekit.training.loop import Trainer
from posekit.training.people import in_skeleton, read_training_people
from posekit.training.recipe import Recipe, Stage, read_recipe
from posekit.zoo import ModelEntry, entry

TINY = tp.TransPoseConfig("resnet", 8, 32, 32, 2, 2, keypoints=14, input_size=(64, 48), dropout=0.0)
STAGES = (Stage((64, 48), 6, 4, 1.0), Stage((96, 72), 4, 4, 1.5))
RECIPE = Recipe("tiny", STAGES, warm_up=2, bf16=False)


def tiny_entry() -> ModelEntry:
    return replace(
        entry("transpose-r-small"), build=lambda: tp.transpose(TINY), input_size=(64, 48)
    )


def dots(count: int, seed: int = 0) -> Iterator[LabelledPerson]:
    """Photographs with one bright dot a keypoint, each keypoint of its own colour."""
    rng = np.random.default_rng(seed)
    hues = np.linspace(0, 179, LSP14.size, endpoint=False).astype(np.uint8)
    hsv = np.stack([hues, np.full_like(hues, 255), np.full_like(hues, 255)], -1)[None]
    colours = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]
    for _ in range(count):
        pixels = np.zeros((160, 140, 3), np.uint8)
        keypoints = rng.uniform((20, 20), (120, 140), (LSP14.size, 2))
        for (x, y), colour in zip(keypoints, colours, strict=True):
            cv2.circle(pixels, (round(x), round(y)), 5, colour.tolist(), -1, cv2.LINE_AA)
        yield LabelledPerson(read_photo(pixels), keypoints, np.ones(LSP14.size, bool))


@pytest.fixture(scope="module")
def people() -> Canvases:
    return make_canvases(dots(12))


@pytest.fixture(scope="module")
def fabric() -> Fabric:
    return start_engine("cpu")


@pytest.fixture
def trainer(people: Canvases, tmp_path: Path, fabric: Fabric) -> Callable[..., Trainer]:
    def make(folder: str = "run", recipe: Recipe = RECIPE) -> Trainer:
        task = HeatmapTask(tiny_entry(), people, people, recipe.augmentation)
        return Trainer(task, recipe, tmp_path / folder, fabric)

    return make


def test_canvas_keeps_keypoints_on_their_pixels(people: Canvases) -> None:
    """At a keypoint's canvas coordinates lies the dot that was drawn for it."""
    for image, keypoints in zip(people.images, people.keypoints, strict=True):
        x, y = keypoints.round().long().T
        assert image[:, y, x].amax(0).min() > 120
    assert people.images.shape[1:] == (3, CANVAS, CANVAS)
    longest = people.extent.amax(1)
    torch.testing.assert_close(longest, torch.full((12,), CANVAS / MARGIN), atol=2.0, rtol=0)


def test_augmented_keypoints_follow_the_picture(people: Canvases) -> None:
    """Whatever the turn, scale, shift and mirror, colour i stays at keypoint i (or its pair)."""
    strong = Augmentation(colour=0, half_body=0, wide=0)
    index = torch.arange(12)
    plain, at, _ = augment(people, index, LSP14, (256, 192), torch.Generator(), NONE)
    varied, moved, labelled = augment(
        people, index, LSP14, (256, 192), torch.Generator().manual_seed(3), strong
    )
    order = torch.tensor(LSP14.flip_order)
    compared = mirrored = 0
    for n in range(12):
        before = colours_at(plain[n], at[n])
        after = colours_at(varied[n], moved[n])
        inside = ((moved[n] > 6) & (moved[n] < torch.tensor([185, 249]))).all(-1)
        same, swapped = ((after - c).abs().amax(-1) < 0.35 for c in (before, before[order]))
        flipped = swapped[inside].sum() > same[inside].sum()
        right = (swapped if flipped else same)[inside]
        # Dots may lie over one another; nearly all must keep their colour.
        assert right.float().mean() > 0.75
        compared += int(inside.sum())
        mirrored += int(flipped)
    assert compared > 80 and 2 <= mirrored <= 10
    assert labelled.all()


def colours_at(image: torch.Tensor, keypoints: torch.Tensor) -> torch.Tensor:
    x = keypoints[:, 0].round().long().clamp(0, image.shape[2] - 1)
    y = keypoints[:, 1].round().long().clamp(0, image.shape[1] - 1)
    return image[:, y, x].T


def test_plain_crop_is_the_crop_the_estimator_makes(people: Canvases) -> None:
    """The person fills the crop as the estimator's padding of 1.25 has it, centred."""
    _, keypoints, _ = augment(people, torch.arange(12), LSP14, (256, 192), torch.Generator(), NONE)
    low, high = keypoints.amin(1), keypoints.amax(1)
    torch.testing.assert_close(
        (low + high) / 2, torch.tensor([[95.5, 127.5]]).expand(12, 2), atol=0.6, rtol=0
    )
    share = ((high - low) / torch.tensor([192.0, 256.0])).amax(1)
    torch.testing.assert_close(share, torch.full((12,), 0.8), atol=0.02, rtol=0)


def test_colour_changes_are_the_ones_named(people: Canvases) -> None:
    """Against the plain way, step by step: contrast, saturation, white balance, brightness."""
    how = replace(NONE, colour=0.5)
    seed = torch.Generator().manual_seed(11)
    drawn = Draws.of(12, torch.Generator().manual_seed(11))
    plain, _, _ = augment(people, torch.arange(12), LSP14, (64, 48), torch.Generator(), NONE)
    ours, _, _ = augment(people, torch.arange(12), LSP14, (64, 48), seed, how)
    for n in range(12):
        contrast, saturation, brightness, *balance = (1 + 0.5 * (2 * drawn.colour[n] - 1)).tolist()
        x = plain[n]
        x = (x - x.mean()) * contrast + x.mean()
        grey = x.mean(0)
        x = grey + (x - grey) * (0.0 if drawn.grey[n] < 0.1 else saturation)
        gains = torch.tensor([1 + 0.3 * (b - 1) for b in balance])[:, None, None]
        torch.testing.assert_close(
            ours[n], (x * gains * brightness).clamp(0, 1), atol=1e-5, rtol=1e-4
        )


def test_augmentation_depends_on_the_generator_alone(people: Canvases) -> None:
    def draw(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return augment(people, torch.arange(4), LSP14, (64, 48), generator, Augmentation())[0]

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert draw(1).min() >= 0 and draw(1).max() <= 1


def test_a_shared_batch_makes_the_crops_one_process_would_make(people: Canvases) -> None:
    def draw(share: slice) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(5)
        return list(
            augment(
                people,
                torch.arange(8),
                LSP14,
                (64, 48),
                generator,
                Augmentation(),
                share=share,
            )
        )

    whole = draw(slice(None))
    parts = zip(draw(slice(0, 4)), draw(slice(4, 8)), strict=True)
    for one, (a, b) in zip(whole, parts, strict=True):
        torch.testing.assert_close(torch.cat([a, b]), one, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_resumed_training_equals_uninterrupted_training(
    people: Canvases, tmp_path: Path, fabric: Fabric, dropout: float
) -> None:
    """Bit for bit, also where the run crosses into another stage and where there is dropout."""
    config = replace(TINY, dropout=dropout)
    model = replace(tiny_entry(), build=lambda: tp.transpose(config))
    task = HeatmapTask(model, people, people, RECIPE.augmentation)
    whole = Trainer(task, RECIPE, tmp_path / "whole", fabric)
    whole.run(validate_every=100)
    first = Trainer(task, RECIPE, tmp_path / "parts", fabric)
    for _ in range(5):
        first.train_step(RECIPE.stage_at(first.step))
    first.folder.mkdir()
    first.save()
    second = Trainer(task, RECIPE, tmp_path / "parts", fabric)
    second.run(validate_every=100)
    assert second.step == whole.step == 10
    for ours, theirs in ((second.model, whole.model), (second.average, whole.average)):
        for key, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[key], value), key


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    """Two processes share each batch and are killed; one process finishes as one would have."""
    script = Path(__file__).parent / "train_linear.py"

    def run(folder: str, devices: int, steps: int) -> dict[str, torch.Tensor]:
        out = tmp_path / folder
        command = [sys.executable, str(script), str(out), str(devices), str(steps)]
        root = str(Path(__file__).parents[1])
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, env=env)
        assert done.returncode == 0, done.stderr[-2000:]
        return dict(torch.load(out / "last.pt", weights_only=True)["model"])

    alone = run("alone", 1, 12)
    run("shared", 2, 7)
    shared = run("shared", 2, 12)
    for key, value in alone.items():
        torch.testing.assert_close(shared[key], value, atol=2e-5, rtol=2e-4)


def test_a_batch_that_cannot_be_shared_out_is_refused(people: Canvases, tmp_path: Path) -> None:
    class Three:
        world_size = 3
        device = torch.device("cpu")

    task = HeatmapTask(tiny_entry(), people, people, NONE)
    with pytest.raises(DataError, match="evenly to 3 processes"):
        Trainer(task, RECIPE, tmp_path, Three())  # type: ignore[arg-type]


def test_every_person_once_an_epoch(trainer: Callable[..., Trainer]) -> None:
    one = trainer()
    seen: list[int] = []
    for step in range(6):
        one.step = step
        seen += one.people_of_step(4).tolist()
    assert sorted(seen[:12]) == sorted(seen[12:]) == list(range(12))
    assert seen[:12] != seen[12:]


def test_learning_rate_warms_up_and_falls_to_a_hundredth(trainer: Callable[..., Trainer]) -> None:
    one = trainer()
    rates = []
    for step in range(one.recipe.steps + 1):
        one.step = step
        rates.append(one.learning_rate())
    assert rates[0] == pytest.approx(0.5e-3) and rates[1] == pytest.approx(1e-3)
    assert all(a >= b for a, b in pairwise(rates[2:]))
    assert rates[-1] == pytest.approx(1e-5)


def test_the_average_follows_and_then_settles(trainer: Callable[..., Trainer]) -> None:
    """kept + (ours - kept) (1 - decay), where decay = min(0.999, (1 + n) / (10 + n)) at step n."""
    one = trainer()
    key = "final_layer.weight"
    kept = one.average.state_dict()[key].clone()
    one.train_step(STAGES[0])
    ours = one.model.state_dict()[key]
    expected = kept + (ours - kept) * (1 - 2 / 11)
    torch.testing.assert_close(one.average.state_dict()[key], expected)


def test_it_learns_and_keeps_the_best(trainer: Callable[..., Trainer]) -> None:
    """A few pictures of coloured dots are partly learnt by heart within seconds."""
    recipe = replace(
        RECIPE,
        stages=(Stage((64, 48), 60, 6, 1.5),),
        rate=5e-3,
        warm_up=5,
        average=0.9,
        augmentation=NONE,
    )
    one = trainer("run", recipe)
    first = one.train_step(recipe.stages[0])
    one.run(validate_every=20)
    last = one.train_step(recipe.stages[0])
    assert last < 0.4 * first
    log = [line.split(",") for line in (one.folder / "log.csv").read_text().splitlines()]
    assert log[0] == ["step", "input_height", "loss", "learning_rate", "PCK@0.2"]
    assert [line[0] for line in log[1:]] == ["20", "40", "60"]
    scores = {int(line[0]): float(line[4]) for line in log[1:]}
    best = torch.load(one.folder / "best.pt", weights_only=True)
    assert scores[best["step"]] == max(scores.values())


def test_a_loss_that_is_no_number_stops_the_run(trainer: Callable[..., Trainer]) -> None:
    one = trainer()
    with torch.no_grad():
        one.model.final_layer.bias.fill_(math.nan)
    with pytest.raises(DataError, match="no longer a number at step"):
        one.run(validate_every=4)


def test_data_of_another_skeleton_is_refused(people: Canvases) -> None:
    with pytest.raises(DataError, match="learns 17 keypoints; the data has 14"):
        HeatmapTask(entry("transpose-r-a3"), people, people, NONE)


def test_every_recipe_reads_and_names_a_model() -> None:
    for path in sorted((Path(__file__).parents[1] / "training/recipes").glob("*.toml")):
        recipe = read_recipe(path)
        assert entry(recipe.model).input_size == recipe.stages[-1].input_size, path.name


def test_an_occluder_covers_and_a_blur_softens(people: Canvases) -> None:
    def crops(how: Augmentation) -> torch.Tensor:
        generator = torch.Generator().manual_seed(2)
        return augment(people, torch.arange(12), LSP14, (96, 72), generator, how)[0]

    plain = crops(NONE)
    covered = (crops(replace(NONE, occlude=1.0)) - plain).abs().amax(1) > 1e-3
    share = covered.float().mean((1, 2))
    assert (share > 0).all() and share.max() < 0.33**2 + 0.01
    soft = crops(replace(NONE, blur=1.0))
    roughness = [x.diff(dim=-1).square().mean() for x in (plain, soft)]
    assert roughness[1] < 0.6 * roughness[0]
    torch.testing.assert_close(soft.mean(), plain.mean(), atol=5e-3, rtol=0)


def test_coco_people_are_learnt_in_the_models_keypoints() -> None:
    """COCO has no neck: it counts as not labelled; what both have keeps its place."""
    keypoints = np.stack([np.arange(17) * 5.0, np.arange(17) * 3.0], -1)
    person = LabelledPerson(
        read_photo(np.zeros((90, 90, 3), np.uint8)), keypoints, np.ones(17, bool), COCO17
    )
    (ours,) = in_skeleton([person], LSP14)
    assert not ours.labelled[LSP14.index("neck")]
    for name in ("left wrist", "right knee"):
        assert ours.labelled[LSP14.index(name)]
        np.testing.assert_array_equal(
            ours.keypoints[LSP14.index(name)], keypoints[COCO17.index(name)]
        )
    assert ours.box == person.box
    nothing = replace(person, labelled=np.arange(17) < 5)  # a face has no keypoint of LSP's
    assert list(in_skeleton([nothing], LSP14)) == []


def test_a_coco_file_needs_a_second_one_to_choose_by(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--validation"):
        read_training_people(tmp_path / "people.json", LSP14)


def test_shipped_recipe_reads(tmp_path: Path) -> None:
    recipe = read_recipe(Path(__file__).parents[1] / "training/recipes/transpose-r-small.toml")
    assert recipe.model == "transpose-r-small"
    assert recipe.stage_at(recipe.steps - 1).input_size == (192, 144)
    assert recipe.stage_at(0).input_size == (96, 72)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no recipe"),
        ("model = ", "not a training recipe"),
        ('model = "x"', "stages"),
        ('model = "x"\nspeed = 3\nstages = []', "speed"),
    ],
)
def test_a_bad_recipe_is_refused_in_words(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_recipe(path)


def test_rendered_people_are_labelled_where_they_are(tmp_path: Path) -> None:
    """Every labelled keypoint lies in its photograph, and scenes join photographs."""
    rendered = list(rendered_people(8))
    assert len(rendered) == 8
    for person in rendered:
        height, width = person.photo.size
        known = person.keypoints[person.labelled]
        assert len(known) >= 3
        assert (known >= -0.5).all() and (known < [width, height]).all()
    both = Canvases.join([make_canvases(rendered), make_canvases(dots(2))])
    assert len(both) == 10 and both.keypoints.shape == (10, 14, 2)


def test_export_writes_weights_and_a_card(people: Canvases, tmp_path: Path, fabric: Fabric) -> None:
    recipe = Recipe("transpose-r-small", (Stage((64, 48), 1, 2, 1.0),), scenes=3, bf16=False)
    task = HeatmapTask(entry("transpose-r-small"), people, people, NONE)
    one = Trainer(task, recipe, tmp_path / "run", fabric)
    one.run(validate_every=100)
    weights = export(tmp_path / "run", recipe, tmp_path / "out", 12, "dots")
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["trained_on"] == "12 photographs of dots and 3 rendered scenes, from random weights"
    assert card["training"]["steps"] == 1
    state = read_state_dict(weights)
    kept = one.average.state_dict()
    assert state["layer1.0.conv1.weight"].dtype == torch.float16
    for key, value in state.items():
        torch.testing.assert_close(value.to(kept[key].dtype), kept[key], atol=2e-3, rtol=2e-3)
    add_measurement(weights, "dots", PCK(12.5, {"nose": 12.5}, 3, 40), "measure dots")
    card = json.loads(weights.with_suffix(".json").read_text())
    assert card["measured"] == {"dots": {"PCK@0.2": 12.5}}
    assert card["measured_details"]["dots"]["PCK@0.2"]["command"] == "measure dots"
    with pytest.raises(WeightsError, match="no training run"):
        export(tmp_path, recipe, tmp_path, 1, "dots")


def test_nobody_to_train_on_is_said() -> None:
    with pytest.raises(DataError, match="no person"):
        make_canvases([])


def test_photo_type_is_what_the_reader_gives() -> None:
    assert all(isinstance(person.photo, Photo) for person in dots(1))
