"""The one attention every model of PoseKit uses.

The forward pass always takes PyTorch's fused kernel, which never writes the
attention matrix. Inside :func:`posekit.record` each call also hands its query and
key vectors to the trace; any row or column of the matrix follows from those. Inside
:func:`posekit.knockout.forbid` a layer leaves out the looks that are blocked.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from posekit.knockout import Looks, allowed, forbidden, with_blocked
from posekit.trace import active_tape


class MultiHeadAttention(nn.Module):
    """Multi-head attention with the packed projections of ``nn.MultiheadAttention``.

    Parameter names and layout (``in_proj_weight`` is query, key and value stacked)
    are PyTorch's, so that official checkpoints load unchanged.

    Args:
        d_model: width of the tokens; must be a multiple of ``heads``.
        heads: number of heads.
        dropout: dropout on the attention weights in training.

    Reference: Vaswani et al., "Attention Is All You Need", 2017, section 3.2.
    """

    def __init__(self, d_model: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if d_model % heads:
            raise ValueError(f"d_model {d_model} is not a multiple of {heads} heads")
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * d_model))
        self.out_proj = nn.Linear(d_model, d_model)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def split(self, tokens: Tensor) -> Tensor:
        """(B, T, d) -> (B, heads, T, d / heads)."""
        return tokens.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    @property
    def scale(self) -> float:
        """Factor on the logits."""
        return float((self.out_proj.in_features // self.heads) ** -0.5)

    def queries_and_keys(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        """What the dot products are of: (B, heads, Tq, d / heads) and (B, heads, Tk, d / heads)."""
        w_q, w_k, _ = self.in_proj_weight.chunk(3)
        b_q, b_k, _ = self.in_proj_bias.chunk(3)
        return self.split(F.linear(query, w_q, b_q)), self.split(F.linear(key, w_k, b_k))

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, attended: Tensor | None = None
    ) -> Tensor:
        """Attend from ``query`` (B, Tq, d) to ``key`` and ``value`` (B, Tk, d): (B, Tq, d).

        ``attended`` (B, Tk) bool says which keys may be attended to, at least one each; None is
        all. A trace then holds vectors of one more channel, as for a knockout.
        """
        q, k = self.queries_and_keys(query, key)  # (B, heads, T, d / heads)
        v = self.split(
            F.linear(value, self.in_proj_weight.chunk(3)[2], self.in_proj_bias.chunk(3)[2])
        )
        blocked = forbidden(self)
        if attended is not None:
            blocked += (Looks(None, ~attended),)
        if (tape := active_tape()) is not None:
            tape.keep(self, *with_blocked(q, k, blocked), self.scale)
        dropout = self.dropout if self.training else 0.0
        out = fused_attention(q, k, v, dropout, mask=allowed(blocked, self.heads))
        if tape is not None and tape.gradients:
            out = tape.keep_output(self, v, out)
        return self.out_proj(out.transpose(1, 2).flatten(2))


def fused_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dropout: float = 0.0,
    scale: float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """PyTorch's fused kernel on (B, heads, T, d) vectors: (B, heads, Tq, d).

    ``mask``, bool and expandable to (B, heads, Tq, Tk), is False for keys to leave out.

    On the CPU it runs in float32 even under autocast, where its backward pass is about twice as
    fast as in bfloat16.
    """
    plain = q.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if q.device.type != "cpu" or plain:
        return F.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, dropout_p=dropout, scale=scale
        )
    with torch.autocast("cpu", enabled=False):
        out = F.scaled_dot_product_attention(
            q.float(), k.float(), v.float(), attn_mask=mask, dropout_p=dropout, scale=scale
        )
    return out.to(q.dtype)


class RelativeAttention2d(nn.Module):
    """Multi-head self-attention over a grid, with learned relative positions.

    The logits of a query at (row i, column j) and a key at (row m, column n) are
    ``(q k^T + q r_rows[m - i]^T + q r_cols[n - j]^T) / sqrt(d)``. The two position terms depend on
    the key's row or column only; so each query's ``rows + cols`` products with the embeddings,
    appended to q, and the key's row and column as one-hot vectors, appended to k, make the sum one
    dot product. That keeps the fused kernel, and the trace holds vectors as everywhere.

    Args:
        channels: of the map; must be a multiple of ``heads``.
        heads: number of heads.
        grid: (rows, cols) that the embeddings are learned for; they are interpolated on others.

    Reference: Srinivas et al., "Bottleneck Transformers for Visual Recognition", CVPR 2021,
    figure 4; there, as here, no output projection: the next 1x1 convolution is one.
    """

    def __init__(self, channels: int, heads: int, grid: tuple[int, int]) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{channels} channels are not a multiple of {heads} heads")
        self.heads = heads
        self.d = channels // heads
        self.query = nn.Conv2d(channels, channels, 1, bias=False)
        self.key = nn.Conv2d(channels, channels, 1, bias=False)
        self.value = nn.Conv2d(channels, channels, 1, bias=False)
        self.relative_rows = nn.Parameter(torch.randn(2 * grid[0] - 1, self.d) * self.d**-0.5)
        self.relative_cols = nn.Parameter(torch.randn(2 * grid[1] - 1, self.d) * self.d**-0.5)

    @property
    def scale(self) -> float:
        """Factor on the logits: the content's width counts, not the appended channels'."""
        return self.d**-0.5

    def parts(self, grid: tuple[int, int]) -> dict[str, slice]:
        """Channels of the kept q and k that make the content and the position term on a grid."""
        return {"content": slice(0, self.d), "position": slice(self.d, self.d + sum(grid))}

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, rows, cols) -> the same shape."""
        rows, cols = x.shape[-2:]
        q, k, v = (self.split(project(x)) for project in (self.query, self.key, self.value))
        q = torch.cat([q, *self.position_terms(q.unflatten(2, (rows, cols)))], dim=-1)
        k = torch.cat([k, places(rows, cols, k).expand(*k.shape[:2], -1, -1)], dim=-1)
        blocked = forbidden(self)
        if (tape := active_tape()) is not None:
            tape.keep(self, *with_blocked(q, k, blocked), self.scale)
        # The fused kernels want values as wide as keys.
        wide = F.pad(v, (0, rows + cols))
        mask = allowed(blocked, self.heads)
        out = fused_attention(q, k, wide, scale=self.scale, mask=mask)[..., : self.d]
        if tape is not None and tape.gradients:
            out = tape.keep_output(self, v, out)  # (B, heads, T, d)
        return out.transpose(-1, -2).flatten(1, 2).unflatten(-1, (rows, cols))

    def split(self, x: Tensor) -> Tensor:
        """(B, heads * d, rows, cols) -> (B, heads, rows * cols, d)."""
        return x.flatten(2).unflatten(1, (self.heads, self.d)).transpose(-1, -2)

    def position_terms(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """The position terms of queries (B, heads, rows, cols, d), by key row and by key column.

        Returns:
            (B, heads, T, rows) and (B, heads, T, cols).
        """
        rows, cols = q.shape[2:4]
        by_row = by_offset(self.relative_rows, rows).to(q.dtype)  # (rows, rows, d)
        by_col = by_offset(self.relative_cols, cols).to(q.dtype)  # (cols, cols, d)
        to_rows = torch.einsum("bhijd,imd->bhijm", q, by_row)
        to_cols = torch.einsum("bhijd,jnd->bhijn", q, by_col)
        return to_rows.flatten(2, 3), to_cols.flatten(2, 3)


def by_offset(table: Tensor, count: int) -> Tensor:
    """Embeddings between all pairs along one side of a grid.

    Args:
        table: (2 n - 1, d), for offsets 1 - n to n - 1.
        count: tokens along the side; where it is not n, offsets keep their share of the side and
            the table is interpolated linearly.

    Returns:
        (count, count, d): of query i and key m, the embedding of offset m - i.
    """
    middle = len(table) // 2
    place = torch.arange(1 - count, count, device=table.device) * (middle / max(count - 1, 1))
    low = (place.floor() + middle).long().clamp(0, len(table) - 1)
    high = (low + 1).clamp(max=len(table) - 1)
    mixed = torch.lerp(table[low], table[high], (place - place.floor()).to(table)[:, None])
    index = torch.arange(count, device=table.device)
    return mixed[index[None] - index[:, None] + count - 1]


def places(rows: int, cols: int, like: Tensor) -> Tensor:
    """Row and column of every token as two one-hot vectors side by side: (T, rows + cols)."""
    row = torch.eye(rows, dtype=like.dtype, device=like.device).repeat_interleave(cols, dim=0)
    col = torch.eye(cols, dtype=like.dtype, device=like.device).repeat(rows, 1)
    return torch.cat([row, col], dim=1)
