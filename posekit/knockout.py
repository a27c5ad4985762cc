"""Attention knockout: tokens that may not look at others while a network runs.

A blocked look has a weight of zero, and the softmax shares the attention among what is left. The
tokens themselves stay as they are, so that, unlike with a covered photo or a replaced token, the
network sees nothing that it never saw before; it only cannot gather it from there.

    with forbid({layer: Looks(queries, keys)}):
        heatmaps = model(images)

Geva, Bastings, Filippova, Globerson, "Dissecting Recall of Factual Associations in Auto-Regressive
Language Models", EMNLP 2023, do this to edges between words; here they lie between places of a
photo. It holds per call and per thread, sets no hook and changes no module.

Shapes: B crops, Tq query tokens, Tk key tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from posekit.trace import Attention, Tape, Trace, running

__all__ = [
    "Looks",
    "allowed",
    "attention_modules",
    "forbid",
    "forbidden",
    "unseen_keys",
    "with_blocked",
]

FAR = -3e4
"""A product that, scaled, still has a weight of exactly zero, and that half precision can hold:
infinity would make NaN of the looks that are not blocked."""


@dataclass(frozen=True, eq=False)
class Looks:
    """All looks from some query tokens at some key tokens.

    Attributes:
        queries: (B or 1, Tq) bool: who looks. None is everybody.
        keys: (B or 1, Tk) bool: what is looked at.
        head: in one head only; None is in all.
    """

    queries: Tensor | None
    keys: Tensor
    head: int | None = None

    def allowed(self, heads: int) -> Tensor:
        """What is left: bool, expandable to (B, heads, Tq, Tk)."""
        keys = self.keys[:, None, None]  # (B, 1, 1, Tk)
        blocked = keys if self.queries is None else self.queries[:, None, :, None] & keys
        if self.head is None:
            return ~blocked
        here = torch.arange(heads, device=keys.device) == self.head
        return ~(blocked & here[:, None, None])


_forbidden: ContextVar[tuple[Mapping[nn.Module, Looks], set[nn.Module]] | None] = ContextVar(
    "posekit_forbidden", default=None
)


@contextmanager
def forbid(looks: Mapping[nn.Module, Looks]) -> Iterator[set[nn.Module]]:
    """Block looks in attention layers for as long as the block runs.

    Args:
        looks: what is blocked, by the module that attends.

    Yields:
        The layers in which looks have been blocked so far. A layer that is missing at the end did
        not run.
    """
    ran: set[nn.Module] = set()
    token = _forbidden.set((looks, ran))
    try:
        yield ran
    finally:
        _forbidden.reset(token)


def forbidden(layer: nn.Module) -> tuple[Looks, ...]:
    """Called by an attention layer: which of its looks are blocked in this thread."""
    held = _forbidden.get()
    if held is None or layer not in held[0]:
        return ()
    held[1].add(layer)
    return (held[0][layer],)


def attention_modules(
    model: nn.Module, run: Callable[[], object]
) -> dict[str, tuple[nn.Module, Attention]]:
    """Which module makes which attention of a model's trace, by the layer's name, and what of.

    Only a forward pass knows, so ``run`` is called and is to let the model make one.
    """
    tape = Tape(model, Trace(), gradients=False, start=0)
    with running(tape):
        run()
    return {name: (module, tape.trace.attentions[name]) for name, module in tape.modules.items()}


def allowed(blocked: Sequence[Looks], heads: int) -> Tensor | None:
    """Looks that none of ``blocked`` holds: bool, expandable to (B, heads, Tq, Tk); None is all."""
    mask: Tensor | None = None
    for looks in blocked:
        mask = looks.allowed(heads) if mask is None else mask & looks.allowed(heads)
    return mask


def unseen_keys(blocked: Sequence[Looks]) -> Tensor | None:
    """Keys that nobody may look at in any head, (B or 1, Tk) bool; None without such looks."""
    unseen: Tensor | None = None
    for looks in blocked:
        if looks.queries is None and looks.head is None:
            unseen = looks.keys if unseen is None else unseen | looks.keys
    return unseen


def with_blocked(q: Tensor, k: Tensor, blocked: Sequence[Looks]) -> tuple[Tensor, Tensor]:
    """Vectors with a channel more for each of ``blocked``, in which its looks are far below all.

    Whoever takes dot products of them needs to know the scale of the logits, which their width no
    longer tells.

    Args:
        q: (B, heads, Tq, d).
        k: (B, heads, Tk, d).
        blocked: looks to leave out.
    """
    for looks in blocked:
        who = torch.ones_like(q[:1, :1, :, 0]) if looks.queries is None else looks.queries[:, None]
        what = torch.where(looks.keys, FAR, 0.0)[:, None]  # (B or 1, 1, Tk)
        if looks.head is not None:
            what = what * (torch.arange(k.shape[1], device=k.device) == looks.head)[:, None]
        q = torch.cat([q, who.to(q).expand(q.shape[:-1])[..., None]], -1)
        k = torch.cat([k, what.to(k).expand(k.shape[:-1])[..., None]], -1)
    return q, k
