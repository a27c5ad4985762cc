"""Decides who stands where: poses, places, camera, framing, and how much is hidden."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from posekit.scenes.body import Build, Skeleton3D, posed
from posekit.scenes.camera import Camera
from posekit.scenes.overlap import overlap_shift
from posekit.scenes.poses import POSES, UPRIGHT, jittered, named_pose
from posekit.scenes.raster import Layer, rasterise
from posekit.scenes.shapes import Solid, dressed
from posekit.scenes.things import THINGS, stool, thing, thing_table
from posekit.scenes.wardrobe import Look

Occluder = Literal["object", "person", "arms", "crowd"]


_SLIM = ("rest", "stand", "crossed arms", "phone", "hands on hips", "boxer")


@dataclass(frozen=True, eq=False)
class Actor:
    """Someone (body and look given) or something on the stage, and its drawn layer."""

    solid: Solid
    table: np.ndarray
    camera: Camera
    layer: Layer
    distance: float
    body: Skeleton3D | None = None
    look: Look | None = None
    pose: str = ""
    heading: float = 0.0

    @property
    def keypoints(self) -> np.ndarray:
        """(21, 3) world metres in the order of ``scene.KEYPOINTS``."""
        assert self.body is not None
        known = self.body.keypoints
        return np.vstack([known, known[[11, 12]].mean(axis=0), known[[5, 6]].mean(axis=0)])


@dataclass(frozen=True, eq=False)
class _Draft:
    solid: Solid
    table: np.ndarray
    body: Skeleton3D | None = None
    look: Look | None = None
    pose: str = ""
    heading: float = 0.0


def stage(
    rng: np.random.Generator,
    size: tuple[int, int],
    people: int,
    occluder: Occluder | None,
    overlap: float,
    pose: str | None,
    heading: float | None,
    fill: float | None,
    per_pixel: int,
) -> tuple[list[Actor], Camera]:
    """Actors, the people first in their order, with their layers, and the camera they share."""
    camera = _viewpoint(rng)
    if occluder == "person":  # seen from above, the nearer person would stand too low to hide much
        camera = replace(camera, height=min(camera.height, 1.7))
    away = rng.uniform(3.2, 8.0)
    if occluder == "person":
        people = max(people, 2)
    if occluder == "crowd":
        people = max(people, 4)
    if occluder == "arms" and pose is None:
        pose = "crossed arms"
    if heading is None:
        heading = rng.normal(0, 22) if occluder == "arms" else _heading(rng)
    places = _places(rng, people, occluder, away)
    drafts, seats = [], []
    for i, place in enumerate(places):
        name = pose if i == 0 and pose is not None else _pose_name(rng, people, occluder)
        if occluder == "person" and overlap > 0.6 and i == 0 and pose is None:
            name = name if name in _SLIM else "stand"  # nobody hides 70 % of wide-open arms
        facing = heading if i == 0 else _heading(rng)
        draft, seat = _person(rng, name, facing, place)
        drafts.append(draft)
        seats += [_Draft(seat, thing_table(rng, "stool"))] if seat is not None else []
    camera = replace(camera, pitch=_aimed(camera, drafts[0], rng))
    camera = _framed(rng, camera, drafts, size, fill, occluder)
    actors = [_acted(d, camera, per_pixel) for d in drafts]
    if occluder == "person":
        actors[1] = _front_person(rng, actors, camera, overlap, places, per_pixel)
    things = [_acted(d, camera, per_pixel) for d in seats]
    if occluder == "object":
        things.append(_front_thing(rng, actors[0], camera, overlap, per_pixel))
    actors += things
    shift = _centred(rng, actors[: len(places)], size, per_pixel)
    actors = [_shifted(a, *shift, per_pixel) for a in actors]
    centre = (camera.centre[0] + shift[0] / per_pixel, camera.centre[1] + shift[1] / per_pixel)
    return actors, replace(camera, centre=centre)


def _viewpoint(rng: np.random.Generator) -> Camera:
    kind = rng.random()
    height = rng.uniform(1.0, 1.8) if kind < 0.7 else rng.uniform(0.35, 1.0) if kind < 0.85 else (
        rng.uniform(1.8, 3.4)
    )  # fmt: skip
    return Camera(height=float(height), pitch=0.0, focal=1.0, centre=(0.0, 0.0))


def _aimed(camera: Camera, draft: _Draft, rng: np.random.Generator) -> float:
    """Pitch in degrees that looks at the middle of a figure, a few degrees off."""
    assert draft.body is not None
    middle = draft.body.keypoints.mean(axis=0)
    down = np.degrees(np.arctan2(camera.height - middle[1], -middle[2]))
    return float(np.clip(down + rng.normal(0, 4), -25, 35))


def _heading(rng: np.random.Generator) -> float:
    """All round, half of the people more or less towards the camera."""
    if rng.random() < 0.55:
        return float(rng.normal(0, 38))
    return float(rng.uniform(-180, 180))


def _pose_name(rng: np.random.Generator, people: int, occluder: Occluder | None) -> str:
    upright = occluder in ("person", "crowd") or rng.random() < (0.3 if people == 1 else 0.5)
    return str(rng.choice(UPRIGHT if upright else list(POSES)))


def _places(
    rng: np.random.Generator, people: int, occluder: Occluder | None, away: float
) -> list[tuple[float, float]]:
    """Ground places (x, z). Neighbours keep apart, unless they are meant to overlap."""
    if occluder == "person":
        front = -(away - rng.uniform(0.55, 1.0))
        rest = [(1.2 * (i + 1), -away - rng.uniform(0, 1)) for i in range(people - 2)]
        return [(0.0, -away), (0.1, front), *rest]
    gap = 0.42 if occluder == "crowd" else 0.95
    order = rng.permutation(people)
    places = []
    for i in range(people):
        x = (order[i] - (people - 1) / 2) * gap + rng.normal(0, 0.1)
        back = rng.uniform(0, 2.4) if occluder == "crowd" else rng.uniform(0, 1.4)
        places.append((float(x), float(-away - back)))
    return places


def _person(
    rng: np.random.Generator, name: str, heading: float, place: tuple[float, float]
) -> tuple[_Draft, Solid | None]:
    pose = jittered(named_pose(name), rng, 0.5 if name == "rest" else 1.0)
    body = posed(pose, Build.random(rng), heading, place)
    look = Look.random(rng)
    solid = dressed(body, look)
    seat = None
    if pose.seat:
        under = body.pelvis - (0.0, 0.115 * body.unit * body.build.girth, 0.0)
        seat = stool(under)
    return _Draft(solid, look.table, body, look, name, heading), seat


def _framed(
    rng: np.random.Generator,
    camera: Camera,
    drafts: list[_Draft],
    size: tuple[int, int],
    fill: float | None,
    occluder: Occluder | None,
) -> Camera:
    """Choose the focal length so that the group fills its share of the picture."""
    lows, highs = [], []
    for draft in drafts:
        low, high = _extent(draft.solid, camera)
        lows.append(low)
        highs.append(high)
    extent = np.max(highs, axis=0) - np.min(lows, axis=0)
    if occluder == "person":
        extent *= (1.25, 1.08)  # room to slide the front person, or to exchange them
    share = fill if fill is not None else rng.uniform(0.62, 0.94)
    limits = np.array([size[1], size[0]]) * np.minimum((1.0 * share, share), max(0.95, share))
    return replace(camera, focal=float((limits / extent).min()))


def _extent(solid: Solid, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Corners of a solid's box in photo pixels."""
    points = np.array([c[0] for c in solid.cones] + [c[1] for c in solid.cones])
    radii = np.array([c[2] for c in solid.cones] + [c[3] for c in solid.cones])
    balls = np.array([b[0] for b in solid.balls])
    reach = np.array([np.abs(b[1]).max() for b in solid.balls])
    points, radii = np.vstack([points, balls]), np.concatenate([radii, reach])
    seen = camera.to_camera(points)
    spots = camera.project(points)
    radii = radii * camera.focal / seen[:, 2]
    return (spots - radii[:, None]).min(0), (spots + radii[:, None]).max(0)


