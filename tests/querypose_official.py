"""Official QueryPose weights by the rule of tests/fill.py, and a tiny QueryPose of our own."""

from __future__ import annotations

import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from posekit.models.querypose import QueryPose
from posekit.models.querypose_config import SMALL
from posekit.models.querypose_zoo import ENTRIES
from posekit.weights import RANDOM
from posekit.zoo import PoseModel
from tests.fill import fill_array

TINY = replace(
    SMALL,
    width=8,
    blocks=(1, 1, 1, 1),
    queries=6,
    d=16,
    heads=2,
    feedforward=32,
    dynamic=4,
    canonical=24.0,
    box_pool=3,
    pose_pool=4,
    pose_convs=2,
    pose_width=8,
    part_width=16,
    shortest=64,
    longest=96,
)
"""Three stages of six queries; part maps of 8 x 8 cells."""

FLOW_MASK = torch.tensor([[0.0, 1.0], [1.0, 0.0]] * 3)
WHOLE_IMAGE = torch.tensor([0.5, 0.5, 1.0, 1.0])


def official_shapes(folder: Path, variant: str) -> list[tuple[str, tuple[int, ...], str]]:
    """Key, shape and dtype of every tensor in an official checkpoint: r50, hrnet32 or hrnet48."""
    rows = json.loads((folder / f"state_dict_{variant}.json").read_text())
    return [(key, tuple(shape), dtype) for key, shape, dtype in rows]


def filled(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """What ``fill_array`` draws, as float32; a matrix in pieces that stay in the cache."""
    if len(shape) < 2:
        return np.asarray(fill_array(key, shape), dtype=np.float32)
    rng, scale = np.random.default_rng(zlib.crc32(key.encode())), np.sqrt(np.prod(shape[1:]))
    values = np.empty(int(np.prod(shape)), dtype=np.float32)
    for piece in np.array_split(values, -(-len(values) // 2**16)):
        piece[:] = rng.standard_normal(len(piece)) / scale
    return values.reshape(shape)


def official_state(folder: Path, variant: str, prefix: str = "") -> dict[str, Tensor]:
    """An official checkpoint, filled by the rule; what is fixed by construction stays so."""

    def fill(row: tuple[str, tuple[int, ...], str]) -> tuple[str, Tensor]:
        key, shape, dtype = row
        if dtype.startswith("int"):
            return key, torch.zeros(shape, dtype=torch.long)
        if key == "criterion.flow.flow.mask":
            return key, FLOW_MASK
        if key == "init_proposal_boxes.weight":
            return key, WHOLE_IMAGE.repeat(shape[0], 1)
        return key, torch.from_numpy(filled(key, shape))

    rows = [row for row in official_shapes(folder, variant) if row[0].startswith(prefix)]
    with ThreadPoolExecutor(2) as pool:  # numpy draws without holding the interpreter
        return dict(pool.map(fill, rows))


def tiny_querypose(seed: int = 0, **changes: object) -> QueryPose:
    """A random one in evaluation mode, whose queries start at different places."""
    torch.manual_seed(seed)
    model = QueryPose(replace(TINY, **changes))  # type: ignore[arg-type]
    with torch.no_grad():
        boxes = model.init_proposal_boxes.weight
        boxes[:, :2].uniform_(0.3, 0.7)
        boxes[:, 2:].uniform_(0.3, 0.6)
        for head in model.head.head_series:
            head.bboxes_delta.weight *= 0.1
    return model.eval()


def as_pose_model(module: QueryPose) -> PoseModel:
    """The network as the zoo would hand it out."""
    entry = replace(ENTRIES["querypose-small"], build=lambda: module)
    return PoseModel(entry, module.eval(), RANDOM, torch.device("cpu"))
