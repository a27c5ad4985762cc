"""The models by name: what each is, how it is built, and where its weights come from.

A model joins by a decorated function in a module ``posekit/models/<system>_zoo.py``, or in one of
such a name in a folder that ``POSEKIT_MODELS`` names; from then on it appears in
:func:`list_models`, on the page and on the command line by itself.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

import posekit.models
from posekit.cards import model_card
from posekit.device import choose_device
from posekit.download import sha256_of
from posekit.errors import ModelError, WeightsError
from posekit.found import Finder
from posekit.likelihood import Likelihood
from posekit.skeleton import Skeleton
from posekit.weights import RANDOM, WeightsFile, fetch, load_into, read_state_dict, user_file

__all__ = ["ModelEntry", "Paper", "PoseModel", "entry", "list_models", "load", "register"]

State = Mapping[str, Tensor]
View = Literal["crop", "photo", "backbone"]

UNSURE = 0.4
"""Keypoints of a lower confidence are wrong more often than right.

Measured on 300 photographs of LSPET kept out of training (``benchmarks/unsure.py``): of the
keypoints below it 38 % are right with ``transpose-r-small``, 35 % with ``btranspose-small`` and
29 % with ``ssa-small`` (PCK@0.2); of the others 77, 74 and 57 %.
"""
ONLY_ABSTRACT = "Not known here: only the abstract was read."
"""What stands in the place of figures where nobody here has read the paper."""
DIGITS = 12
"""Of a checksum, in what is written: enough to tell files apart."""
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Paper:
    """Where a model was published."""

    title: str
    venue: str
    year: int
    arxiv: str

    @property
    def url(self) -> str:
        """Address of the abstract."""
        return f"https://arxiv.org/abs/{self.arxiv}"


@dataclass(frozen=True)
class ModelEntry:
    """Everything PoseKit knows about a model before its weights are read.

    Attributes:
        name: ``"transpose-r-a3"``.
        title: the name people use, ``"TransPose-R-A3"``.
        system: the family, ``"TransPose"``.
        paper: where it was published.
        build: makes the network with random weights.
        skeleton: the keypoints its heatmaps stand for, in order.
        input_size: (height, width) of the crop it expects.
        weights: its weights files, best first.
        paper_figures: figures the authors report, by data set: ``{"COCO val2017": {"AP": 71.7}}``.
        figures_from: where those stand, in words.
        no_figures: a sentence where there are none.
        by_hand: the authors link weights that PoseKit cannot download: a file, fetched by hand.
        levels: kind of attention -> words for it, ``{"encoder": "encoder layer"}``.
        mean: subtracted from RGB / 255.
        std: divides what is left.
        view: what the network looks at: ``"crop"``, one person at a time, or ``"photo"``, the whole
            photo, in which it finds the people by itself; ``"backbone"`` is a crop too, by a
            network that attends but predicts no keypoints.
        find: how people are found in a whole photo, for the view ``"photo"``.
        likelihood: what stands for one person's heatmaps where the network regresses keypoints.
        groupings: the ways in which it can put keypoints together to people, the first by
            default; its ``find`` takes one as ``grouping``.
        flips: whether heatmaps of the mirrored crop or photo can be averaged with its own; of the
            view ``"photo"``, its ``find`` then takes ``flip_test``.
        unsure: keypoints of a lower confidence are wrong more often than right, as measured with
            its weights; None where nobody measured it, and :attr:`least_sure` is then that of
            others.
        fit: the network that some weights are of, and these in its names, where a checkpoint may be
            of another variant than ``build`` makes or name its tensors in another way.
    """

    name: str
    title: str
    system: str
    paper: Paper
    build: Callable[[], nn.Module]
    skeleton: Skeleton
    input_size: tuple[int, int]
    weights: tuple[WeightsFile, ...] = ()
    paper_figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    figures_from: str = "in the paper"
    no_figures: str = "The paper gives no figure for this model."
    by_hand: bool = False
    levels: Mapping[str, str] = field(default_factory=dict)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    view: View = "crop"
    find: Finder | None = None
    likelihood: Likelihood | None = None
    groupings: tuple[str, ...] = ()
    flips: bool = True
    unsure: float | None = None
    fit: Callable[[State], tuple[nn.Module, State]] | None = None

    @property
    def least_sure(self) -> float:
        """The confidence below which keypoints are doubted: ``unsure``, or :data:`UNSURE`."""
        return UNSURE if self.unsure is None else self.unsure

    def normalised(self, images: Tensor) -> Tensor:
        """Crops (B, 3, H, W) with RGB in 0..1 as the network was trained on them."""
        mean, std = (
            torch.tensor(values, device=images.device)[:, None, None]
            for values in (self.mean, self.std)
        )
        return (images - mean) / std

    def weights_of(self, kind: str) -> WeightsFile:
        """Its weights file of a kind (``"shipped"`` or ``"official"``).

        Raises:
            WeightsError: it has none of that kind.
        """
        for file in self.weights:
            if file.kind == kind:
                return file
        how = ""
        if kind == "official" and self.by_hand:
            how = " that can be downloaded: a file of the authors' is read with --weights FILE"
        raise WeightsError(f"{self.title} has no {kind} weights{how}.")


@dataclass(frozen=True, eq=False)
class PoseModel:
    """A network with its weights in place, on a device and in evaluation mode.

    Attributes:
        entry: what the zoo knows of it.
        module: the network.
        weights: where its weights came from.
        device: where it runs.
        weights_sha256: first 12 hexadecimal digits of their file's SHA-256 as it was read: files
            of one name are trained anew. None for random weights.
    """

    entry: ModelEntry
    module: nn.Module
    weights: WeightsFile
    device: torch.device
    weights_sha256: str | None = None

    @property
    def name(self) -> str:
        """Its name in the zoo."""
        return self.entry.name

    @property
    def trained(self) -> bool:
        """False when the weights are random: what it looks at then means nothing."""
        return self.weights.kind != "random"

    @property
    def origin(self) -> dict[str, Any]:
        """What files say of whose answer they hold: model, weights, weights_sha256, trained."""
        return {
            "model": self.name,
            "weights": self.weights.kind,
            "weights_sha256": self.weights_sha256,
            "trained": self.trained,
        }

    @property
    def card(self) -> dict[str, Any]:
        """Its model card, see :func:`posekit.cards.model_card`."""
        return model_card(self.entry, self.weights)


_REGISTRY: dict[str, Callable[[], ModelEntry]] = {}
_ADDED: dict[str, str] = {}
"""Models from the folders of ``POSEKIT_MODELS``, and the file that each is from."""


def register(name: str) -> Callable[[Callable[[], ModelEntry]], Callable[[], ModelEntry]]:
    """Add a model to the zoo: decorates a function that returns its :class:`ModelEntry`.

    Raises:
        ModelError: the name is taken.
    """

    def add(make: Callable[[], ModelEntry]) -> Callable[[], ModelEntry]:
        if name in _REGISTRY:
            raise ModelError(f"A model named {name!r} is registered already.")
        _REGISTRY[name] = make
        return make

    return add


@cache
def _discover() -> None:
    """Import every ``posekit/models/*_zoo.py`` once; each registers its models.

    Folders named in ``POSEKIT_MODELS`` (several: as in ``PATH``) count as parts of that package.

    Raises:
        ModelError: such a folder does not exist, or a file in it cannot be imported.
    """
    own = _own_folders()
    path = posekit.models.__path__
    path.extend(folder for folder in own if folder not in path)
    for module in pkgutil.iter_modules(path):
        if not module.name.endswith("_zoo"):
            continue
        name = f"posekit.models.{module.name}"
        if getattr(module.module_finder, "path", None) in own:
            _add(name, f"{module.name}.py")
        else:
            import_module(name)


def _own_folders() -> list[str]:
    """The folders that ``POSEKIT_MODELS`` names, as absolute paths."""
    own = [one for one in os.environ.get("POSEKIT_MODELS", "").split(os.pathsep) if one]
    for folder in own:
        if not Path(folder).is_dir():
            raise ModelError(f"POSEKIT_MODELS names {folder!r}, and there is no such folder.")
    return [str(Path(folder).resolve()) for folder in own]


def _add(module: str, file: str) -> None:
    """Import somebody's own models, which may hold any mistake."""
    known = set(_REGISTRY)
    try:
        import_module(module)
    except Exception as error:
        for name in set(_REGISTRY) - known:  # what came before the mistake: the next try meets it
            del _REGISTRY[name]
        raise ModelError(_broken(file, error)) from error
    _ADDED.update(dict.fromkeys(set(_REGISTRY) - known, file))


def _made(name: str) -> ModelEntry:
    """The entry of a model that is registered."""
    try:
        return _REGISTRY[name]()
    except Exception as error:
        if name not in _ADDED:
            raise
        raise ModelError(_broken(_ADDED[name], error)) from error


def _broken(file: str, error: Exception) -> str:
    """A sentence with the error's own words."""
    said = " ".join([f"{type(error).__name__}:", *str(error).split()]).rstrip(".:")
    return f"{file}, in a folder of POSEKIT_MODELS, cannot be read: {said}."


def comes_with_posekit(name: str) -> bool:
    """Whether a model is one of PoseKit's, and not from a folder of ``POSEKIT_MODELS``."""
    _discover()
    return name in _REGISTRY and name not in _ADDED


def list_models(pattern: str = "*", *, view: View | None = None) -> list[str]:
    """Names of the models, those of the oldest paper first; ``"transpose-h*"`` narrows them.

    Args:
        pattern: of names, as for file names.
        view: only models that look at crops, at whole photos, or backbones; None is all that
            predict keypoints.

    Raises:
        ModelError: a folder or file of ``POSEKIT_MODELS`` cannot be read.
    """
    _discover()
    entries = {name: _made(name) for name in _REGISTRY}
    published = sorted(entries, key=lambda name: entries[name].paper.arxiv)
    views = ("crop", "photo") if view is None else (view,)
    return [n for n in published if entries[n].view in views and fnmatchcase(n, pattern)]


def entry(name: str) -> ModelEntry:
    """What the zoo knows about a model.

    Raises:
        ModelError: there is no model of that name, or ``POSEKIT_MODELS`` cannot be read.
    """
    _discover()
    if name not in _REGISTRY:
        near = get_close_matches(name, _REGISTRY, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(list_models())}."
        raise ModelError(f"There is no model named {name!r}; {hint}")
    return _made(name)


def choose_weights(model: ModelEntry, weights: str | Path = "auto") -> WeightsFile:
    """The weights file that :func:`load` would read, without fetching anything.

    Args:
        model: the entry.
        weights: see :func:`load`.

    Raises:
        WeightsError: the model has no weights of the kind, or the file does not exist.
    """
    if weights == "auto":
        return next((file for file in model.weights if file.present), RANDOM)
    if weights == "random":
        return RANDOM
    if weights in ("shipped", "official"):
        return model.weights_of(str(weights))
    return user_file(weights)


def load(
    name: str,
    *,
    weights: str | Path = "auto",
    device: str | torch.device | None = "auto",
    progress: bool = True,
) -> PoseModel:
    """Build a model and give it its weights.

    Args:
        name: one of :func:`list_models`.
        weights: ``"auto"`` takes the weights that ship with PoseKit, else the official ones if they
            were downloaded before, else random ones (``.trained`` is then False); ``"official"``
            downloads; ``"shipped"``, ``"random"``, or the path of a ``.safetensors`` or ``.pth``
            file choose themselves.
        device: see :func:`posekit.device.choose_device`.
        progress: show a bar while downloading.

    Raises:
        ModelError: unknown model or device.
        WeightsError: the weights are missing, damaged, unsafe or another model's.
        DownloadError: the official weights could not be fetched.
    """
    model, target = entry(name), choose_device(device)
    file = choose_weights(model, weights)
    if file.kind == "random":
        return PoseModel(model, build(model).to(target).eval(), file, target)
    path = fetch(file, progress=progress)
    module = fitted(model, read_state_dict(path))
    return PoseModel(model, module.to(target).eval(), file, target, sha256_of(path)[:DIGITS])


def build(model: ModelEntry) -> nn.Module:
    """Its network with random weights, the same ones every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model.build()


def fitted(model: ModelEntry, state: State) -> nn.Module:
    """Its network with given weights.

    Raises:
        WeightsError: they are not this model's.
    """
    if model.fit is None:
        module = build(model)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module, state = model.fit(state)
    load_into(module, state, name=model.title)
    return module
