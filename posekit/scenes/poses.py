"""Poses of a human figure: named families of joint angles, with limits, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from posekit.errors import DataError


@dataclass(frozen=True)
class Arm:
    """Angles of one arm in degrees, all 0 when it hangs straight down.

    raise_: forwards and up; abduct: then sideways out of that plane; turn: about its own axis,
    positive swings a bent forearm inwards; elbow: flexion.
    """

    raise_: float = 4.0
    abduct: float = 9.0
    turn: float = 0.0
    elbow: float = 14.0


@dataclass(frozen=True)
class Leg:
    """Angles of one leg in degrees, all 0 when it stands straight.

    raise_: forwards; abduct: sideways; turn: toes outwards; knee: flexion; point: toes down.
    """

    raise_: float = 1.0
    abduct: float = 4.0
    turn: float = 8.0
    knee: float = 4.0
    point: float = 0.0


@dataclass(frozen=True)
class Pose:
    """One pose: angles in degrees, ``lift`` in metres (how far the lowest point is off the ground).

    pitch and roll tip the whole body (forwards, to its left); bend, lean and twist move the
    spine; nod, look and tilt move the head; ``seat`` puts a stool under the figure.
    """

    left_arm: Arm = Arm()
    right_arm: Arm = Arm()
    left_leg: Leg = Leg()
    right_leg: Leg = Leg()
    pitch: float = 0.0
    roll: float = 0.0
    bend: float = 0.0
    lean: float = 0.0
    twist: float = 0.0
    nod: float = 0.0
    look: float = 0.0
    tilt: float = 0.0
    lift: float = 0.0
    seat: bool = False

    def mirrored(self) -> Pose:
        """The same pose with left and right exchanged."""
        return replace(
            self,
            left_arm=self.right_arm,
            right_arm=self.left_arm,
            left_leg=self.right_leg,
            right_leg=self.left_leg,
            roll=-self.roll,
            lean=-self.lean,
            twist=-self.twist,
            look=-self.look,
            tilt=-self.tilt,
        )


# fmt: off
POSES: dict[str, Pose] = {
    "rest": Pose(),
    "stand": Pose(left_leg=Leg(12, 7, 18, 18), look=15),
    "hands on hips": Pose(Arm(-22, 42, 62, 100), Arm(-22, 42, 62, 100), Leg(0, 10), Leg(0, 10)),
    "crossed arms": Pose(
        Arm(34, 4, 58, 98), Arm(26, 4, 62, 92), Leg(0, 6, 10), Leg(4, 7, 14, 10)
    ),
    "walk": Pose(Arm(-24, 8, 0, 18), Arm(26, 8, 5, 28), Leg(26, 2, 5, 12), Leg(-20, 2, 5, 20, 15)),
    "run": Pose(
        Arm(-48, 12, 8, 95),
        Arm(42, 12, 22, 98),
        Leg(68, 3, 2, 88),
        Leg(-20, 3, 4, 28, 35),
        pitch=9,
        bend=8,
        lift=0.05,
    ),
    "sprint": Pose(
        Arm(50, 12, 20, 92),
        Arm(-55, 14, 5, 85),
        Leg(38, 3, 0, 24),
        Leg(-28, 3, 0, 98, 30),
        pitch=12,
        bend=10,
    ),
    "kick": Pose(
        Arm(-30, 55, 0, 30),
        Arm(45, 55, 0, 30),
        Leg(84, 6, 5, 12, 30),
        Leg(-6, 4, 12, 14),
        pitch=-12,
        bend=8,
    ),
    "serve": Pose(
        Arm(150, 12, 0, 12),
        Arm(95, 75, -75, 100),
        Leg(8, 8, 10, 14),
        Leg(-18, 8, 10, 34, 25),
        bend=-12,
        lean=10,
        nod=-20,
    ),
    "smash": Pose(
        Arm(40, 50, 10, 55),
        Arm(168, 12, 0, 22),
        Leg(24, 8, 4, 55, 25),
        Leg(-16, 8, 4, 30, 35),
        bend=-6,
        lean=8,
        lift=0.3,
    ),
    "throw": Pose(
        Arm(58, 62, 0, 25),
        Arm(-8, 94, -80, 96),
        Leg(34, 12, 8, 18),
        Leg(-12, 12, 10, 26, 15),
        twist=-28,
    ),
    "arms up": Pose(Arm(158, 16, 0, 18), Arm(160, 16, 0, 18), Leg(0, 9), Leg(0, 9), nod=-10),
    "surrender": Pose(Arm(0, 86, -84, 88), Arm(0, 86, -84, 88), Leg(0, 7), Leg(4, 7, 8, 8)),
    "wide arms": Pose(Arm(4, 86, 0, 8), Arm(4, 86, 0, 8), Leg(0, 12), Leg(0, 12)),
    "wave": Pose(Arm(10, 100, -80, 70), Arm(), Leg(0, 5), Leg(10, 6, 16, 14), tilt=6),
    "star jump": Pose(
        Arm(10, 138, 0, 8), Arm(10, 138, 0, 8), Leg(6, 34, 8, 8, 25), Leg(6, 34, 8, 8, 25), lift=0.3
    ),
    "jump": Pose(
        Arm(140, 25, 0, 20),
        Arm(120, 30, 0, 30),
        Leg(58, 12, 6, 80, 25),
        Leg(-8, 6, 4, 30, 35),
        lift=0.35,
    ),
    "squat": Pose(
        Arm(84, 8, 14, 20), Arm(84, 8, 14, 20), Leg(100, 22, 18, 112), Leg(100, 22, 18, 112),
        pitch=10, bend=26, nod=-22,
    ),
    "lunge": Pose(
        Arm(38, 14, 20, 62), Arm(-20, 14, 4, 30), Leg(82, 4, 4, 84), Leg(-22, 4, 4, 52, -30),
        bend=6,
    ),
    "ready": Pose(
        Arm(42, 18, 34, 76), Arm(42, 18, 34, 76), Leg(52, 16, 12, 58), Leg(52, 16, 12, 58),
        pitch=8, bend=28, nod=-24,
    ),
    "dig": Pose(
        Arm(62, -6, 8, 6), Arm(62, -6, 8, 6), Leg(60, 16, 10, 74), Leg(48, 16, 10, 66),
        pitch=8, bend=24, nod=-20,
    ),
    "swing": Pose(
        Arm(66, -18, 20, 18), Arm(58, 8, 46, 44), Leg(24, 16, 14, 26), Leg(10, 12, 14, 20),
        bend=18, twist=38, look=-30,
    ),
    "batter": Pose(
        Arm(70, 0, 62, 88), Arm(52, 52, 36, 112), Leg(30, 14, 10, 36), Leg(26, 14, 10, 36),
        bend=16, twist=-30, look=40,
    ),
    "boxer": Pose(
        Arm(52, 10, 20, 118), Arm(78, 4, 14, 36), Leg(24, 8, 10, 26), Leg(-8, 8, 20, 22), bend=12
    ),
    "arabesque": Pose(
        Arm(70, 62, 0, 8), Arm(-4, 84, 0, 10), Leg(10, 2, 14, 4), Leg(-44, 6, 10, 14, 40),
        pitch=32, bend=-14, nod=-20,
    ),
    "dance": Pose(
        Arm(20, 112, -50, 62), Arm(26, 62, 40, 58), Leg(48, 26, 34, 76, 30), Leg(0, 6, 18, 10),
        lean=-10, tilt=8, look=18,
    ),
    "high kick": Pose(
        Arm(24, 56, 20, 70), Arm(40, 30, 20, 92), Leg(34, 78, 10, 12, 20), Leg(0, 2, 30, 8),
        lean=-34, roll=-8,
    ),
    "handstand": Pose(
        Arm(174, 8, 0, 4), Arm(174, 8, 0, 4), Leg(6, 6, 0, 6, 40), Leg(-8, 6, 0, 14, 40), pitch=178
    ),
    "cartwheel": Pose(
        Arm(8, 156, 0, 6), Arm(8, 156, 0, 6), Leg(8, 46, 4, 6, 40), Leg(4, 48, 4, 8, 40),
        roll=128,
    ),
    "press-up": Pose(
        Arm(84, 14, 0, 14), Arm(84, 14, 0, 14), Leg(0, 4, 0, 4, -40), Leg(0, 4, 0, 4, -40),
        pitch=72, nod=-30,
    ),
    "sit": Pose(
        Arm(34, 8, 24, 44), Arm(30, 10, 22, 52), Leg(86, 9, 6, 86), Leg(84, 9, 8, 78),
        bend=6, seat=True,
    ),
    "sit forward": Pose(
        Arm(66, 8, 26, 62), Arm(62, 8, 26, 70), Leg(84, 16, 8, 92), Leg(82, 16, 8, 84),
        bend=34, nod=-16, seat=True,
    ),
    "sit on the ground": Pose(
        Arm(-38, 16, -10, 8), Arm(44, 10, 20, 40), Leg(104, 10, 10, 96), Leg(84, 14, 14, 40),
        pitch=-14, bend=16,
    ),
    "kneel": Pose(
        Arm(50, 8, 20, 52), Arm(6, 12, 0, 18), Leg(88, 6, 6, 92), Leg(4, 6, 2, 92, 40), bend=8
    ),
    "bow": Pose(
        Arm(52, 8, 4, 14), Arm(48, 8, 4, 16), Leg(26, 6, 8, 8), Leg(26, 6, 8, 12),
        pitch=30, bend=44, nod=-10,
    ),
    "phone": Pose(Arm(36, 14, 30, 138), Arm(6, 10, 0, 16), Leg(0, 5), Leg(10, 6, 16, 16), tilt=10),
    "point": Pose(Arm(84, 12, 0, 8), Arm(6, 10, 0, 18), Leg(4, 6, 10), Leg(-4, 6, 10), look=10),
    "climb": Pose(
        Arm(158, 20, 10, 34), Arm(120, 34, 20, 84), Leg(84, 26, 20, 96), Leg(4, 10, 10, 14, 25),
        lift=0.12,
    ),
}

UPRIGHT = (
    "rest", "stand", "hands on hips", "walk", "crossed arms", "phone", "wave", "point", "boxer",
    "run", "throw", "surrender", "arms up",
)

# fmt: on

# Joint limits in degrees; jitter never leaves them.
ARM_LIMITS = ((-60, 180), (-25, 165), (-90, 95), (0, 148))
LEG_LIMITS = ((-50, 125), (-15, 80), (-25, 45), (0, 140), (-45, 45))


def named_pose(name: str) -> Pose:
    """The pose of that name; DataError with the known names when there is none."""
    try:
        return POSES[name]
    except KeyError:
        raise DataError(
            f"There is no pose called {name!r}; known poses are {', '.join(POSES)}."
        ) from None


def jittered(pose: Pose, rng: np.random.Generator, spread: float = 1.0) -> Pose:
    """A random neighbour of ``pose`` (about 6 degrees per joint), half the time mirrored."""
    noise = rng.normal(size=26) * (6.0 * spread)

    def arm(values: Arm, shift: np.ndarray) -> Arm:
        angles = (values.raise_, values.abduct, values.turn, values.elbow)
        return Arm(*_limited(angles, shift * (1.2, 0.7, 1.2, 1.6), ARM_LIMITS))

    def leg(values: Leg, shift: np.ndarray) -> Leg:
        angles = (values.raise_, values.abduct, values.turn, values.knee, values.point)
        return Leg(*_limited(angles, shift * (0.8, 0.5, 0.8, 0.8, 0.6), LEG_LIMITS))

    result = replace(
        pose,
        left_arm=arm(pose.left_arm, noise[0:4]),
        right_arm=arm(pose.right_arm, noise[4:8]),
        left_leg=leg(pose.left_leg, noise[8:13]),
        right_leg=leg(pose.right_leg, noise[13:18]),
        pitch=pose.pitch + 0.4 * noise[18],
        roll=pose.roll + 0.3 * noise[19],
        bend=pose.bend + 0.8 * noise[20],
        lean=pose.lean + 0.7 * noise[21],
        twist=pose.twist + 1.2 * noise[22],
        nod=pose.nod + 1.2 * noise[23],
        look=float(np.clip(pose.look + 3.0 * noise[24], -60, 60)),
        tilt=pose.tilt + noise[25],
    )
    return result.mirrored() if rng.random() < 0.5 else result


def _limited(
    angles: tuple[float, ...], shift: np.ndarray, limits: tuple[tuple[int, int], ...]
) -> list[float]:
    low, high = np.array(limits, dtype=float).T
    return [float(a) for a in np.clip(np.array(angles) + shift, low, high)]
