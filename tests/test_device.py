"""Choosing a device: the fastest by itself, and a sentence for one that is not there."""

from __future__ import annotations

import pytest
import torch

from posekit.device import autocast, choose_device, multiplies_bf16
from posekit.errors import ModelError


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """A machine with the given number of GPUs, with or without MPS."""

    def make(gpus: int = 0, mps: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


@pytest.mark.parametrize(
    ("gpus", "mps", "expected"),
    [(0, False, "cpu"), (0, True, "mps"), (1, False, "cuda"), (2, True, "cuda")],
)
@pytest.mark.parametrize("asked", ["auto", None])
def test_auto_takes_the_fastest(machine, asked, gpus, mps, expected) -> None:
    machine(gpus, mps)
    assert choose_device(asked) == torch.device(expected)


def test_what_is_asked_for_and_there_is_taken(machine) -> None:
    machine(gpus=2, mps=True)
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device(torch.device("mps")) == torch.device("mps")


@pytest.mark.parametrize(
    ("asked", "gpus", "sentence"),
    [
        ("cuda", 0, "no CUDA GPU"),
        ("cuda:2", 2, "no GPU number 2; this machine has 2"),
        ("mps", 1, "no MPS device"),
        ("tpu", 1, "no device 'tpu'; use auto, cpu, cuda or mps"),
        ("meta", 1, "no device 'meta'"),
        ("cuda:x", 1, "no device 'cuda:x'"),
        ("", 1, "no device ''"),
    ],
)
def test_what_is_not_there_is_refused(machine, asked: str, gpus: int, sentence: str) -> None:
    machine(gpus)
    with pytest.raises(ModelError, match=sentence):
        choose_device(asked)


def test_the_cpu_keeps_full_precision() -> None:
    weights, x = torch.randn(4, 4), torch.randn(2, 4)
    with autocast(torch.device("cpu")):
        assert (x @ weights).dtype == torch.float32


def test_a_gpu_multiplies_in_half_precision() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    x = torch.randn(4, 4, device="cuda")
    with autocast(x.device):
        assert (x @ x).dtype == torch.float16


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_f": False, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx2": True, "avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, True),
        ({"neon": True, "bf16": True, "sve_bf16": False}, True),
        ({"neon": True, "bf16": False}, False),
    ],
)
def test_which_processors_multiply_bfloat16(monkeypatch, capabilities, expected) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert multiplies_bf16(torch.device("cpu")) is expected
    assert multiplies_bf16(torch.device("cuda"))  # no question of the processor's
