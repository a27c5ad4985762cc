"""What stands for heatmaps where a network regresses keypoints: how likely each place is.

Methods that explain a keypoint explain a number read off its heatmap. A network that regresses
has none, but one trained by a likelihood says of each keypoint where it is and how far off that
may be, which is a density over places. One person's density, scaled to the keypoint's score, takes
the heatmap's part (:class:`Likelihood`), and every method asks it the same questions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from torch import Tensor, nn

from posekit.geometry import TokenGrid

if TYPE_CHECKING:
    from posekit.photo import Photo
    from posekit.trace import Trace

__all__ = ["Likelihood"]


class Likelihood(Protocol):
    """How the zoo knows a model's likelihoods of one person, among those that it singled out.

    Attributes:
        trunk_stride: input pixels a cell of the features that leave ``trunk``, see
            :meth:`network`.
    """

    trunk_stride: int

    def recorded(self, trace: Trace, instance: int, size: tuple[int, int]) -> Tensor:
        """Of a recorded pass, without another one.

        Args:
            trace: of the pass.
            instance: which of the trace's instances.
            size: (height, width) of the input.

        Returns:
            (K, h, w) float32 on :meth:`grid`.
        """

    def network(self, module: nn.Module, trace: Trace, instance: int) -> nn.Module:
        """A network that makes them of other inputs: (B, 3, H, W) -> (B, K, h, w) on :meth:`grid`.

        It shares the weights of ``module``, and its features are those of its module ``trunk``.
        """

    def image(self, module: nn.Module, photo: Photo) -> Tensor:
        """What the network saw of the photo: (1, 3, H, W) in 0..1, not normalised."""

    def grid(self, size: tuple[int, int]) -> TokenGrid:
        """Where their cells lie on an input of (height, width)."""
