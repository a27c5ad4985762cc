"""Procedural scenes: what they say about a picture must be true of the picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posekit.errors import DataError
from posekit.scenes import KEYPOINTS, OBJECT, OUTSIDE, SCENES, VISIBLE, Scene, render_scene
from posekit.scenes.body import KEYPOINTS as BODY_KEYPOINTS
from posekit.scenes.body import Build, posed
from posekit.scenes.camera import Camera
from posekit.scenes.overlap import overlap_shift
from posekit.scenes.poses import POSES, Arm, Leg, Pose, jittered
from posekit.scenes.raster import FAR, rasterise
from posekit.scenes.shapes import Solid
from posekit.skeleton import COCO17, CROWDPOSE14, LSP14, MPII16

FACE = 5  # nose, eyes and ears lie on the skin, so their pixel may belong to the backdrop
SCENE_KINDS = [
    {},
    {"people": 3},
    {"occluder": "person", "overlap": 0.5},
    {"occluder": "object", "overlap": 0.4},
    {"occluder": "arms"},
    {"occluder": "crowd", "people": 5},
]


def pixel(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    nearest = np.floor(points + 0.5).astype(int)
    return nearest[..., 1], nearest[..., 0]


def check_truth(scene: Scene) -> None:
    height, width = scene.size
    for person in scene.people:
        assert (scene.owner == person.index).sum() == person.visible_mask.sum()
        assert not (person.visible_mask & ~person.mask).any()
        for i, (point, hider) in enumerate(zip(person.points, person.hidden_by, strict=True)):
            row, column = pixel(point)
            if not (0 <= row < height and 0 <= column < width):
                assert hider == OUTSIDE
                continue
            name = KEYPOINTS[i]
            if i >= FACE:
                assert person.mask[row, column], name
            if hider == VISIBLE:
                assert i < FACE or person.visible_mask[row, column], name
            elif hider == OBJECT:
                assert scene.owner[row, column] == OBJECT, name
            else:
                assert scene.owner[row, column] == hider, name


@pytest.mark.parametrize("kind", SCENE_KINDS, ids=str)
def test_same_seed_same_scene(kind: dict) -> None:
    first, second = (render_scene(7, size=(120, 160), **kind) for _ in range(2))
    other = render_scene(8, size=(120, 160), **kind)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.owner, second.owner)
    for a, b in zip(first.people, second.people, strict=True):
        assert np.array_equal(a.points, b.points) and np.array_equal(a.hidden_by, b.hidden_by)
    assert not np.array_equal(first.pixels, other.pixels)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.sampled_from(SCENE_KINDS))
def test_keypoints_visibility_and_masks_agree(seed: int, kind: dict) -> None:
    check_truth(render_scene(seed, size=(240, 320), **kind))


@pytest.mark.parametrize("name", list(POSES))
def test_every_pose_puts_its_keypoints_on_the_body(name: str) -> None:
    for seed in range(2):
        check_truth(render_scene(seed, size=(200, 200), pose=name, background="studio"))


def test_truth_holds_for_a_picture_that_cuts_the_body() -> None:
    scene = render_scene(3, size=(128, 96), pose="rest", heading=0, fill=2.2)
    check_truth(scene)
    assert (scene.people[0].hidden_by == OUTSIDE).any()
    box = scene.people[0].box
    x0, y0, x1, y1 = box.corners
    assert x0 >= 0 and y0 >= 0 and x1 <= 95 and y1 <= 127


@pytest.mark.parametrize("occluder", ["person", "object"])
@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.7])
def test_overlap_presets_hide_what_they_promise(occluder: str, overlap: float) -> None:
    reached = [
        render_scene(seed, size=(160, 200), occluder=occluder, overlap=overlap) for seed in range(8)
    ]
    shares = np.array([scene.people[0].hidden_share for scene in reached])
    assert np.abs(shares - overlap).max() < 0.06
    assert abs(np.median(shares) - overlap) < 0.03


def test_the_nearer_person_hides_the_other() -> None:
    for seed in range(6):
        scene = render_scene(seed, size=(160, 200), occluder="person", overlap=0.5)
        back, front = scene.people
        assert front.distance < back.distance
        both = back.mask & front.mask
        assert (scene.owner[both] == 1).mean() > 0.9
        hidden = np.flatnonzero(back.hidden_by == 1)
        assert len(hidden) and all(scene.who_hides(0, int(i)) == "person 1" for i in hidden)


def test_an_object_in_front_hides_keypoints() -> None:
    counts = [
        (render_scene(seed, size=(160, 200), occluder="object", overlap=0.6).people[0]).hidden_by
        for seed in range(5)
    ]
    assert all((hidden == OBJECT).sum() >= 3 for hidden in counts)


def test_crossed_arms_hide_the_own_body() -> None:
    scene = render_scene(0, size=(320, 320), occluder="arms", background="studio")
    assert (scene.owner != OBJECT).all() and len(scene.people) == 1
    hidden = [(render_scene(s, occluder="arms").people[0].hidden_by == 0).sum() for s in range(5)]
    assert np.median(hidden) >= 1


def test_left_and_right_of_a_person_who_faces_the_camera() -> None:
    scene = render_scene(1, size=(240, 240), pose="rest", heading=0, background="studio")
    person = scene.people[0]
    x = dict(zip(KEYPOINTS, person.points[:, 0], strict=True))
    y = dict(zip(KEYPOINTS, person.points[:, 1], strict=True))
    for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert x[f"left {part}"] > x[f"right {part}"]
    assert y["head top"] < y["nose"] < y["neck"] < y["left hip"] < y["left knee"] < y["left ankle"]
    assert (person.hidden_by[:FACE] == VISIBLE).all()
    away = render_scene(1, size=(240, 240), pose="rest", heading=180, background="studio")
    back = dict(zip(KEYPOINTS, away.people[0].points[:, 0], strict=True))
    assert back["left wrist"] < back["right wrist"]
    assert away.who_hides(0, "nose") == "the person's own body"


def test_skeletons_take_their_keypoints_by_name() -> None:
    person = render_scene(5, size=(160, 160)).people[0]
    at = dict(zip(KEYPOINTS, person.points, strict=True))
    assert np.array_equal(person.keypoints_in(COCO17), person.keypoints)
    for skeleton in (LSP14, CROWDPOSE14, MPII16):
        points, hidden = person.keypoints_in(skeleton), person.hidden_by_in(skeleton)
        assert points.shape == (skeleton.size, 2) and np.isfinite(points).all()
        for name, point, hider in zip(skeleton.keypoints, points, hidden, strict=True):
            name = "neck" if name == "upper neck" else "head top" if name == "head" else name
            assert np.array_equal(point, at[name])
            assert hider == person.hidden_by[KEYPOINTS.index(name)]
    assert KEYPOINTS[:17] == COCO17.keypoints == BODY_KEYPOINTS[:17]


def test_rest_pose_has_the_proportions_of_a_person() -> None:
    pose = Pose(Arm(0, 0, 0, 0), Arm(0, 0, 0, 0), Leg(0, 0, 0, 0, 0), Leg(0, 0, 0, 0, 0))
    body = posed(pose, Build(height=1.74), heading=0, place=(0.5, -4.0))
    at = dict(zip(BODY_KEYPOINTS, body.keypoints, strict=True))
    assert at["head top"][1] == pytest.approx(1.74, abs=0.05)
    assert 0.50 < at["left hip"][1] / 1.74 < 0.56
    assert 0.26 < at["left knee"][1] / 1.74 < 0.31
    assert np.linalg.norm(at["left shoulder"] - at["left elbow"]) == pytest.approx(0.295)
    assert at["left hip"] + at["right hip"] == pytest.approx([1.0, 2 * at["left hip"][1], -8.0])
    bent = posed(Pose(left_arm=Arm(90, 0, 0, 0)), Build(), 0, (0, 0))
    raised = dict(zip(BODY_KEYPOINTS, bent.keypoints, strict=True))
    assert raised["left wrist"][2] > raised["left shoulder"][2] + 0.5  # towards the camera


def test_jitter_keeps_to_the_joint_limits() -> None:
    rng = np.random.default_rng(0)
    for pose in POSES.values():
        for _ in range(5):
            near = jittered(pose, rng, 4.0)
            for arm in (near.left_arm, near.right_arm):
                assert 0 <= arm.elbow <= 148 and -60 <= arm.raise_ <= 180
            for leg in (near.left_leg, near.right_leg):
                assert 0 <= leg.knee <= 140 and -50 <= leg.raise_ <= 125


def test_camera_sees_the_ground_where_its_homography_says() -> None:
    camera = Camera(height=1.5, pitch=12, focal=400, centre=(160, 90))
    ground = np.array([[0.0, 0, -4], [1.2, 0, -7], [-2, 0, -3]])
    seen = camera.ground_to_photo() @ np.stack([ground[:, 0], ground[:, 2], np.ones(3)])
    assert pytest.approx(camera.project(ground)) == (seen[:2] / seen[2]).T
    wall = np.array([[0.5, 2.0, -6.0]])
    spot = camera.wall_to_photo(6.0) @ np.array([0.5, 2.0, 1.0])
    assert spot[:2] / spot[2] == pytest.approx(camera.project(wall)[0])
    far = camera.project(np.array([0.0, 0.0, -1e7]))
    assert far[1] == pytest.approx(camera.horizon, abs=1e-3)


def test_a_ball_is_drawn_as_a_disc_with_the_right_depth() -> None:
    solid = Solid()
    solid.ball(np.array([0.0, 1.0, -5.0]), np.eye(3), (0.5, 0.5, 0.5), "thing", 0)
    camera = Camera(height=1.0, pitch=0, focal=100, centre=(40, 40))
    layer = rasterise(solid, camera)
    area = layer.mask.sum() / 4
    assert area == pytest.approx(np.pi * 10**2, rel=0.02)
    assert layer.depth.min() == pytest.approx(4.5, abs=0.01)
    row, column = np.unravel_index(layer.depth.argmin(), layer.depth.shape)
    assert ((layer.left + column) / 2, (layer.top + row) / 2) == pytest.approx((40, 40), abs=0.5)


def test_a_cone_that_points_at_the_camera_shows_its_near_end() -> None:
    solid = Solid()
    solid.cone(np.array([0, 1.0, -5.0]), np.array([0, 1.0, -3.0]), 0.2, 0.2, "thing", 0)
    layer = rasterise(solid, Camera(height=1.0, pitch=0, focal=200, centre=(50, 50)))
    seen = layer.depth[layer.depth < FAR / 2]
    assert seen.min() == pytest.approx(2.8, abs=0.12)


def test_a_block_in_front_view_is_a_rectangle() -> None:
    solid = Solid()
    solid.block(np.array([0.0, 1.0, -4.0]), np.eye(3), (0.5, 0.25, 0.1), "thing", 0)
    layer = rasterise(solid, Camera(height=1.0, pitch=0, focal=200, centre=(0, 0)))
    rows, columns = np.nonzero(layer.mask)
    assert np.ptp(columns) / 2 == pytest.approx(50, abs=1)
    assert np.ptp(rows) / 2 == pytest.approx(25, abs=1)
    assert layer.depth.min() == pytest.approx(3.9, abs=0.01)


def test_overlap_of_two_equal_blocks() -> None:
    solid = Solid()
    solid.block(np.array([0.0, 1.0, -4.0]), np.eye(3), (0.5, 0.5, 0.1), "thing", 0)
    layer = rasterise(solid, Camera(height=1.0, pitch=0, focal=400, centre=(0, 0)))
    shift, share = overlap_shift(layer, layer, 0.25, np.random.default_rng(0))
    assert share == pytest.approx(0.25, abs=0.03)
    assert abs(shift) == pytest.approx(0.75 * 200, abs=8)  # the block is 200 samples wide


@pytest.mark.parametrize("name", list(SCENES))
def test_named_scenes_render(name: str) -> None:
    scene = SCENES[name].render(size=(160, 200))
    check_truth(scene)
    assert SCENES[name].title and SCENES[name].caption.endswith((".", "?"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 0, "size": (10, 300)}, "64 to 4096"),
        ({"seed": 0, "people": 0}, "1 to 16"),
        ({"seed": 0, "occluder": "ghost"}, "no occluder"),
        ({"seed": 0, "overlap": 1.0}, "overlap"),
        ({"seed": 0, "pose": "levitate"}, "no pose"),
        ({"seed": 0, "background": "moon"}, "no background"),
        ({"seed": 0, "fill": 9.0}, "fill"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        render_scene(**arguments)


def test_unknown_people_and_keypoints_are_refused() -> None:
    scene = render_scene(0, size=(64, 64))
    with pytest.raises(DataError, match="no person 4"):
        scene.who_hides(4, "nose")
    with pytest.raises(DataError, match="no keypoint"):
        scene.who_hides(0, "tail")


def test_example_pictures_have_their_boxes_and_licences() -> None:
    folder = Path(__file__).resolve().parent.parent / "assets" / "examples"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    assert {item["file"] for item in index} == {path.name for path in folder.glob("*.jpg")}
    for item in index:
        assert item["title"] and item["caption"] and item["source"] and item["licence"]
        path = folder / item["file"]
        assert path.stat().st_size < 150_000
        height, width = cv2.imread(str(path)).shape[:2]
        for x, y, w, h in item["boxes"] or ():
            assert w > 20 and h > 20 and x >= 0 and y >= 0 and x + w <= width and y + h <= height
