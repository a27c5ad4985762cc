"""Grad-CAM on the last features of the CNN, before they become tokens; and its guided form.

Selvaraju and others, "Grad-CAM: Visual Explanations from Deep Networks", ICCV 2017: channels of a
feature map, weighted by the mean of the target's gradient over the map, summed, and cut at 0
(equations 1 and 2). The guided form multiplies it with guided backpropagation (Springenberg and
others, arXiv 1412.6806). By Captum.

A keypoint's evidence is local while Grad-CAM's channel weights are means over the whole crop, so
expect it to find what matters less sharply here than for a classifier.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from torch import Tensor

from posekit.affine import Affine
from posekit.errors import ModelError, TraceError
from posekit.explain.asked import network_of
from posekit.explain.batches import Progress
from posekit.explain.captum_run import GRADIENT_BATCH, run
from posekit.explain.differentiable import Numbers
from posekit.explain.heat import HeatMap, pixel_grid
from posekit.explain.methods import method
from posekit.explain.query import AnyQuery
from posekit.explain.surface import token_grid
from posekit.explain.targets import Target
from posekit.explain.together import Questions, questions
from posekit.geometry import TokenGrid

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["TRUNK_END", "grad_cam", "guided_grad_cam"]

TRUNK_END = "reduce"
"""By convention the layer that turns a trunk's features into tokens; its input is explained."""
TRUNK = "trunk"
"""By convention the CNN of a network that makes no tokens; its output is explained."""

# Said at every call of guided backpropagation; the hooks are on a private copy, and go with it.
warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU", module="captum")


@method(
    "grad-cam",
    title="Grad-CAM",
    needs="gradient",
    description="Which of the CNN's last features speak for the keypoint, before any attention.",
)
def grad_cam(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    layer: str | None = None,
    batch_size: int = GRADIENT_BATCH,
    progress: Progress | None = None,
) -> HeatMap:
    """Grad-CAM on the CNN trunk.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        layer: name of a module of the network, as in ``module.named_modules()``; the features that
            enter it are explained. None is :data:`TRUNK_END`, or what leaves the :data:`TRUNK`.
        batch_size: not needed for its one pass; taken so that all methods take it.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Returns:
        A map without negative values on the grid of the features.

    Raises:
        ModelError: the model has no such layer, makes no heatmaps, has no gradient, or memory ran
            out.
        TraceError: a target that :func:`posekit.explain.asked.ask` refuses.
    """
    asked = questions(prediction, [target], person)
    name, enters = _features(asked, layer)

    def compute(
        numbers: Numbers, image: Tensor, which: Tensor, size: int
    ) -> tuple[Tensor, float | None]:
        from captum.attr import LayerGradCam

        cam = LayerGradCam(numbers, numbers.network.get_submodule(name)).attribute(
            image,
            additional_forward_args=(which,),
            attribute_to_layer_input=enters,
            relu_attributions=True,
        )
        if not isinstance(cam, Tensor) or cam.ndim != 4:
            raise ModelError(f"The features at the module {name} have no place in the photo.")
        return cam, None

    values, _ = run(asked, compute, 1, batch_size, progress)  # (1, 1, rows, cols)
    grid = _feature_grid(asked, (values.shape[2], values.shape[3]), name)
    return asked.answers("grad-cam", values[:, 0], grid, signed=False, options={"layer": name})[0]


@method(
    "guided-grad-cam",
    title="Guided Grad-CAM",
    needs="gradient",
    description="Grad-CAM times guided backpropagation: the pixels within the features that count.",
)
def guided_grad_cam(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    layer: str | None = None,
    batch_size: int = GRADIENT_BATCH,
    progress: Progress | None = None,
) -> HeatMap:
    """Guided Grad-CAM: magnitude, the largest of the three colours, one cell a pixel of the crop.

    Guidance, which lets only positive gradients through a ReLU, applies to ReLU modules: those of
    the trunk and the head. The encoder's are functions and pass plain gradients. Grad-CAM is
    brought to the crop's size bilinearly. Arguments and errors as :func:`grad_cam`.
    """
    asked = questions(prediction, [target], person)
    name, enters = _features(asked, layer)

    def compute(
        numbers: Numbers, image: Tensor, which: Tensor, size: int
    ) -> tuple[Tensor, float | None]:
        from captum.attr import GuidedGradCam

        found = GuidedGradCam(numbers, numbers.network.get_submodule(name)).attribute(
            image,
            additional_forward_args=(which,),
            interpolate_mode="bilinear",
            attribute_to_layer_input=enters,
        )
        if found.shape != image.shape:
            raise ModelError(f"The features at the module {name} have no place in the photo.")
        return found.abs(), None

    # Two passes: one for each of the maps that are multiplied.
    values, _ = run(asked, compute, 2, batch_size, progress)
    grid = pixel_grid(asked.crop.size)
    options = {"layer": name}
    return asked.answers(
        "guided-grad-cam", values.max(axis=1), grid, signed=False, options=options
    )[0]


def _features(asked: Questions, layer: str | None) -> tuple[str, bool]:
    """The module at whose features to look, and whether at those that enter it."""
    module = network_of(asked.prediction, asked.person)
    known = dict(module.named_modules(remove_duplicate=False))
    if layer and layer in known:
        return layer, True
    if layer and f"network.{layer}" in known:  # within what asks about one person
        return f"network.{layer}", True
    if layer is None and TRUNK_END in known:
        return TRUNK_END, True
    if layer is None and TRUNK in known:
        return TRUNK, False
    some = ", ".join(name for name, _ in module.named_children())
    if layer is None:
        raise ModelError(
            "Grad-CAM does not know where this model's CNN ends: name the module whose input is to "
            f"be explained, such as one of {some}."
        )
    raise TraceError(
        f"The network has no module {layer!r}, and Grad-CAM looks at what enters one: {some}, or "
        "one within them (named_modules)."
    )


def _feature_grid(asked: Questions, size: tuple[int, int], name: str) -> TokenGrid:
    """Where a feature map lies on the crop: as the tokens when it has their size, else evenly."""
    likelihood = asked.prediction.model.entry.likelihood
    if likelihood is not None and name == TRUNK:  # they reach beyond an input that was padded
        stride = likelihood.trunk_stride
        return TokenGrid(*size, Affine.scaling((stride, stride), ((stride - 1) / 2,) * 2))
    tokens = token_grid(asked)
    if size == tokens.size:
        return tokens
    across, down = asked.crop.size[1] / size[1], asked.crop.size[0] / size[0]
    return TokenGrid(*size, Affine.scaling((across, down), ((across - 1) / 2, (down - 1) / 2)))
