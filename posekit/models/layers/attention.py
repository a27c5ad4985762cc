"""The one attention every model of PoseKit uses.

The forward pass always takes PyTorch's fused kernel, which never writes the
attention matrix. Inside :func:`posekit.record` each call also hands its query and
key vectors to the trace; any row or column of the matrix follows from those.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from ``query`` (B, Tq, d) to ``key`` and ``value`` (B, Tk, d): (B, Tq, d)."""
        w_q, w_k, w_v = self.in_proj_weight.chunk(3)
        b_q, b_k, b_v = self.in_proj_bias.chunk(3)
        q = self.split(F.linear(query, w_q, b_q))  # (B, heads, Tq, d / heads)
        k = self.split(F.linear(key, w_k, b_k))
        v = self.split(F.linear(value, w_v, b_v))
        if (tape := active_tape()) is not None:
            tape.keep(self, q, k)
        out = fused_attention(q, k, v, self.dropout if self.training else 0.0)
        if tape is not None and tape.gradients:
            out = tape.keep_output(self, v, out)
        return self.out_proj(out.transpose(1, 2).flatten(2))


def fused_attention(q: Tensor, k: Tensor, v: Tensor, dropout: float = 0.0) -> Tensor:
    """PyTorch's fused kernel on (B, heads, T, d) vectors: (B, heads, Tq, d).

    On the CPU it runs in float32 even under autocast, where its backward pass is about twice as
    fast as in bfloat16.
    """
    plain = q.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if q.device.type != "cpu" or plain:
        return F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    with torch.autocast("cpu", enabled=False):
        out = F.scaled_dot_product_attention(q.float(), k.float(), v.float(), dropout_p=dropout)
    return out.to(q.dtype)
