"""Checkpoints and weights files: what is read, what is refused, and in which words."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from posekit.errors import WeightsError
from posekit.models import transpose as tp
from posekit.weights import (
    RANDOM,
    WeightsFile,
    cache_dir,
    checkpoint_dir,
    fetch,
    load_into,
    read_metadata,
    read_state_dict,
    save_safetensors,
    user_file,
    verify,
)
from tests.file_server import serving

CONFIG = tp.TransPoseConfig("resnet", 8, 16, 32, layers=2, heads=2, input_size=(64, 48))


def network(**changes: object) -> tp.TransPose:
    torch.manual_seed(0)
    from dataclasses import replace

    return tp.transpose(replace(CONFIG, **changes))  # type: ignore[arg-type]


class Touch:
    """When unpickled the ordinary way, creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.path}",)


def assert_equal_states(first: nn.Module, second: nn.Module, tolerance: float = 0.0) -> None:
    for (name, ours), theirs in zip(
        first.state_dict().items(), second.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(
            ours, theirs, rtol=tolerance, atol=tolerance * 1e-3, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pytorch_file_is_read_bare_or_wrapped(
    tmp_path: Path, wrapper: str | None, prefix: str, zipped: bool
) -> None:
    source, copy = network(), network()
    nn.init.zeros_(copy.final_layer.weight)
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    content = state if wrapper is None else {wrapper: state, "epoch": 3}
    # The official files are from 2020 and 2021; older torch did not write zip archives.
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    load_into(copy, read_state_dict(tmp_path / "x.pth"), name="X")
    assert_equal_states(copy, source)


def test_full_precision_survives_a_round_trip_exactly(tmp_path: Path) -> None:
    source = network()
    save_safetensors(source, tmp_path / "x.safetensors", half=False, metadata={"epochs": 3})
    copy = network(dropout=0.0)
    load_into(copy, read_state_dict(tmp_path / "x.safetensors"), name="X")
    assert_equal_states(copy, source)
    assert read_metadata(tmp_path / "x.safetensors") == {"format": "pt", "epochs": "3"}


def test_half_precision_halves_the_file_and_loads_as_full_precision(tmp_path: Path) -> None:
    source = network()
    full = save_safetensors(source, tmp_path / "full.safetensors", half=False)
    half = save_safetensors(source, tmp_path / "half.safetensors")
    assert half.stat().st_size < 0.7 * full.stat().st_size  # headers and vectors do not shrink
    copy = network()
    load_into(copy, read_state_dict(half), name="X")
    assert all(p.dtype == torch.float32 for p in copy.parameters())
    assert_equal_states(copy, source, tolerance=2**-11)  # half a unit of half precision


def test_what_half_precision_cannot_hold_stays_as_it_is(tmp_path: Path) -> None:
    source = network()
    source.bn1.running_var.fill_(1e6)  # type: ignore[union-attr,operator]
    with torch.no_grad():
        source.reduce.weight.fill_(1e5)  # beyond 65504
    state = load_file(save_safetensors(source, tmp_path / "x.safetensors"))
    assert state["bn1.running_var"].dtype == torch.float32
    assert state["reduce.weight"].dtype == torch.float32
    assert state["final_layer.weight"].dtype == torch.float16
    assert state["bn1.num_batches_tracked"].dtype == torch.int64


def test_saving_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_safetensors(network(), tmp_path / "x.safetensors")
    before = path.read_bytes()

    def full_disk(state: object, file: Path, metadata: object = None) -> None:
        Path(file).write_bytes(b"half a fi")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("posekit.checkpoint.save_file", full_disk)
    with pytest.raises(WeightsError, match=r"cannot be written: .*No space left"):
        save_safetensors(network(keypoints=3), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_hostile_pickle_is_refused_and_nothing_runs(
    tmp_path: Path, zipped: bool, hidden: bool
) -> None:
    mark = tmp_path / "executed"
    payload = {"state_dict": network().state_dict(), "x": Touch(mark)} if hidden else Touch(mark)
    file = tmp_path / "official.pth"
    torch.save(payload, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"official\.pth was refused and nothing in it was run"):
        read_state_dict(file)
    assert not mark.exists()
    torch.load(file, weights_only=False)  # the file is as hostile as it claims to be
    assert mark.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_plain_pickle_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    for protocol in range(6):
        (tmp_path / "x.pth").write_bytes(pickle.dumps(Touch(mark), protocol=protocol))
        with pytest.raises(WeightsError, match=r"x\.pth"):
            read_state_dict(tmp_path / "x.pth")
        assert not mark.exists()


def test_a_hostile_pickle_named_safetensors_is_refused_too(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    torch.save(Touch(mark), tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="refused"):
        read_state_dict(tmp_path / "x.safetensors")
    assert not mark.exists()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_safetensors_file_is_refused(tmp_path: Path, share: float) -> None:
    path = save_safetensors(network(), tmp_path / "x.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=r"x\.safetensors is damaged or incomplete"):
        read_state_dict(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_a_truncated_pytorch_file_is_refused(tmp_path: Path, share: float, zipped: bool) -> None:
    path = tmp_path / "x.pth"
    torch.save(network().state_dict(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(WeightsError, match=r"x\.pth is (damaged|not a checkpoint)"):
        read_state_dict(path)


def _zip_of_text() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("hello.txt", "hello")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK",
        b"\x80\x02",
        b"<!DOCTYPE html><html>Not Found</html>",
        bytes(1000),
        b"\xff" * 8 + b"{" + bytes(100),
        (10).to_bytes(8, "little") + b'{"a":[1]} ',
        _zip_of_text(),
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"^x\.pth .*\.$"):
        read_state_dict(tmp_path / "x.pth")


@pytest.mark.parametrize(
    "content", [{}, [1, 2], torch.zeros(3), {"a": 1}, {"a": torch.zeros(1), 2: torch.zeros(1)}]
)
def test_a_pytorch_file_without_named_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth is not a checkpoint"):
        read_state_dict(tmp_path / "x.pth")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, value: float) -> None:
    save_file({"a": torch.zeros(3), "b": torch.tensor([0.0, value])}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="b holds values that are not finite"):
        read_state_dict(tmp_path / "x.safetensors")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(WeightsError, match=r"no weights file '/nowhere/x\.pth'"):
        read_state_dict("/nowhere/x.pth")
    with pytest.raises(WeightsError, match="auto, shipped, official, random"):
        user_file("offical")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keypoints": 14}, "they know 14 keypoints, the model has 17"),
        ({"layers": 3}, "they have 3 encoder layers, the model has 2"),
        ({"layers": 1}, "they have 1 encoder layers, the model has 2"),
        ({"input_size": (96, 64)}, "they are for a grid of 96 tokens, the model has 48"),
        ({"feedforward": 64}, r"linear1\.weight is 64 x 16 instead of 32 x 16"),
        ({"trunk": "hrnet"}, r"tensors are missing \(such as"),
    ],
)
def test_another_models_weights_are_refused_with_the_difference(
    changes: dict[str, object], words: str
) -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(WeightsError, match=f"^These weights are not for TransPose-X: .*{words}"):
        load_into(model, network(**changes).state_dict(), name="TransPose-X")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_places_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(tmp_path / "shipped"))
    assert cache_dir() == tmp_path / "cache"
    assert checkpoint_dir() == tmp_path / "shipped"
    assert WeightsFile("official", "x.pth").local == tmp_path / "cache" / "x.pth"
    assert WeightsFile("shipped", "x.st").local == tmp_path / "shipped" / "x.st"
    assert RANDOM.local is None and not RANDOM.present


def test_official_weights_are_fetched_once_and_watched_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSEKIT_CACHE", str(tmp_path))
    with serving(b"the weights") as server:
        file = WeightsFile("official", "x.pth", url=server.url)
        assert not file.present
        path = fetch(file, progress=False)
        assert file.present and fetch(file, progress=False) == path
        assert len(server.asked) == 1
    verify(path)
    path.write_bytes(b"other bytes")
    with pytest.raises(WeightsError, match="not what it should be"):
        fetch(file, progress=False)


def test_shipped_weights_that_are_missing_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSEKIT_CHECKPOINTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"x\.safetensors is not there; it should be in"):
        fetch(WeightsFile("shipped", "x.safetensors"))


def test_an_arbitrary_state_gets_a_sentence() -> None:
    state = {"a": torch.from_numpy(np.zeros((2, 2)))}
    with pytest.raises(WeightsError, match=r"1 tensors have no place in it \(such as a\)"):
        load_into(network(), state, name="X")
