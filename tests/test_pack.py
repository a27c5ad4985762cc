"""Pieces of a data set are no larger than asked, and together they are the data set."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from posekit.data.lsp import read_lsp
from posekit.data.pack import pack
from posekit.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    rng = np.random.default_rng(0)
    names = [f"p{n}.jpg" for n in range(12)]
    for name in names:
        buffer = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (90, 80, 3), dtype=np.uint8)).save(buffer, "JPEG")
        (source / name).write_bytes(buffer.getvalue())
    joints = np.concatenate([rng.uniform(5, 75, (12, 14, 2)), np.ones((12, 14, 1))], -1)
    np.savez(source / "joints.npz", image=np.array(names), joints=joints.astype(np.float32))
    return source


def test_pieces_are_bounded_and_hold_everything(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "pieces"
    pieces = pack(folder, out, megabytes=0.03)
    assert [path.name for path in pieces[:3]] == ["joints.npz", "images-000.tar", "images-001.tar"]
    assert len(pieces) > 3
    assert all(path.stat().st_size <= 0.03 * 2**20 for path in pieces[1:])
    before, after = (list(read_lsp(place, "held out")) for place in (folder, out))
    assert len(before) == len(after) == 12
    for a, b in zip(before, after, strict=True):
        assert a.photo.digest == b.photo.digest
        np.testing.assert_array_equal(a.keypoints, b.keypoints)


def test_pieces_are_not_mixed_with_others(folder: Path, tmp_path: Path) -> None:
    pack(folder, tmp_path / "out")
    with pytest.raises(DataError, match="choose an empty folder"):
        pack(folder, tmp_path / "out")


def test_a_photograph_larger_than_a_piece_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"p0\.jpg alone is larger than 0\.01 MiB"):
        pack(folder, tmp_path / "out", megabytes=0.01)


def test_a_folder_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no joints\.npz"):
        pack(tmp_path, tmp_path / "out")
