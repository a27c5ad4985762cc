r"""The rest of a forward pass as an affine map, told apart into what goes in.

After an attention layer the network is affine in that layer's output but for three things: layer
norms divide by a deviation, ReLUs switch, and later attentions choose where to look. Freezing the
deviations, the switches and the attention weights at the values they take for this crop leaves

    T = <g, O> + sum over entering terms <g_e, e> + sum over biases <g_b, b>,

which has the same value T and holds exactly. :class:`FrozenPass` makes a model's own code compute
that map. It watches the functions that are called (a ``TorchFunctionMode``: nothing in the model
is changed, other threads are not affected) and, once a tensor depends on the attention output,

* gives a layer norm its deviation as a constant (the mean stays: it is linear);
* gives a batch norm, which is affine in evaluation, its offset as one bias;
* detaches queries and keys, so that later attention weights are constants;
* leaves ReLUs alone, since their derivative is that of the frozen switch;
* notes every bias, and every tensor from before the layer that is added or subtracted (the
  residual), as a leaf to be differentiated by.

A function that is affine in none of these senses (a GELU, say) makes the sum miss T; the caller
measures by how much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_ADDING = {
    torch.add,
    Tensor.add,
    Tensor.add_,
    Tensor.__add__,
    Tensor.__radd__,
    Tensor.__iadd__,
    torch.sub,
    Tensor.sub,
    Tensor.sub_,
    Tensor.__sub__,
    Tensor.__rsub__,
    Tensor.__isub__,
}
_LINEAR = {F.linear, F.conv2d, F.conv_transpose2d, F.conv1d}


class FrozenPass(TorchFunctionMode):
    """Runs whatever is called inside it as an affine map; see the module.

    Attributes:
        biases: leaves that hold a bias, in the order they were used.
        entering: leaves that hold a tensor from before the layer that was added.
    """

    def __init__(self) -> None:
        super().__init__()
        self.biases: list[Tensor] = []
        self.entering: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Called by PyTorch in place of ``func``."""
        kwargs = kwargs or {}
        if not torch.is_grad_enabled() or not _depends(args, kwargs):
            return func(*args, **kwargs)
        if func in _LINEAR:
            return self._linear(func, *args, **kwargs)
        if func is F.layer_norm:
            return self._layer_norm(*args, **kwargs)
        if func is F.batch_norm:
            return self._batch_norm(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        if func in _ADDING and isinstance(args[1], Tensor) and isinstance(args[0], Tensor):
            one, other = (t if _depends((t,), {}) else self._enter(t) for t in args[:2])
            return func(one, other, *args[2:], **kwargs)
        return func(*args, **kwargs)

    def _linear(
        self,
        func: Callable[..., Tensor],
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        return func(input, weight.detach(), self._bias(bias), *args, **kwargs)

    def _layer_norm(
        self,
        input: Tensor,
        normalized_shape: list[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        dims = tuple(range(-len(normalized_shape), 0))
        variance = input.detach().var(dims, correction=0, keepdim=True)
        out = (input - input.mean(dims, keepdim=True)) * (variance + eps).rsqrt()
        out = out if weight is None else out * weight.detach()
        return out if bias is None else out + self._leaf(bias, self.biases)

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if training or running_mean is None or running_var is None:
            return F.batch_norm(
                input, running_mean, running_var, weight, bias, training, momentum, eps
            )
        scale = (running_var + eps).rsqrt()
        scale = scale if weight is None else scale * weight.detach()
        offset = -running_mean * scale
        offset = offset if bias is None else offset + bias.detach()
        shape = (1, -1) + (1,) * (input.ndim - 2)
        return input * scale.view(shape) + self._leaf(offset, self.biases).view(shape)

    def _bias(self, bias: Tensor | None) -> Tensor | None:
        return None if bias is None else self._leaf(bias, self.biases)

    def _enter(self, tensor: Tensor) -> Tensor:
        return self._leaf(tensor, self.entering)

    @staticmethod
    def _leaf(tensor: Tensor, among: list[Tensor]) -> Tensor:
        """A copy that can be differentiated by: every use of a bias is a term of its own."""
        leaf = tensor.detach().clone().requires_grad_()
        among.append(leaf)
        return leaf


def _depends(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether some argument depends on the attention output: parameters are not such arguments."""
    return any(
        isinstance(t, Tensor) and t.requires_grad and not isinstance(t, torch.nn.Parameter)
        for t in (*args, *kwargs.values())
    )


def _attention(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Attention with its weights as constants: linear in the values."""
    return F.scaled_dot_product_attention(query.detach(), key.detach(), value, *args, **kwargs)
