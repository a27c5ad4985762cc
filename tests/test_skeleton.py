"""Keypoint sets against what their data sets publish, and the rules every set keeps."""

from __future__ import annotations

import dataclasses

import pytest

from posekit.errors import SkeletonError
from posekit.skeleton import COCO17, CROWDPOSE14, LSP14, MPII16, SKELETONS, Skeleton, skeleton

ALL = list(SKELETONS.values())
every = pytest.mark.parametrize("kit", ALL, ids=lambda kit: kit.name)


def test_coco_is_the_official_one() -> None:
    assert COCO17.keypoints[0] == "nose"
    assert COCO17.keypoints[9] == "left wrist"
    assert COCO17.keypoints[16] == "right ankle"
    tenths = [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07]
    tenths += [0.87, 0.87, 0.89, 0.89]
    assert COCO17.sigmas == pytest.approx([each / 10 for each in tenths])
    official = "16-14 14-12 17-15 15-13 12-13 6-12 7-13 6-7 6-8 7-9 8-10 9-11 2-3 1-2 1-3 2-4 3-5"
    official += " 4-6 5-7"  # 1-based, as in the annotation files
    limbs = {frozenset(int(end) - 1 for end in limb.split("-")) for limb in official.split()}
    assert {frozenset(limb) for limb in COCO17.limbs} == limbs
    assert len(COCO17.limbs) == 19
    assert COCO17.flip_pairs == tuple((i, i + 1) for i in range(1, 17, 2))


def test_crowdpose_sigmas_are_the_official_ones() -> None:
    tenths = [0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79]
    assert CROWDPOSE14.sigmas == pytest.approx([each / 10 for each in tenths])
    assert CROWDPOSE14.keypoints[:2] == ("left shoulder", "right shoulder")
    assert CROWDPOSE14.keypoints[12:] == ("head top", "neck")


def test_lsp_is_in_the_order_of_its_files() -> None:
    assert LSP14.keypoints[0:3] == ("right ankle", "right knee", "right hip")
    assert LSP14.keypoints[9:] == ("left shoulder", "left elbow", "left wrist", "neck", "head top")
    assert LSP14.torso == (9, 2)


def test_mpii_is_in_the_order_of_its_files() -> None:
    assert MPII16.keypoints[6:10] == ("pelvis", "thorax", "upper neck", "head top")
    assert MPII16.keypoints[10] == "right wrist"
    assert MPII16.keypoints[15] == "left wrist"
    assert len(MPII16.limbs) == 15  # a tree on 16 keypoints


@every
def test_flipping_twice_changes_nothing(kit: Skeleton) -> None:
    order = kit.flip_order
    assert sorted(order) == list(range(kit.size))
    assert [order[i] for i in order] == list(range(kit.size))
    for here, there in enumerate(order):
        mirrored = {"left": "right", "right": "left", "middle": "middle"}[kit.side(here)]
        assert kit.side(there) == mirrored


@every
def test_flip_pairs_name_the_same_part(kit: Skeleton) -> None:
    for left, right in kit.flip_pairs:
        assert kit.keypoints[left].replace("left", "right") == kit.keypoints[right]
        assert kit.sigmas[left] == kit.sigmas[right]
    sided = sum(kit.side(i) != "middle" for i in range(kit.size))
    assert 2 * len(kit.flip_pairs) == sided


@every
def test_limbs_join_the_whole_body_and_mirror(kit: Skeleton) -> None:
    limbs = {frozenset(limb) for limb in kit.limbs}
    order = kit.flip_order
    assert {frozenset(order[i] for i in limb) for limb in limbs} == limbs
    reached, fresh = {0}, {0}
    while fresh:
        fresh = {i for limb in limbs if limb & fresh for i in limb} - reached
        reached |= fresh
    assert reached == set(range(kit.size))


@every
def test_torso_runs_from_left_shoulder_to_right_hip(kit: Skeleton) -> None:
    assert kit.torso is not None
    assert [kit.keypoints[i] for i in kit.torso] == ["left shoulder", "right hip"]


def test_names_are_found_however_they_are_written() -> None:
    for name in ("left wrist", "Left_Wrist", " left-wrist "):
        assert COCO17.index(name) == 9
    assert COCO17.side(9) == "left"
    assert COCO17.side(0) == "middle"


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(SkeletonError, match=r'no keypoint "tail" in COCO.*nose, left eye'):
        COCO17.index("tail")
    with pytest.raises(
        SkeletonError, match=r'no skeleton "cat".*coco17, lsp14, crowdpose14, mpii16'
    ):
        skeleton("cat")
    assert skeleton("lsp14") is LSP14


def test_mapping_goes_by_the_place_on_the_body() -> None:
    to_lsp = COCO17.mapping_to(LSP14)
    assert to_lsp[:5] == (None,) * 5  # LSP has no face
    assert to_lsp[9] == 11
    assert LSP14.mapping_to(MPII16)[12:] == (8, 9)  # neck is MPII's upper neck
    assert MPII16.mapping_to(LSP14)[6:10] == (None, None, 12, 13)
    assert LSP14.mapping_to(COCO17)[12:] == (None, None)


@pytest.mark.parametrize("a", ALL, ids=lambda kit: kit.name)
@pytest.mark.parametrize("b", ALL, ids=lambda kit: kit.name)
def test_mapping_there_and_back_is_the_identity(a: Skeleton, b: Skeleton) -> None:
    there, back = a.mapping_to(b), b.mapping_to(a)
    assert all(back[j] == i for i, j in enumerate(there) if j is not None)
    assert sum(j is not None for j in there) >= 12  # limbs are common to all


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sigmas": LSP14.sigmas[:-1]}, "one positive sigma for each"),
        ({"sigmas": (*LSP14.sigmas[:-1], 0.0)}, "one positive sigma for each"),
        ({"keypoints": ("neck", *LSP14.keypoints[1:])}, "names a keypoint twice"),
        ({"limbs": ((0, 14),)}, "points outside its 14 keypoints"),
        ({"torso": (-1, 2)}, "points outside its 14 keypoints"),
        ({"flip_pairs": ((0, 1), (1, 2))}, "flips a keypoint twice"),
    ],
)
def test_a_skeleton_that_contradicts_itself_is_refused(change: dict, complaint: str) -> None:
    with pytest.raises(SkeletonError, match=complaint):
        dataclasses.replace(LSP14, **change)
