"""Files are written whole, under exactly the name that was asked for, or not at all."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posekit.errors import DataError, PoseKitError
from posekit.files import (
    replaced,
    write_csv,
    write_json,
    write_npz,
    write_png,
    write_text,
    writing,
)

PIXELS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


def test_a_path_and_an_open_file_get_the_same_bytes(tmp_path: Path) -> None:
    for write in (
        lambda to: write_text("Füße\r\n", to),
        lambda to: write_json({"é": [1, None]}, to),
        lambda to: write_csv(["a", "b"], [["x", None]], to),
        lambda to: write_png(PIXELS, to, {"Title": "knee"}),
    ):
        path, buffer = tmp_path / "file", io.BytesIO()
        write(path)
        write(buffer)
        assert path.read_bytes() == buffer.getvalue() != b""


def test_arrays_take_exactly_the_name_given(tmp_path: Path) -> None:
    write_npz({"maps": PIXELS}, tmp_path / "raw.maps")
    assert [one.name for one in tmp_path.iterdir()] == ["raw.maps"]
    with np.load(tmp_path / "raw.maps", allow_pickle=False) as held:
        np.testing.assert_array_equal(held["maps"], PIXELS)


def test_what_cannot_be_made_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        write_json({"score": float("nan")}, path)
    assert path.read_text() == "old"


def test_a_picture_says_what_it_shows_in_any_script(tmp_path: Path) -> None:
    texts = {"Title": "левое запястье", "PoseKit": json.dumps({"layer": 3}), "Size": "24 × 18"}
    write_png(PIXELS, tmp_path / "picture.png", texts)
    with Image.open(tmp_path / "picture.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), PIXELS)
        held = dict(picture.text)  # type: ignore[attr-defined]
    assert held.pop("Software").startswith("PoseKit ") and held == texts


def test_a_refusal_is_one_sentence(tmp_path: Path) -> None:
    for kind in (PoseKitError, DataError):
        sentence = pytest.raises(kind, match="' cannot be written: Is a directory\\.")
        with sentence, writing(tmp_path, kind):
            write_text("", tmp_path)


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "kept" / "masks.npz"
    with replaced(path) as part:
        part.write_text("first")
        assert not path.exists()
    with pytest.raises(RuntimeError), replaced(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "first" and list(path.parent.iterdir()) == [path]
