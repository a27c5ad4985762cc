"""PCK in closed form, and the LSP reader with its fixed split."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posekit.data.lsp import read_lsp, split
from posekit.errors import DataError
from posekit.evaluation import pck
from posekit.skeleton import LSP14


def someone(torso: float = 10.0) -> np.ndarray:
    """Keypoints on a line, left shoulder and right hip ``torso`` apart."""
    keypoints = np.stack([np.arange(14) * 3.0, np.zeros(14)], -1)
    keypoints[LSP14.index("left shoulder")] = (50, 0)
    keypoints[LSP14.index("right hip")] = (50, torso)
    return keypoints


def test_pck_counts_what_lies_within_a_fifth_of_the_torso() -> None:
    truth = someone()[None]
    predicted = truth.copy()
    predicted[0, 0] += (2.0, 0)  # exactly 0.2 torso: right
    predicted[0, 1] += (0, 2.01)  # just beyond: wrong
    score = pck(predicted, truth, np.ones((1, 14), bool))
    assert score.mean == pytest.approx(100 * 13 / 14, abs=0.01)
    assert score.per_keypoint["right ankle"] == 100
    assert score.per_keypoint["right knee"] == 0
    assert (score.people, score.keypoints) == (1, 14)


def test_pck_scales_with_the_person() -> None:
    truth = np.stack([someone(10), someone(100)])
    predicted = truth + np.array([5.0, 0])  # half a torso for one, a twentieth for the other
    assert pck(predicted, truth, np.ones((2, 14), bool)).mean == 50


def test_pck_ignores_keypoints_and_people_without_labels() -> None:
    truth = np.stack([someone(), someone()])
    predicted = truth.copy()
    predicted[0, 3] = 1e6
    predicted[1] = 1e6
    labelled = np.ones((2, 14), bool)
    labelled[0, 3] = False
    labelled[1, LSP14.index("right hip")] = False  # no torso, no yardstick
    score = pck(predicted, truth, labelled)
    assert (score.mean, score.people, score.keypoints) == (100, 1, 13)
    with pytest.raises(DataError, match="torso"):
        pck(predicted[1:], truth[1:], labelled[1:])


def test_split_is_fixed_disjoint_and_independent_of_order() -> None:
    names = np.array([f"im{n:05d}.jpg" for n in range(2000)])
    held, train = split(names, "held out"), split(names, "train")
    assert len(held) == 500 and len(train) == 1500
    assert not set(held) & set(train)
    shuffled = np.random.default_rng(0).permutation(names)
    assert set(names[held]) == set(shuffled[split(shuffled, "held out")])
    # Written down: were the rule to change, published figures would no longer be comparable.
    assert names[held[:5]].tolist() == EXPECTED_FIRST
    with pytest.raises(DataError, match="test"):
        split(names, "test")


EXPECTED_FIRST = ["im00001.jpg", "im00006.jpg", "im00012.jpg", "im00015.jpg", "im00016.jpg"]


def jpeg(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (10, 120, 200)).save(buffer, "JPEG")
    return buffer.getvalue()


def write_lsp(folder: Path, joints: np.ndarray, names: list[str]) -> None:
    np.savez(folder / "joints.npz", image=np.array(names), joints=joints.astype(np.float32))


def test_reader_finds_photographs_loose_and_in_archives(tmp_path: Path) -> None:
    joints = np.concatenate([np.stack([someone()] * 3), np.ones((3, 14, 1))], -1)
    joints[2, :12, 2] = 0  # two keypoints are too few to make a box
    write_lsp(tmp_path, joints, ["a.jpg", "b.jpg", "c.jpg"])
    (tmp_path / "a.jpg").write_bytes(jpeg((60, 50)))
    (tmp_path / "c.jpg").write_bytes(jpeg((60, 50)))
    with tarfile.open(tmp_path / "images-0.tar", "w") as tar:
        info = tarfile.TarInfo("b.jpg")
        data = jpeg((80, 40))
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    people = list(read_lsp(tmp_path, "held out"))
    assert sorted(person.photo.size for person in people) == [(40, 80), (50, 60)]
    np.testing.assert_allclose(people[0].box.corners, (0, 0, 50, 10))


def test_reader_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no joints"):
        next(read_lsp(tmp_path))
    write_lsp(tmp_path, np.ones((1, 17, 3)), ["a.jpg"])
    with pytest.raises(DataError, match="14, 3"):
        next(read_lsp(tmp_path, "held out"))
    write_lsp(tmp_path, np.ones((1, 14, 3)), ["a.jpg"])
    with pytest.raises(DataError, match=r"a\.jpg is missing"):
        next(read_lsp(tmp_path, "held out"))


def test_the_real_split_holds_five_hundred_photographs(shared_dir: Path) -> None:
    with np.load(shared_dir / "data" / "lspet" / "joints.npz") as npz:
        names = npz["image"]
    assert len(split(names, "held out")) == 500
    assert len(split(names, "train")) == 8500
