"""From photo to people: exact coordinates, flip test, batches, memory, threads."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posekit.decode.heatmap import decode_heatmaps
from posekit.device import cpu_copy
from posekit.errors import BoxError, ModelError, PhotoError
from posekit.estimator import Estimator, PoseKitWarning
from posekit.geometry import Box
from posekit.photo import Photo
from posekit.skeleton import COCO17
from tests import tiny_instance
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_model

BOXES = [Box(20, 20, 40, 56), Box(130, 60, 44, 70), Box(60, 30, 70, 100), Box(0, 0, 30, 40)]


def blob_photo(centres: list[tuple[float, float]], size: tuple[int, int], sigma: float) -> Photo:
    """A black photo with one Gaussian spot a colour channel."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    spots = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * sigma**2)) for a, b in centres]
    return Photo(np.round(255 * np.stack(spots, axis=-1)).astype(np.uint8))


@pytest.mark.parametrize(
    ("box", "points"),
    [
        (None, [(110.3, 170.8), (200.0, 260.5), (160.6, 120.1)]),
        (Box(90, 100, 150, 200), [(150.2, 180.7), (200.9, 250.4), (120.0, 260.0)]),
        (Box(-40, -30, 200, 260), [(60.4, 90.9), (100.5, 50.25), (40.0, 180.0)]),
    ],
)
def test_a_spot_is_found_where_it_is_in_the_photo(box, points):
    """Crop, network, DARK and the way back: less than half a pixel of the crop off."""
    photo = blob_photo(points, (400, 320), sigma=14.0)
    model = pose_model(BlobFinder(), (256, 192))
    person = Estimator(model).predict(photo, None if box is None else [box]).people[0]
    crop_pixel = person.crop.to_photo.scale
    for k in range(17):
        away = np.hypot(*(person.keypoints[k] - points[k % 3]))
        assert away < 0.5 * crop_pixel, (k, away)
    assert person.keypoints.dtype == np.float64 and person.scores.shape == (17,)


def test_the_whole_photo_is_the_box_when_none_is_given():
    photo = noise_photo(100, 140)
    whole = Estimator(tiny_model()).predict(photo)
    boxed = Estimator(tiny_model()).predict(photo, [Box(0, 0, 140, 100)])
    assert len(whole.people) == 1
    np.testing.assert_array_equal(whole.people[0].keypoints, boxed.people[0].keypoints)
    assert whole.photo is photo and whole.skeleton is COCO17
    assert set(whole.seconds) == {"crop", "forward", "decode", "total"}
    assert whole.seconds["total"] == pytest.approx(
        sum(v for k, v in whole.seconds.items() if k != "total"), abs=0.01
    )


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_people_together_equal_people_one_at_a_time(batch_size):
    photo, model = noise_photo(180, 240), tiny_model()
    together = Estimator(model, batch_size=batch_size).predict(photo, BOXES)
    assert together.trace.attentions["encoder.2"].q.shape[0] == len(BOXES)
    for i, box in enumerate(BOXES):
        alone = Estimator(model).predict(photo, [box])
        np.testing.assert_allclose(together.trace.heatmaps[i], alone.trace.heatmaps[0], atol=1e-5)
        np.testing.assert_allclose(together.people[i].scores, alone.people[0].scores, atol=1e-5)
        for name, attention in together.trace.attentions.items():
            one = alone.trace.attentions[name]
            np.testing.assert_allclose(attention.rows([7], i), one.rows([7]), atol=1e-5)


def test_no_people_is_an_empty_prediction():
    empty = Estimator(tiny_model()).predict(noise_photo(), [])
    assert empty.people == () and empty.trace.attentions == {}


def test_recording_changes_nothing_but_the_trace():
    photo, model = noise_photo(180, 240), tiny_model()
    on = Estimator(model).predict(photo, BOXES)
    off = Estimator(model).predict(photo, BOXES, record=False)
    assert off.trace is None and len(on.trace.attentions) == 3
    for a, b in zip(on.people, off.people, strict=True):
        np.testing.assert_array_equal(a.keypoints, b.keypoints)


# --- flip test --------------------------------------------------------------------------------


class Columns(nn.Module):
    """Heatmaps with each keypoint's own bump at a fixed place, whatever the image."""

    def __init__(self, at: Tensor) -> None:
        super().__init__()
        self.at = at  # (K, 2) heatmap pixels

    def forward(self, images: Tensor) -> Tensor:
        h, w = images.shape[-2] // 4, images.shape[-1] // 4
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        away = (x - self.at[:, 0, None, None]) ** 2 + (y - self.at[:, 1, None, None]) ** 2
        return torch.exp(-away / 8.0).expand(len(images), -1, -1, -1)


