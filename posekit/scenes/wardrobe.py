"""What a figure wears: colours, patterns and cuts, as rows of a colour table."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

STEPS = 24
"""Columns of the colour table: places along a primitive."""

_SKIN = (
    (255, 224, 196), (240, 200, 168), (226, 182, 145), (206, 158, 120), (176, 124, 88),
    (140, 94, 64), (104, 68, 46), (76, 50, 36),
)  # fmt: skip
_HAIR = (
    (24, 20, 18), (44, 30, 22), (78, 50, 30), (120, 78, 42), (176, 132, 72), (214, 180, 120),
    (112, 62, 40), (150, 148, 146), (30, 24, 28),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Look:
    """Clothes and colours. ``table`` (rows, STEPS, 3) float32 RGB 0..255; the ints are its rows.

    sleeve and leg: how far cloth reaches, 0..1 on the first bone and 1..2 on the second;
    sock: share of the shin; loose: width of the cloth (1 is tight).
    """

    table: np.ndarray
    sleeve: float
    leg: float
    sock: float
    loose: float
    hair_style: str
    skirt: bool
    bust: bool
    beard: bool
    skin: int = 0
    face: int = 1
    hair: int = 2
    shirt: int = 3
    sleeves: int = 4
    hips: int = 5
    trousers: int = 6
    socks: int = 7
    shoes: int = 8
    hat: int = 9

    @staticmethod
    def random(rng: np.random.Generator) -> Look:
        """Draw an outfit: sports kit, casual or formal, with patterns."""
        skin = np.array(_SKIN[rng.integers(len(_SKIN))]) + rng.normal(0, 5, 3)
        hair = np.array(_HAIR[rng.integers(len(_HAIR))]) + rng.normal(0, 4, 3)
        shirt, second, trousers, hat = (_cloth(rng) for _ in range(4))
        if rng.random() < 0.35:
            trousers = np.array([(38, 42, 62), (46, 46, 50), (92, 104, 132), (196, 180, 150)])[
                rng.integers(4)
            ].astype(float)
        shoes = np.array(
            [(238, 238, 238), (30, 30, 34), (96, 62, 40), (170, 50, 46), (66, 84, 140)]
        )[rng.integers(5)].astype(float)
        socks = np.array((240.0, 240.0, 236.0)) if rng.random() < 0.7 else second
        kind = rng.choice(["sport", "casual", "formal"], p=[0.55, 0.35, 0.1])
        sleeve, leg, loose = {
            "sport": (rng.choice([0.0, 0.5, 0.6, 1.95]), rng.choice([0.45, 0.62, 1.95]), 1.03),
            "casual": (rng.choice([0.4, 0.6, 1.9]), rng.choice([0.7, 1.95, 1.95]), 1.1),
            "formal": (1.97, 1.97, 1.08),
        }[str(kind)]
        pattern = rng.choice(["plain", "stripes", "band", "two"], p=[0.58, 0.2, 0.12, 0.1])
        woman = rng.random() < 0.5
        styles = ["short", "long", "tail", "bun", "cap", "bald"]
        odds = [0.22, 0.36, 0.22, 0.1, 0.1, 0.0] if woman else [0.66, 0.06, 0.02, 0.02, 0.16, 0.08]
        rows = [skin, skin, hair, shirt, shirt, trousers, trousers, socks, shoes, hat]
        table = np.repeat(np.clip(np.array(rows), 8, 250)[:, None, :], STEPS, axis=1)
        _pattern(table, str(pattern), second, rng)
        return Look(
            table=table.astype(np.float32),
            sleeve=float(sleeve),
            leg=float(leg),
            sock=float(rng.choice([0.0, 0.2, 0.45])),
            loose=float(loose * rng.uniform(0.98, 1.05)),
            hair_style=str(rng.choice(styles, p=odds)),
            skirt=bool(woman and leg < 1 and rng.random() < 0.35),
            bust=bool(woman),
            beard=bool(not woman and rng.random() < 0.3),
        )


def _cloth(rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.3:
        return np.full(3, rng.choice([28.0, 70.0, 130.0, 205.0, 242.0])) + rng.normal(0, 4, 3)
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.92))
    return np.array(rgb) * 250


def _pattern(table: np.ndarray, pattern: str, second: np.ndarray, rng: np.random.Generator) -> None:
    """Paint the shirt rows (3 trunk, 4 sleeves)."""
    columns = np.arange(STEPS)
    if pattern == "stripes":
        width = int(rng.integers(2, 5))
        for row in (3, 4):
            table[row, (columns // width) % 2 == 1] = second
    elif pattern == "band":
        table[3, (columns > 11) & (columns < 17)] = second
        table[4, columns > 18] = second
    elif pattern == "two":
        table[4, :] = second
