"""People of a whole photo, in the photo's own pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posekit.data.paf_targets import encode_people
from posekit.models.ssa import SMALL, VARIANT_N, SSANet, StageOutputs
from posekit.models.ssa_photo import decoder_for, find_people, mirrored_back, prepare
from posekit.models.ssa_zoo import ENTRIES
from posekit.photo import Photo
from posekit.skeleton import LSP14, OPENPOSE18, Skeleton
from posekit.weights import RANDOM
from posekit.zoo import PoseModel, build
from tests.stick_people import crowd
from tests.tiny_models import noise_photo


class Knows(nn.Module):
    """A network that says the truth about people at given places of its input."""

    def __init__(self, points: np.ndarray) -> None:
        super().__init__()
        self.config, self.points = SMALL, torch.from_numpy(points)[None].float()
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> StageOutputs:
        self.seen.append(images)
        size = images.shape[-2] // 8, images.shape[-1] // 8
        t = encode_people(self.points, torch.ones(self.points.shape[:3]), LSP14.limbs, size)
        return StageOutputs((t.paf,), (t.heat,), (t.offset,), ())


def pose_model(module: nn.Module) -> PoseModel:
    return PoseModel(ENTRIES["ssa-small"], module.eval(), RANDOM, torch.device("cpu"))


@pytest.mark.parametrize("size", [(300, 400), (400, 300), (60, 50), (192, 192)])
def test_people_come_back_in_photo_pixels(size: tuple[int, int]) -> None:
    people = crowd(3, size, LSP14, seed=2)
    factor = 192 / max(size)
    network = Knows((people + 0.5) * factor - 0.5)
    found = find_people(pose_model(network), noise_photo(*size))
    assert len(found.decoding.people) == 3
    points = np.stack([found.decoding.keypoints(n)[0] for n in range(3)])
    away = np.linalg.norm(points[:, None] - people[None], axis=-1).mean(-1)
    assert sorted(away.argmin(1)) == [0, 1, 2]
    assert away.min(1).max() < 0.8 / factor  # the sides of the scaled photo are whole pixels
    height, width = network.seen[0].shape[-2:]
    assert height % 8 == width % 8 == 0
    assert max(height, width) == 192


def test_a_photo_of_the_inputs_size_is_taken_as_it_is_and_grey_fills_up() -> None:
    photo = noise_photo(192, 100)
    image, crop = prepare(photo, (192, 192))
    np.testing.assert_array_equal((image[0] * 255).round().permute(1, 2, 0).numpy(), photo.pixels)
    assert crop.size == (192, 100)
    network = Knows(crowd(1, (192, 100), LSP14))
    find_people(pose_model(network), photo)
    seen = network.seen[0]
    assert seen.shape == (1, 3, 192, 104)
    assert (seen[..., 100:] == 0).all()
    np.testing.assert_allclose(
        seen[0, :, 5, 7], photo.pixels[5, 7] / 256 - 0.5, atol=1e-6
    )  # the code's normalisation


@pytest.mark.parametrize("kit", [LSP14, OPENPOSE18], ids=lambda kit: kit.name)
def test_a_mirrored_pass_is_turned_back(kit: Skeleton) -> None:
    """The targets of mirrored people, turned back, are the targets of the people."""
    points = torch.from_numpy(crowd(2, (128, 128), kit, seed=3))[None].float()
    mirror = points[:, :, list(kit.flip_order)].clone()
    mirror[..., 0] = 127 - mirror[..., 0]
    known = torch.ones(points.shape[:3])
    plain, turned = (encode_people(p, known, kit.limbs, (16, 16)) for p in (points, mirror))
    back = mirrored_back([turned.heat[:, :-1], turned.paf, turned.offset], kit)
    for mine, theirs in zip(back, (plain.heat[:, :-1], plain.paf, plain.offset), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_a_random_network_survives_any_photo() -> None:
    model = pose_model(build(ENTRIES["ssa-small"]))
    for photo in (noise_photo(33, 200), Photo(np.zeros((64, 64, 3), np.uint8), "black")):
        found = find_people(model, photo, flip_test=True, recorded=True)
        assert found.trace is not None
        one = found.trace.maps["synthesised.neck"]
        rows, cols = -(-found.crop.size[0] // 8), -(-found.crop.size[1] // 8)
        assert one.values.shape == (1, rows, cols)
        plain = find_people(model, photo)
        assert plain.trace is None


def test_each_network_has_its_decoder() -> None:
    assert decoder_for(SMALL).peaks.place == "block"
    assert decoder_for(replace(SMALL, offsets=False)).peaks.place == "upsampled"
    wide = replace(SMALL, grid=replace(SMALL.grid, wide=True))
    assert decoder_for(wide).peaks.place == "wide"
    # The code's values for the paper's networks; a small one leaves fragments of three keypoints.
    for config, kept in ((VARIANT_N, (3, 0.2)), (SMALL, (4, 0.4))):
        decoder = decoder_for(config)
        assert (decoder.least_parts, decoder.least_score) == kept
    assert isinstance(cast(SSANet, build(ENTRIES["ssa-small"])).config, type(SMALL))
