"""Muon for matrices, AdamW for the rest: who moves what, how far, and that a run resumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from posekit.errors import DataError
from posekit.training import optimisers
from posekit.training.engine import start_engine
from posekit.training.loop import Trainer
from posekit.training.optimisers import (
    MatrixMuon,
    as_matrix,
    optimisers_of,
    orthogonal,
    weight_groups,
)
from posekit.training.recipe import Recipe, Stage
from tests.train_linear import Linear

RECIPE = Recipe("tiny", (Stage((8, 8), 12, 8),), warm_up=2, bf16=False, muon=2.0)


def network() -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "first": nn.Conv2d(3, 32, 3),
            "middle": nn.Conv2d(32, 16, 3),
            "linear": nn.Linear(16, 20),
            "queries": nn.Embedding(24, 16),
            "norm": nn.BatchNorm2d(16),
            "last": nn.Conv2d(16, 14, 1),
        }
    )


def names_of(model: nn.Module, groups: list[dict[str, list[nn.Parameter]]]) -> set[str]:
    own = {weight.data_ptr(): name for name, weight in model.named_parameters()}
    return {own[weight.data_ptr()] for group in groups for weight in group["params"]}


def test_the_first_layer_the_last_and_embeddings_are_adamws() -> None:
    model = network()
    adamw, muon = optimisers_of(model, RECIPE)
    assert isinstance(adamw, torch.optim.AdamW) and isinstance(muon, MatrixMuon)
    theirs = names_of(model, muon.param_groups)
    assert theirs == {"middle.weight", "linear.weight"}
    assert names_of(model, adamw.param_groups) == dict(model.named_parameters()).keys() - theirs


def test_factors_multiply() -> None:
    """A pattern's factor holds under both optimisers, and Muon's own comes on top."""
    model = network()
    adamw, muon = optimisers_of(model, replace(RECIPE, rates={"middle.*": 0.5}))
    assert [group["factor"] for group in adamw.param_groups] == [1.0, 0.5]
    assert [group["factor"] for group in muon.param_groups] == [2.0, 1.0]
    assert names_of(model, muon.param_groups[1:]) == {"middle.weight"}
    (alone,) = optimisers_of(model, replace(RECIPE, muon=0.0))
    assert isinstance(alone, torch.optim.AdamW) and len(alone.param_groups) == 1
    with pytest.raises(DataError, match=r"'nothing\.\*'"):
        optimisers_of(model, replace(RECIPE, rates={"nothing.*": 2.0}))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_convolution_moves_as_its_matrix_does(layout: torch.memory_format) -> None:
    """Orthogonal updates do not depend on the order of a matrix's columns."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(16, 24, 3, bias=False).to(memory_format=layout)  # type: ignore[call-overload]
    matrix = nn.Parameter(convolution.weight.detach().contiguous().flatten(1).clone())
    ours = MatrixMuon([{"params": [convolution.weight]}], lr=0.1, weight_decay=0.01)
    theirs = torch.optim.Muon([matrix], lr=0.1, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        gradient = torch.randn(24, 16, 3, 3)
        convolution.weight.grad, matrix.grad = gradient.clone(), gradient.flatten(1)
        ours.step()
        theirs.step()
    # Muon multiplies in bfloat16, whose sums depend on the order.
    moved = convolution.weight.detach().contiguous().flatten(1)
    torch.testing.assert_close(moved, matrix.detach(), atol=0.02, rtol=0.02)


def test_every_direction_of_a_step_is_as_long() -> None:
    """Singular values of the update lie around rate x 0.2 sqrt(longer side), whatever those of the
    gradient (Newton-Schulz with five steps leaves them between 0.7 and 1.2)."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(16, 64))
    u, _, v = torch.linalg.svd(torch.randn(16, 64), full_matrices=False)
    weight.grad = u @ torch.diag(torch.logspace(0, -1.5, 16)) @ v
    MatrixMuon([{"params": [weight]}], lr=0.5, weight_decay=0.0).step()
    lengths = torch.linalg.svdvals(weight.detach()) / (0.5 * 0.2 * 8)
    assert lengths.min() > 0.6 and lengths.max() < 1.3


@pytest.mark.parametrize("has_bf16", [False, True])
@pytest.mark.parametrize("shape", [(16, 40), (40, 16)])
def test_singular_vectors_stay(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], has_bf16: bool
) -> None:
    """In either precision: what is left of U diag(s) V between U and V is a diagonal near one."""
    monkeypatch.setattr(optimisers, "multiplies_bf16", lambda device: has_bf16)
    torch.manual_seed(0)
    u, s, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    left = u.T @ orthogonal(u @ torch.diag(s) @ v) @ v.T
    lengths = left.diagonal()
    assert lengths.min() > 0.6 and lengths.max() < 1.3
    off = left - torch.diag(lengths)
    assert off.abs().max() < (0.1 if has_bf16 else 1e-4)


def test_a_weight_without_a_gradient_stays() -> None:
    weight = nn.Parameter(torch.ones(16, 16))
    MatrixMuon([{"params": [weight]}], lr=0.5, weight_decay=0.5).step()
    assert torch.equal(weight, torch.ones(16, 16))


def test_a_weight_with_gaps_is_refused() -> None:
    gaps = nn.Parameter(torch.zeros(16, 32, 3, 3)[:, ::2])
    with pytest.raises(DataError, match="without gaps"):
        MatrixMuon([{"params": [gaps]}], lr=0.1, weight_decay=0.0)
    whole = torch.zeros(16, 16, 3, 3)
    assert as_matrix(whole, whole).data_ptr() == whole.data_ptr()


def test_weights_of_several_names_are_listed_once() -> None:
    shared = nn.Linear(4, 4)
    (group,) = weight_groups(nn.ModuleList([shared, shared]), {})
    assert len(group["params"]) == 2


class Wide(Linear):
    """The linear task, with matrices in the middle, one of which comes twice."""

    def build(self) -> nn.Module:
        shared = nn.Linear(16, 16)
        middle = (nn.Linear(16, 16), nn.ReLU(), shared, nn.ReLU(), shared)
        return nn.Sequential(nn.Linear(6, 16), *middle, nn.Linear(16, 3))


@pytest.fixture
def trainer(tmp_path: Path) -> Callable[[str], Trainer]:
    def make(folder: str) -> Trainer:
        return Trainer(Wide(), RECIPE, tmp_path / folder, start_engine("cpu"))

    return make


def test_resumed_training_equals_uninterrupted_training(trainer: Callable[[str], Trainer]) -> None:
    """Bit for bit, Muon's momentum included; and it learns."""
    whole = trainer("whole")
    before = whole.task.validate(whole.model, RECIPE.stages[0]).value
    whole.run(validate_every=100)
    first = trainer("parts")
    for _ in range(5):
        first.train_step(RECIPE.stages[0])
    first.folder.mkdir()
    first.save()
    with pytest.raises(DataError, match="other optimisers"):
        alone = replace(RECIPE, muon=0.0)
        Trainer(Wide(), alone, first.folder, start_engine("cpu")).resume()
    second = trainer("parts")
    second.run(validate_every=100)
    assert len(second.optimisers) == 2 and second.step == whole.step == 12
    theirs, ours = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())
    assert whole.task.validate(whole.model, RECIPE.stages[0]).value > before


def test_the_average_of_a_shared_layer_moves_once(trainer: Callable[[str], Trainer]) -> None:
    """After the first step the average lies 2 / 11 of the way behind: (1 + step) / (10 + step)."""
    one = trainer("run")
    start = {key: value.clone() for key, value in one.average.state_dict().items()}
    one.train_step(RECIPE.stages[0])
    now, average = one.model.module.state_dict(), one.average.state_dict()
    assert torch.equal(average["3.weight"], average["5.weight"])
    for key in ("1.weight", "3.weight", "5.weight"):
        behind = start[key].lerp(now[key], 1 - 2 / 11)
        torch.testing.assert_close(average[key], behind)
        assert not torch.equal(now[key], start[key])