def test_flip_test_adds_nothing_to_a_mirror_symmetric_model():
    """Left at x, right at w - 1 - x: the mirrored pass says the same, and so does the average."""
    width, height = 24, 32
    at = torch.zeros(17, 2)
    for k in range(17):
        at[k] = torch.tensor([(width - 1) / 2, 6.0 + k])
    for left, right in COCO17.flip_pairs:
        at[left, 0], at[right, 0] = 15.0, width - 1 - 15.0
        at[right, 1] = at[left, 1]
    model = pose_model(Columns(at), (4 * height, 4 * width))
    photo = noise_photo()
    plain = Estimator(model).predict(photo).people[0]
    flipped = Estimator(model, flip_test=True).predict(photo).people[0]
    np.testing.assert_allclose(flipped.keypoints, plain.keypoints, atol=1e-4)
    np.testing.assert_allclose(flipped.scores, plain.scores, atol=1e-6)


class SideReader(nn.Module):
    """Reports brightness as the left keypoints' maps and darkness as the right ones'."""

    def forward(self, images: Tensor) -> Tensor:
        small = nn.functional.avg_pool2d(images.mean(1, keepdim=True), 4)
        sides = [{"left": 1.0, "right": -1.0, "middle": 0.0}[COCO17.side(k)] for k in range(17)]
        return small * torch.tensor(sides)[None, :, None, None]


def test_flip_test_mirrors_the_maps_and_swaps_left_and_right():
    """Mirrored back, the left map is the brightness; swapped, it lands on the right keypoint."""
    model = pose_model(SideReader(), (64, 48))
    estimator = Estimator(model, flip_test=True)
    images = torch.randint(0, 256, (1, 64, 48, 3), dtype=torch.uint8)
    heatmaps, _ = estimator._run(images, record=False)
    # avg_pool commutes with the mirror: left + swapped right = brightness - brightness = 0.
    assert heatmaps.abs().max() < 1e-6
    without_swap = Estimator(model)._run(images, record=False)[0]
    assert without_swap.abs().max() > 0.1


def test_where_mirrored_answers_have_no_mean_a_flip_test_is_refused():
    with pytest.raises(ModelError, match="Instance-Attention-small has no flip test: what it"):
        Estimator(tiny_instance.tiny_model(), flip_test=True)


def test_flip_test_is_the_average_of_both_passes():
    model = tiny_model()
    images = torch.randint(0, 256, (2, 64, 48, 3), dtype=torch.uint8)
    plain = Estimator(model)._run(images, record=False)[0]
    mirrored = Estimator(model)._run(images.flip(2), record=False)[0]
    both, trace = Estimator(model, flip_test=True)._run(images, record=True)
    expected = (plain + mirrored.flip(-1)[:, list(COCO17.flip_order)]) / 2
    np.testing.assert_allclose(both, expected, atol=1e-6)
    np.testing.assert_allclose(trace.heatmaps, plain, atol=1e-6)  # of the crop as it is


# --- memory -----------------------------------------------------------------------------------


class Hungry(nn.Module):
    """Runs out of memory with more than ``limit`` images, or anywhere on the device ``meta``."""

    def __init__(self, limit: int, error: type[RuntimeError] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.inner = tiny_model().module
        self.limit, self.error = limit, error
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        if len(images) > self.limit or images.device.type == "meta":
            raise self.error("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.inner(images)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, RuntimeError])
def test_a_batch_too_large_is_halved_and_said(error):
    photo = noise_photo(180, 240)
    hungry = Hungry(1, error)
    with pytest.warns(PoseKitWarning) as told:
        found = Estimator(pose_model(hungry, (64, 48)), batch_size=4).predict(
            photo, BOXES, record=False
        )
    assert hungry.batches == [4, 2, 1, 1, 1, 1]
    assert "with 4 people at once; going on with 2 at a time" in str(told[0].message)
    expected = Estimator(pose_model(hungry.inner, (64, 48))).predict(photo, BOXES)
    for a, b in zip(found.people, expected.people, strict=True):
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)


def test_a_full_gpu_hands_over_to_the_cpu():
    """The device "meta" stands for a GPU with no room: whatever runs there fails."""
    photo = noise_photo(180, 240)
    model = pose_model(Hungry(8), (64, 48), device="meta")
    with pytest.warns(PoseKitWarning) as told:
        found = Estimator(model, batch_size=2).predict(photo, BOXES[:3], record=False)
    sentences = [str(warning.message) for warning in told]
    assert "with 2 people at once; going on with 1" in sentences[0]
    assert "GPU ran out of memory even for one person; going on with the CPU" in sentences[1]
    expected = Estimator(tiny_model()).predict(photo, BOXES[:3])
    assert len(found.people) == 3
    for a, b in zip(found.people, expected.people, strict=True):
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)


