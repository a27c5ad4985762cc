"""Checkpoints: reading, checking and writing the tensors of a network.

A checkpoint comes from somewhere else and is treated so: nothing stored in it is ever run, and one
that is damaged or made for another model is refused in words before the network sees it.
"""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posekit.errors import WeightsError
from posekit.files import replaced

__all__ = ["load_into", "read_metadata", "read_state_dict", "save_safetensors"]

# Said of a bare pickle before it is refused, as if it were torch's business to read it.
warnings.filterwarnings("ignore", message="Detected pickle protocol", module="torch")

State = dict[str, Tensor]


def read_state_dict(path: str | Path) -> State:
    """Read the tensors of a checkpoint.

    Args:
        path: a ``.safetensors`` file, or a PyTorch file (``.pth``, ``.pt``) that holds a state
            dict, bare or under ``"state_dict"`` or ``"model"``. The content decides, not the name.

    Returns:
        name -> tensor on the CPU, in the precision it was stored in; a leading ``module.`` (left by
        DataParallel) is removed.

    Raises:
        WeightsError: the file is missing, damaged, no checkpoint, or would have to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"There is no weights file {str(path)!r}.")
    with path.open("rb") as file:
        start = file.read(9)
    if start[:2] in (b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"):  # zip or pickle
        state = _plain(_read_pytorch(path), path)
    elif start[8:] == b"{":  # eight bytes of length, then a JSON header
        state = _read_safetensors(path)
    else:
        raise WeightsError(f"{path.name} is not a checkpoint (neither safetensors nor PyTorch).")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise WeightsError(f"{path.name} is damaged: {name} holds values that are not finite.")
    return state


def _read_safetensors(path: Path) -> State:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path.name} is damaged or incomplete and cannot be read; fetch it again."
        ) from error


def _read_pytorch(path: Path) -> object:
    try:
        # An open file, because torch.load given a path trusts its suffix.
        with path.open("rb") as file:
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"(?:GLOBAL|global:?) ([\w.]+)", str(error))
        if asked is None:
            raise WeightsError(
                f"{path.name} cannot be read, and nothing in it was run: it is damaged, or a "
                "pickle that is no checkpoint."
            ) from error
        raise WeightsError(
            f"{path.name} was refused and nothing in it was run: besides weights it holds Python "
            f"objects ({asked[1]}), which could run anything; ask for a plain state dict."
        ) from error
    # A cut or overwritten file surfaces as whatever the archive reader trips over first.
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise WeightsError(
            f"{path.name} is damaged or incomplete and cannot be read; fetch it again."
        ) from error


def _plain(content: object, path: Path) -> State:
    """The state dict inside what a PyTorch file holds."""
    if isinstance(content, Mapping):
        for wrapper in ("state_dict", "model"):
            if isinstance(content.get(wrapper), Mapping):
                content = content[wrapper]
                break
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())
    ):
        raise WeightsError(f"{path.name} is not a checkpoint: it does not hold named tensors only.")
    return {name.removeprefix("module."): tensor for name, tensor in content.items()}


def load_into(
    module: nn.Module, state: Mapping[str, Tensor], *, name: str, assign: bool = False
) -> None:
    """Give a network its weights (in place), all of them or none.

    Args:
        module: the network; it keeps its own precision, half-precision weights are widened.
        state: name -> tensor, see :func:`read_state_dict`.
        name: what to call the model in a refusal.
        assign: make the tensors themselves the network's, without a copy; for a network on the
            "meta" device, which has no tensors yet.

    Raises:
        WeightsError: the weights are another model's; the sentence says what differs.
    """
    own = module.state_dict()
    missing = [key for key in own if key not in state]
    extra = [key for key in state if key not in own]
    shapes = [key for key in own if key in state and own[key].shape != state[key].shape]
    if missing or extra or shapes:
        reasons = _differences(own, state, missing, extra, shapes)
        raise WeightsError(f"These weights are not for {name}: {'; '.join(reasons)}.")
    module.load_state_dict(state, assign=assign)


def _differences(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    missing: list[str],
    extra: list[str],
    shapes: list[str],
) -> list[str]:
    """What a person can make of a mismatch, the telling things first."""
    reasons = []
    telling = (
        ("they know {} keypoints, the model has {}", _length(state, own, "final_layer.bias")),
        ("they have {} encoder layers, the model has {}", (_layers(state), _layers(own))),
        (
            "they are for a grid of {} tokens, the model has {}",
            _length(state, own, "pos_embedding"),
        ),
    )
    for words, (theirs, ours) in telling:
        if theirs != ours:
            reasons.append(words.format(theirs, ours))
    if missing:
        reasons.append(f"{len(missing)} of {len(own)} tensors are missing (such as {missing[0]})")
    if extra:
        reasons.append(f"{len(extra)} tensors have no place in it (such as {extra[0]})")
    if shapes:
        key = shapes[0]
        reasons.append(
            f"{key} is {_by(state[key])} instead of {_by(own[key])}"
            + (f", and {len(shapes) - 1} more differ in shape" if len(shapes) > 1 else "")
        )
    return reasons[:3]


def _length(state: Mapping[str, Tensor], own: Mapping[str, Tensor], key: str) -> tuple[int, int]:
    if key not in state or key not in own or not state[key].ndim:
        return 0, 0
    return len(state[key]), len(own[key])


def _layers(state: Mapping[str, Tensor]) -> int:
    return len({m[1] for key in state if (m := re.search(r"encoder\.layers\.(\d+)\.", key))})


def _by(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a single number"


def save_safetensors(
    module: nn.Module,
    path: str | Path,
    *,
    half: bool = True,
    beside: Mapping[str, Tensor] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write a network's weights, whole or not at all.

    Args:
        module: the network.
        path: where to; a file that exists is replaced.
        half: store matrices and kernels in half precision. Vectors (biases, normalisation
            statistics, whose range is open) and whatever would overflow keep theirs.
        beside: name -> tensor stored besides the network's own.
        metadata: stored in the file's header; values that are not text are written as JSON.

    Returns:
        The path.

    Raises:
        WeightsError: the folder cannot be written to.
    """
    path = Path(path)
    tensors = module.state_dict() | dict(beside or {})
    state = {key: _stored(tensor, half) for key, tensor in tensors.items()}
    header = {k: v if isinstance(v, str) else json.dumps(v) for k, v in (metadata or {}).items()}
    try:
        with replaced(path) as part:
            save_file(state, part, metadata={"format": "pt", **header})
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{str(path)!r} cannot be written: {error}.") from error
    return path


def _stored(tensor: Tensor, half: bool) -> Tensor:
    tensor = tensor.detach().cpu()
    if half and tensor.ndim >= 2 and tensor.dtype == torch.float32:
        narrow = tensor.half()
        if narrow.isfinite().all():
            tensor = narrow
    return tensor.clone(memory_format=torch.contiguous_format)  # safetensors refuses shared memory


def read_metadata(path: str | Path) -> dict[str, str]:
    """The header of a safetensors file, see :func:`save_safetensors`.

    Raises:
        WeightsError: the file is missing or no safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{str(path)!r} is not a readable safetensors file.") from error
