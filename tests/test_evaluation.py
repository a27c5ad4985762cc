"""PCK in closed form, and the LSP reader with its fixed split."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from posekit.data.labelled import LabelledPerson, LabelledPhoto
from posekit.data.lsp import read_lsp, split
from posekit.data.problems import Problem, Problems
from posekit.errors import DataError
from posekit.estimator import Estimator
from posekit.evaluation import evaluate, evaluate_oks, pck, pckh
from posekit.evaluation.pck import head_segment
from posekit.geometry import Box
from posekit.photo import Photo
from posekit.skeleton import COCO17, LSP14, MPII16
from tests.tiny_models import BlobFinder, noise_photo, pose_model, tiny_model


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
    held, kept, train = (split(names, part) for part in ("held out", "validation", "train"))
    assert len(held) == len(kept) == 500 and len(train) == 1000
    assert {*held, *kept, *train} == set(range(2000))
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
    problems = Problems()
    people = list(read_lsp(tmp_path, "held out", problems=problems))
    assert problems.examples(Problem.TOO_FEW) == ("c.jpg",)
    assert sorted(person.photo.size for person in people) == [(40, 80), (50, 60)]
    np.testing.assert_allclose(people[0].box.corners, (0, 0, 50, 10))


def test_reader_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no joints"):
        next(read_lsp(tmp_path))
    write_lsp(tmp_path, np.ones((1, 17, 3)), ["a.jpg"])
    with pytest.raises(DataError, match="14, 3"):
        next(read_lsp(tmp_path, "held out"))
    write_lsp(tmp_path, np.ones((1, 14, 3)), ["a.jpg"])
    with pytest.raises(DataError, match=r"1 photograph is missing \(a\.jpg\)"):
        next(read_lsp(tmp_path, "held out"))


def test_reader_leaves_bad_photographs_out_and_counts_them(tmp_path: Path) -> None:
    joints = np.concatenate([np.stack([someone()] * 6), np.ones((6, 14, 1))], -1)
    joints[2, :12, 2] = 0  # two keypoints are too few
    joints[3, 4] = (np.nan, 5, 1)
    joints[3, 5] = (np.nan, np.nan, 0)  # not labelled, so nothing is wrong
    joints[3, 6, :2] = (-7, 20)
    names = ["good.jpg", "missing.jpg", "few.jpg", "odd.jpg", "cut.jpg", "good.jpg"]
    write_lsp(tmp_path, joints, names)
    for name in ("good.jpg", "few.jpg", "odd.jpg"):
        (tmp_path / name).write_bytes(jpeg((60, 50)))
    (tmp_path / "cut.jpg").write_bytes(jpeg((60, 50))[:200])
    problems = Problems()
    people = {p.photo.name: p for p in read_lsp(tmp_path, "held out", problems=problems)}
    assert sorted(people) == ["good.jpg", "odd.jpg"]
    assert np.flatnonzero(~people["odd.jpg"].labelled).tolist() == [4, 5, 6]
    assert np.isfinite(people["odd.jpg"].keypoints).all()
    assert problems.counts == {
        Problem.DUPLICATE_PHOTO: 1,
        Problem.MISSING_PHOTO: 1,
        Problem.TOO_FEW: 1,
        Problem.NOT_A_NUMBER: 1,
        Problem.OUTSIDE: 1,
        Problem.DAMAGED_PHOTO: 1,
    }
    assert problems.examples(Problem.OUTSIDE) == ("odd.jpg, right wrist",)
    with pytest.warns(UserWarning, match=r"1 photograph is damaged \(cut\.jpg\)"):
        assert len(list(read_lsp(tmp_path, "held out"))) == 2


def test_pckh_measures_by_the_head() -> None:
    truth = someone()[None]
    head = (LSP14.index("neck"), LSP14.index("head top"))
    truth[0, head, :] = [(80, 0), (80, 8)]
    predicted = truth.copy()
    predicted[0, 0] += (4.0, 0)  # exactly half a head: right
    predicted[0, 1] += (4.01, 0)
    score = pckh(predicted, truth, np.ones((1, 14), bool), LSP14)
    assert score.mean == pytest.approx(100 * 13 / 14, abs=0.01)
    assert score.figures == {"PCKh@0.5": score.mean}
    assert score.per_keypoint["right knee"] == 0
    assert head_segment(MPII16) == (MPII16.index("upper neck"), MPII16.index("head top"))
    with pytest.raises(DataError, match="top of the head"):
        pckh(np.zeros((1, 17, 2)), np.zeros((1, 17, 2)), np.ones((1, 17), bool), COCO17)


def test_keypoints_a_model_lacks_are_not_held_against_it() -> None:
    truth = someone()[None]
    predicted = truth.copy()
    predicted[0, LSP14.index("neck")] = 1e6
    counted = np.ones(14, bool)
    counted[LSP14.index("neck")] = False
    score = pck(predicted, truth, np.ones((1, 14), bool), counted=counted)
    assert (score.mean, score.keypoints) == (100, 13)
    assert "neck" not in score.per_keypoint


def test_a_model_of_another_skeleton_is_measured_on_what_both_have() -> None:
    """COCO has no neck and no head top: 12 of LSP's 14 keypoints are counted."""
    photo = noise_photo(120, 100)
    person = LabelledPerson(photo, someone(), np.ones(14, bool))
    score = evaluate(Estimator(tiny_model()), [person, person])
    assert (score.people, score.keypoints) == (2, 24)
    assert set(score.per_keypoint) == set(LSP14.keypoints) - {"neck", "head top"}
    with pytest.raises(DataError, match="no person"):
        evaluate(Estimator(tiny_model()), [])


def test_evaluation_finds_the_keypoints_of_a_known_picture() -> None:
    """Bright spots in the colours a brightness detector looks for: every keypoint is right."""
    model = pose_model(BlobFinder(), (64, 48))
    keypoints = np.tile([[30.0, 40.0], [70.0, 40.0], [50.0, 100.0]], (6, 1))[:17]
    pixels = np.zeros((140, 100, 3), np.uint8)
    for channel, (x, y) in enumerate(keypoints[:3].astype(int)):
        spot = np.zeros(pixels.shape[:2], np.uint8)
        cv2.circle(spot, (int(x), int(y)), 4, 255, -1)
        pixels[..., channel] = cv2.GaussianBlur(spot, (0, 0), 3)
    person = LabelledPerson(
        Photo(pixels), keypoints, np.ones(17, bool), COCO17, given_box=Box(10, 10, 80, 120)
    )
    assert evaluate(Estimator(model), [person]).mean == 100
    photo = LabelledPhoto(person.photo, (person,), COCO17)
    assert evaluate_oks(Estimator(model), [photo]).AP50 == 100
    moved = replace(person, keypoints=keypoints + np.array([60.0, 0]))
    assert evaluate(Estimator(model), [moved]).mean == 0


def test_the_real_split_holds_five_hundred_photographs(shared_dir: Path) -> None:
    with np.load(shared_dir / "data" / "lspet" / "joints.npz") as npz:
        names = npz["image"]
    assert len(split(names, "held out")) == 500
    assert len(split(names, "validation")) == 500
    assert len(split(names, "train")) == 8000