def _acted(draft: _Draft, camera: Camera, per_pixel: int) -> Actor:
    layer = rasterise(draft.solid, camera, per_pixel)
    points = draft.solid.middle() if draft.body is None else draft.body.keypoints.mean(axis=0)
    distance = float(camera.to_camera(points)[2])
    return Actor(
        draft.solid, draft.table, camera, layer, distance, draft.body, draft.look, draft.pose,
        draft.heading,
    )  # fmt: skip


def _shifted(actor: Actor, dx: int, dy: int, per_pixel: int) -> Actor:
    """Move an actor in the picture; its own camera moves its centre of projection with it."""
    x, y = actor.camera.centre
    camera = replace(actor.camera, centre=(x + dx / per_pixel, y + dy / per_pixel))
    return replace(actor, camera=camera, layer=actor.layer.moved(dx, dy))


def _front_person(
    rng: np.random.Generator,
    actors: list[Actor],
    camera: Camera,
    overlap: float,
    places: list[tuple[float, float]],
    per_pixel: int,
) -> Actor:
    best, best_error = actors[1], np.inf
    candidate = actors[1]
    for attempt in range(8):
        shift, share = overlap_shift(actors[0].layer, candidate.layer, overlap, rng)
        error = abs(share - overlap)
        if error < best_error:
            best, best_error = _shifted(candidate, shift, 0, per_pixel), error
        if best_error < 0.025:
            break
        # Too thin to hide so much: somebody else, turned to the camera and a little nearer.
        place = (places[1][0], places[1][1] + 0.12 * (attempt + 1))
        name = str(rng.choice(("hands on hips", "wide arms", "stand", "rest", "crossed arms")))
        draft, _ = _person(rng, name, float(rng.normal(0, 25)), place)
        candidate = _acted(draft, camera, per_pixel)
    return best


