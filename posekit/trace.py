"""What a model leaves behind when it looks at a photo.

Every explanation and every picture reads a :class:`Trace`; none of them asks the
model again. An attention layer is kept as its query and key vectors, never as the
matrix they would make: for TransPose-H a row costs 12 KB where the matrix costs 38 MB.

    with record(model) as trace:
        heatmaps = model(images)
    trace.attentions["encoder.3"].rows([412])      # (heads, 1, tokens)

Recording is per call and per thread: it sets no hook, changes no module, and ends
with the ``with`` block whatever happens inside it.

Shapes: B crops, ``heads``, T tokens, d channels a head, (rows, cols) token grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from posekit.errors import TraceError
from posekit.geometry import TokenGrid
from posekit.named import Instances, NamedTensor, SpatialMap

Tokens = TokenGrid | tuple[str, ...]
"""Where tokens are: on a grid over the crop, or, when they have no place, their names."""


@dataclass(eq=False)
class Attention:
    """One attention layer of one forward pass.

    Attributes:
        name: the layer's name in the trace, such as ``"encoder.3"``.
        kind: ``"encoder"``, ``"mhsa"``, ``"supervised"``, ``"part"`` or ``"query"``.
        q: query vectors, (B, heads, Tq, d).
        k: key vectors, (B, heads, Tk, d).
        query_grid: what the Tq query tokens are.
        key_grid: what the Tk key tokens are.
        v: value vectors, (B, heads, Tk, d); None unless recorded with gradients.
        output: what the heads gathered, ``weights @ v``, (B, heads, Tq, d), before their joint
            projection and part of the pass's graph; None unless recorded with gradients.
        scale: factor on ``q k^T``; None is the usual ``1 / sqrt(d)``.
        parts: when the dot product is a sum of parts, the channels of q and k that make each:
            ``{"content": slice(0, 32), "position": slice(32, 88)}``.

    Weights are the softmax over keys of ``scale * q k^T`` (Vaswani et al. 2017,
    equation 1), computed on demand in float32.
    """

    name: str
    kind: str
    q: Tensor
    k: Tensor
    query_grid: Tokens
    key_grid: Tokens
    v: Tensor | None = None
    output: Tensor | None = None
    scale: float | None = None
    parts: Mapping[str, slice] = field(default_factory=dict)
    _log_sum_exp: dict[int, Tensor] = field(default_factory=dict, repr=False)

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.q.shape[1]

    @property
    def factor(self) -> float:
        """What multiplies ``q k^T`` before the softmax."""
        return self.q.shape[-1] ** -0.5 if self.scale is None else self.scale

    def only(self, part: str) -> Attention:
        """The layer as if a part of its dot product were all of it, such as ``"position"``.

        The logits of all parts add up to the layer's own; their softmaxes do not.

        Raises:
            TraceError: the layer has no such part.
        """
        if part not in self.parts:
            raise TraceError(
                f"{self.name} has no part {part!r} to show alone; it has "
                f"{' and '.join(self.parts) or 'one part only'}."
            )
        channels = self.parts[part]
        blocked = slice(max(one.stop for one in self.parts.values()), None)  # with_blocked appends
        q, k = (torch.cat([x[..., channels], x[..., blocked]], -1) for x in (self.q, self.k))
        return Attention(
            self.name, self.kind, q, k, self.query_grid, self.key_grid, scale=self.factor
        )

    @property
    def nbytes(self) -> int:
        """Bytes held by the vectors."""
        held = (self.q, self.k, self.v, self.output, *self._log_sum_exp.values())
        return sum(t.numel() * t.element_size() for t in held if t is not None)

    def logits(self, queries: Sequence[int] | Tensor | None = None, item: int = 0) -> Tensor:
        """Scaled dot products before the softmax: (heads, n, Tk) for n query tokens of a crop."""
        q = self._vectors(self.q, queries, item, "query")
        return q @ self.k[item].float().transpose(1, 2) * self.factor

    def rows(self, queries: Sequence[int] | Tensor, item: int = 0) -> Tensor:
        """What the query tokens look at: (heads, n, Tk) float32, each row summing to 1.

        Raises:
            TraceError: a query token or crop that does not exist.
        """
        return self.logits(queries, item).softmax(-1)

    def columns(self, keys: Sequence[int] | Tensor, item: int = 0) -> Tensor:
        """Who looks at the key tokens: (heads, Tq, n) float32. Columns do not sum to 1.

        Raises:
            TraceError: a key token or crop that does not exist.
        """
        k = self._vectors(self.k, keys, item, "key")
        logits = self.q[item].float() @ k.transpose(1, 2) * self.factor
        return (logits - self.log_sum_exp(item)[..., None]).exp()

    def matrix(self, item: int = 0) -> Tensor:
        """The whole attention matrix of a crop: (heads, Tq, Tk) float32. Large: prefer rows."""
        return self.logits(item=item).softmax(-1)

    def walk(self, item: int = 0, chunk: int = 128) -> Iterator[tuple[Tensor, Tensor]]:
        """All rows, ``chunk`` query tokens at a time: (n,) tokens and (heads, n, Tk) weights.

        A complete walk leaves the normalisers of :meth:`log_sum_exp` behind, so that the first
        columns asked for after it are as quick as later ones.
        """
        normalisers = []
        for part in torch.arange(self.q.shape[2], device=self.q.device).split(chunk):
            logits = self.logits(part, item)
            normaliser = logits.logsumexp(-1)
            normalisers.append(normaliser)
            yield part, (logits - normaliser[..., None]).exp_()
        self._log_sum_exp[item] = torch.cat(normalisers, dim=-1)

    def log_sum_exp(self, item: int = 0, chunk: int = 128) -> Tensor:
        """Each row's normaliser, (heads, Tq) float32; kept, so that later columns cost one product.

        ``chunk`` rows are held at a time, few enough to stay in the processor's cache.
        """
        if item not in self._log_sum_exp:
            tokens = torch.arange(self.q.shape[2], device=self.q.device)
            parts = [self.logits(part, item).logsumexp(-1) for part in tokens.split(chunk)]
            self._log_sum_exp[item] = torch.cat(parts, dim=-1)
        return self._log_sum_exp[item]

    def to(self, device: torch.device | str) -> Attention:
        """The same layer with its vectors on another device."""
        kept = {item: value.to(device) for item, value in self._log_sum_exp.items()}
        v, output = (None if t is None else t.to(device) for t in (self.v, self.output))
        q, k = self.q.to(device), self.k.to(device)
        return replace(self, q=q, k=k, v=v, output=output, _log_sum_exp=kept)

    def _vectors(
        self, vectors: Tensor, tokens: Sequence[int] | Tensor | None, item: int, role: str
    ) -> Tensor:
        if not 0 <= item < vectors.shape[0]:
            raise TraceError(
                f"{self.name} holds {vectors.shape[0]} crops; there is no crop {item}."
            )
        if tokens is None:
            return vectors[item].float()
        index = torch.as_tensor(tokens, device=vectors.device, dtype=torch.long)
        count = vectors.shape[2]
        if bool(((index < 0) | (index >= count)).any()):
            raise TraceError(
                f"{self.name} has {role} tokens 0 to {count - 1}; asked for {index.tolist()}."
            )
        return vectors[item].index_select(1, index).float()


@dataclass(eq=False)
class Trace:
    """Everything one forward pass left behind, batch item i for crop i.

    Attributes:
        attentions: layers by name, in the order of the forward pass.
        maps: further named maps.
        heatmaps: (B, keypoints, h, w), or None for a model without heatmaps.
        heatmap_grid: where their pixels lie on the input; None when they are cut about the same
            centre as the input (:func:`posekit.geometry.input_to_heatmap`).
        tensors: further named records, such as a stage's boxes.
        instances: whom a model of whole images singled out: its records, and layers of kind
            "part", that are per instance have one item for each. None for a model of crops.
    """

    attentions: dict[str, Attention] = field(default_factory=dict)
    maps: dict[str, SpatialMap] = field(default_factory=dict)
    heatmaps: Tensor | None = None
    heatmap_grid: TokenGrid | None = None
    tensors: dict[str, NamedTensor] = field(default_factory=dict)
    instances: Instances | None = None

    @property
    def spatial(self) -> list[Attention]:
        """The attentions between places of the input, in the order of the forward pass."""
        return [
            one
            for one in self.attentions.values()
            if isinstance(one.query_grid, TokenGrid) and isinstance(one.key_grid, TokenGrid)
        ]

    @property
    def nbytes(self) -> int:
        """Bytes held by all tensors."""
        maps = sum(m.values.numel() * m.values.element_size() for m in self.maps.values())
        heatmaps = self.heatmaps
        own = 0 if heatmaps is None else heatmaps.numel() * heatmaps.element_size()
        named = sum(tensor.nbytes for tensor in self.tensors.values())
        return sum(a.nbytes for a in self.attentions.values()) + maps + own + named

    def to(self, device: torch.device | str) -> Trace:
        """The same trace on another device."""
        return Trace(
            {name: attention.to(device) for name, attention in self.attentions.items()},
            {name: replace(m, values=m.values.to(device)) for name, m in self.maps.items()},
            None if self.heatmaps is None else self.heatmaps.to(device),
            self.heatmap_grid,
            {name: tensor.to(device) for name, tensor in self.tensors.items()},
            self.instances,
        )

    @staticmethod
    def concatenate(traces: Sequence[Trace]) -> Trace:
        """Join the traces of several batches of one model into one, in order.

        Values and outputs, kept for gradients, belong to their own pass and are left out.

        Raises:
            TraceError: there is nothing to join, or the traces differ in their layers.
        """
        if not traces or any(t.attentions.keys() != traces[0].attentions.keys() for t in traces):
            raise TraceError("Traces can be joined only when they hold the same layers.")
        first = traces[0]
        attentions = {
            name: Attention(
                name,
                layer.kind,
                torch.cat([t.attentions[name].q for t in traces]),
                torch.cat([t.attentions[name].k for t in traces]),
                layer.query_grid,
                layer.key_grid,
                scale=layer.scale,
                parts=layer.parts,
            )
            for name, layer in first.attentions.items()
        }
        maps = {
            name: replace(m, values=torch.cat([t.maps[name].values for t in traces]))
            for name, m in first.maps.items()
        }
        heatmaps = [t.heatmaps for t in traces if t.heatmaps is not None]
        tensors = {
            name: NamedTensor.concatenate([t.tensors[name] for t in traces])
            for name in first.tensors
        }
        instances = [t.instances for t in traces if t.instances is not None]
        return Trace(
            attentions,
            maps,
            torch.cat(heatmaps) if heatmaps else None,
            first.heatmap_grid,
            tensors,
            Instances.concatenate(instances) if instances else None,
        )


class Tape:
    """Collects one forward pass of one model; made by :func:`record`.

    ``modules`` holds the module behind each attention that the model has named.
    """

    def __init__(self, model: nn.Module, trace: Trace, gradients: bool, start: int) -> None:
        self.model, self.trace = model, trace
        self.gradients, self.start = gradients, start
        self.modules: dict[str, nn.Module] = {}
        self._kept: dict[nn.Module, tuple[Tensor, ...]] = {}
        self._scale: dict[nn.Module, float | None] = {}
        self._order: dict[nn.Module, int] = {}

    def keep(self, layer: nn.Module, q: Tensor, k: Tensor, scale: float | None = None) -> None:
        """Called by an attention layer: hold what :class:`Attention` will be made of."""
        self._kept[layer] = (q, k) if self.gradients else (q.detach(), k.detach())
        self._scale[layer] = scale

    def keep_output(self, layer: nn.Module, v: Tensor, output: Tensor) -> Tensor:
        """Called by an attention layer when ``gradients``: its output, now part of a graph.

        Raises:
            TraceError: the pass runs in inference mode, which can have no gradients.
        """
        if self._order.setdefault(layer, len(self._order)) >= self.start:
            if torch.is_inference_mode_enabled():
                raise TraceError(
                    "Gradients cannot be recorded in inference mode: use torch.no_grad() instead."
                )
            torch.set_grad_enabled(True)
            if not output.requires_grad:
                output.requires_grad_()
            self._kept[layer] += (v, output)
        return output

    def attention(
        self,
        name: str,
        kind: str,
        layer: nn.Module,
        query_grid: Tokens,
        key_grid: Tokens,
        *,
        parts: Mapping[str, slice] | None = None,
    ) -> None:
        """Called by the model: file what ``layer`` kept under ``name``.

        ``parts`` are those of :class:`Attention`.

        Raises:
            TraceError: the layer did not run, or ran without handing over its vectors.
        """
        if layer not in self._kept:
            raise TraceError(f"The layer {name} left no trace: was its attention replaced?")
        q, k, *values = self._kept.pop(layer)
        v, output = values or (None, None)
        scale = self._scale.pop(layer)
        kept = Attention(
            name, kind, q, k, query_grid, key_grid, v, output, scale, dict(parts or {})
        )
        self.trace.attentions[name] = kept
        self.modules[name] = layer

    def spatial_map(self, record: SpatialMap) -> None:
        """Called by the model: file a named map."""
        self.trace.maps[record.name] = replace(record, values=record.values.detach())

    def heatmaps(self, heatmaps: Tensor, grid: TokenGrid | None = None) -> None:
        """Called by the model: file its keypoint heatmaps, (B, keypoints, h, w)."""
        self.trace.heatmaps, self.trace.heatmap_grid = heatmaps.detach(), grid

    def tensor(self, record: NamedTensor) -> None:
        """Called by the model: file a named record."""
        self.trace.tensors[record.name] = replace(record, values=record.values.detach())

    def instances(self, instances: Instances) -> None:
        """Called by the model: file whom its per-instance records are about."""
        self.trace.instances = instances


_tape: ContextVar[Tape | None] = ContextVar("posekit_tape", default=None)


def active_tape(model: nn.Module | None = None) -> Tape | None:
    """The tape recording in this thread, if there is one (and if it records ``model``)."""
    tape = _tape.get()
    return tape if tape is not None and model in (None, tape.model) else None


@contextmanager
def record(model: nn.Module, *, gradients: bool = False, start: int = 0) -> Iterator[Trace]:
    """Record what ``model`` attends to while the block runs.

    The trace fills when the model's forward pass ends; a second pass inside the same
    block replaces the first. Other models called inside the block are not recorded.

    With ``gradients`` the trace also holds each attention's values and output, not detached, so
    that ``torch.autograd.grad(number, attention.output)`` works. Under ``torch.no_grad()`` the
    graph begins with the output of attention number ``start`` (in forward order, from 0), and what
    comes before keeps nothing; gradients are as they were when the block ends. One pass a block.

    Raises:
        TraceError: gradients were asked for in inference mode.
    """
    tape = Tape(model, Trace(), gradients, start)
    before = torch.is_grad_enabled()
    try:
        with running(tape):
            yield tape.trace
    finally:
        if gradients:
            torch.set_grad_enabled(before)


@contextmanager
def running(tape: Tape) -> Iterator[None]:
    """Record onto a tape in this thread while the block runs."""
    token = _tape.set(tape)
    try:
        yield
    finally:
        _tape.reset(token)