def test_a_full_cpu_is_an_error_in_words():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PoseKitWarning)
        with pytest.raises(ModelError, match="not enough memory"):
            Estimator(pose_model(Hungry(0), (64, 48))).predict(noise_photo(180, 240), BOXES[:2])


def test_other_errors_are_not_mistaken_for_memory():
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        Estimator(pose_model(Broken(), (64, 48))).predict(noise_photo())


def test_the_copy_for_the_cpu_is_the_same_network():
    module = tiny_model().module
    copied = cpu_copy(module)
    images = torch.randn(1, 3, 64, 48)
    with torch.inference_mode():
        assert torch.equal(module(images), copied(images))
    assert list(copied.state_dict()) == list(module.state_dict())
    own = dict(module.named_parameters())
    for name, parameter in copied.named_parameters():
        assert parameter is not own[name] and parameter.device.type == "cpu"
        assert parameter.requires_grad == own[name].requires_grad
    assert not copied.training


# --- coordinates, threads, refusals -----------------------------------------------------------


class Flat(nn.Module):
    """Maps without a clear peak, on which DARK's Newton step runs away."""

    def forward(self, images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(5)
        maps = torch.rand(17, images.shape[-2] // 4, images.shape[-1] // 4, generator=generator)
        return (1 + 1e-3 * maps).expand(len(images), -1, -1, -1)


def test_keypoints_stay_within_the_crop_even_without_a_peak():
    person = Estimator(pose_model(Flat(), (256, 192))).predict(noise_photo()).people[0]
    in_crop = person.crop.to_crop.apply(person.keypoints)
    size = person.crop.size
    runaway, _ = decode_heatmaps(Flat()(torch.zeros(1, 3, *size)))
    assert runaway.min() < -1 or runaway.max() > 64  # else this tests nothing
    assert (in_crop > -5).all() and (in_crop < np.array([197, 261])).all()


def test_two_threads_on_one_model_equal_one():
    model = tiny_model()
    estimator = Estimator(model, batch_size=2)
    photos = [noise_photo(150, 150, seed=n) for n in range(6)]
    expected = [estimator.predict(photo) for photo in photos]
    found: dict[int, object] = {}

    def work(numbers: range) -> None:
        for _ in range(3):
            for n in numbers:
                found[n] = estimator.predict(photos[n], record=n % 3 != 2)

    threads = [threading.Thread(target=work, args=(range(start, 6, 2),)) for start in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, before in enumerate(expected):
        after = found[n]
        np.testing.assert_allclose(after.people[0].scores, before.people[0].scores, atol=1e-5)
        assert (after.trace is None) == (n % 3 == 2)
        if after.trace is not None:
            for name, attention in after.trace.attentions.items():
                same = before.trace.attentions[name]
                np.testing.assert_allclose(attention.rows([5]), same.rows([5]), atol=1e-5)


def test_what_cannot_be_predicted_is_refused_in_words():
    estimator = Estimator(tiny_model())
    with pytest.raises(BoxError):
        estimator.predict(noise_photo(100, 100), [Box(200, 200, 20, 20)])
    with pytest.raises(BoxError):
        estimator.predict(noise_photo(100, 100), [Box(0, 0, 20, 20)] * 33)
    with pytest.raises(ModelError, match="at least 1"):
        Estimator(tiny_model(), batch_size=0)
    for no_photo in ("x.jpg", None, np.zeros((40, 30, 3), np.uint8)):
        with pytest.raises(PhotoError, match=r"posekit.read_photo\(path or array\), not"):
            estimator.predict(no_photo)  # type: ignore[arg-type]
    for no_boxes in ([(1, 2, 30, 40)], Box(1, 2, 30, 40), np.ones((1, 4))):
        with pytest.raises(BoxError, match="People are a list of boxes"):
            estimator.predict(noise_photo(100, 100), no_boxes)  # type: ignore[arg-type]


def test_the_warning_points_at_the_caller():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Estimator(pose_model(Hungry(1), (64, 48)), batch_size=2).predict(
            noise_photo(180, 240), BOXES[:2], record=False
        )
    assert [w.filename for w in told if w.category is PoseKitWarning] == [__file__]