def _front_thing(
    rng: np.random.Generator,
    actor: Actor,
    camera: Camera,
    overlap: float,
    per_pixel: int,
) -> Actor:
    best: Actor | None = None
    best_error = np.inf
    for attempt in range(6):
        kind = str(rng.choice(THINGS)) if attempt < 4 else "screen"  # which hides anyone
        size = rng.uniform(0.55, 1.0) + 1.1 * overlap * (0.6 + 0.2 * attempt)
        assert actor.body is not None
        nearest = float(actor.body.keypoints[:, 2].max())
        place = (float(actor.body.pelvis[0]), nearest + 0.45 * size + rng.uniform(0.1, 0.4))
        if -place[1] < 1.0:
            place = (place[0], -1.0)
        solid = thing(kind, place, size, rng)
        draft = _Draft(solid, thing_table(rng, kind))
        candidate = _acted(draft, camera, per_pixel)
        shift, share = overlap_shift(actor.layer, candidate.layer, overlap, rng)
        if abs(share - overlap) < best_error:
            best_error = abs(share - overlap)
            best = _shifted(candidate, shift, 0, per_pixel)
        if best_error < 0.03:
            break
    assert best is not None
    return best


def _centred(
    rng: np.random.Generator, actors: list[Actor], size: tuple[int, int], per_pixel: int
) -> tuple[int, int]:
    """Shift in samples that brings the group into the picture, at random within what is free."""
    left = min(a.layer.left for a in actors)
    top = min(a.layer.top for a in actors)
    right = max(a.layer.left + a.layer.depth.shape[1] for a in actors)
    bottom = max(a.layer.top + a.layer.depth.shape[0] for a in actors)
    shift = []
    for low, high, length in ((left, right, size[1]), (top, bottom, size[0])):
        free = length * per_pixel - (high - low)
        share = float(np.clip(rng.normal(0.5, 0.18), 0.05, 0.95)) if free > 0 else 0.5
        shift.append(round(free * share) - low)
    return shift[0], shift[1]
