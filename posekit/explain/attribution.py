"""Gradients of a target with respect to the photo, by Captum.

* saliency: Simonyan, Vedaldi, Zisserman, arXiv 1312.6034.
* input x gradient: Shrikumar and others, arXiv 1605.01713.
* integrated gradients: Sundararajan, Taly, Yan, ICML 2017; complete: the map sums to the target's
  rise over the baseline, and ``delta`` is what is missing.
* gradient SHAP: Lundberg and Lee, NIPS 2017, as Captum samples it.
* any of the first three with a noise tunnel (SmoothGrad, arXiv 1706.03825) on request.

DeepLift is not offered: Captum's version overrides the modules it knows, and the attention, the
layer norms and the functional ReLUs of an encoder are none of them.

Maps have one cell a pixel of the crop. Memory is bounded: Captum is given at most ``batch_size``
passes at once, and fewer when they do not fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.batches import Progress
from posekit.explain.captum_run import GRADIENT_BATCH, Noise, Tunnel, run
from posekit.explain.differentiable import Numbers, seeded, with_gradients
from posekit.explain.heat import HeatMap, pixel_grid
from posekit.explain.methods import method
from posekit.explain.query import AnyQuery
from posekit.explain.surface import PHOTO_BASELINES, photo_baseline
from posekit.explain.targets import Target
from posekit.explain.together import questions

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["gradient_shap", "input_x_gradient", "integrated_gradients", "saliency"]


@method(
    "saliency",
    needs="gradient",
    description="Where a small change of a pixel changes the keypoint most.",
)
def saliency(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    noise_samples: int = 0,
    noise: float = 0.15,
    tunnel: Tunnel = "smoothgrad",
    seed: int = 0,
    batch_size: int = GRADIENT_BATCH,
    progress: Progress | None = None,
) -> HeatMap:
    """The magnitude of the target's gradient, the largest of the three colours.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        noise_samples: average over so many noisy copies of the crop (Captum's NoiseTunnel); 0 for
            the crop as it is.
        noise: standard deviation of the noise in units of the normalised crop, whose own is near 1.
        tunnel: ``smoothgrad`` is the mean, ``smoothgrad_sq`` the mean square, ``vargrad`` the
            variance.
        seed: of the noise.
        batch_size: passes at once; halved when memory runs out.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Returns:
        A map without negative values, one cell a pixel of the crop.

    Raises:
        TraceError: a target that :func:`posekit.explain.asked.ask` refuses, or such an option.
        ModelError: the model makes no heatmaps, has no gradient, or memory ran out.
    """
    from captum.attr import Saliency

    asked = questions(prediction, [target], person)
    tunnelled = Noise(noise_samples, noise, tunnel, seed)
    values, _ = run(asked, tunnelled.around(Saliency), tunnelled.passes(1), batch_size, progress)
    # A variance (vargrad) of 0 may come out a rounding error below it.
    magnitude = values.max(axis=1).clip(min=0.0)
    grid, options = pixel_grid(asked.crop.size), tunnelled.options
    return asked.answers("saliency", magnitude, grid, signed=False, options=options)[0]


@method(
    "input-x-gradient",
    title="Input × gradient",
    needs="gradient",
    description="Each pixel's difference from the mean colour, times the keypoint's gradient.",
)
def input_x_gradient(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    noise_samples: int = 0,
    noise: float = 0.15,
    tunnel: Tunnel = "smoothgrad",
    seed: int = 0,
    batch_size: int = GRADIENT_BATCH,
    progress: Progress | None = None,
) -> HeatMap:
    """Input times gradient, summed over colours: signed, in units of the target.

    The input is the normalised crop, so that a pixel of the mean colour gets 0. Arguments and
    errors as :func:`saliency`.
    """
    from captum.attr import InputXGradient

    asked = questions(prediction, [target], person)
    tunnelled = Noise(noise_samples, noise, tunnel, seed)
    compute = tunnelled.around(InputXGradient)
    values, _ = run(asked, compute, tunnelled.passes(1), batch_size, progress)
    grid, options = pixel_grid(asked.crop.size), tunnelled.options
    return asked.answers(
        "input-x-gradient", values.sum(axis=1), grid, signed=True, options=options
    )[0]


@method(
    "integrated-gradients",
    needs="gradient",
    description="Gradients gathered on the way from an empty photo to this one; sums to the rise.",
)
def integrated_gradients(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    steps: int = 32,
    baseline: str = "mean",
    noise_samples: int = 0,
    noise: float = 0.15,
    tunnel: Tunnel = "smoothgrad",
    seed: int = 0,
    batch_size: int = GRADIENT_BATCH,
    progress: Progress | None = None,
) -> HeatMap:
    """Integrated gradients along the straight line from a baseline, summed over colours.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        steps: points of the Gauss-Legendre quadrature.
        baseline: where the line begins, one of
            :data:`~posekit.explain.surface.PHOTO_BASELINES`.
        noise_samples: see :func:`saliency`.
        noise: see :func:`saliency`.
        tunnel: see :func:`saliency`.
        seed: see :func:`saliency`.
        batch_size: see :func:`saliency`.
        progress: see :func:`saliency`.

    Returns:
        A signed map in units of the target. ``delta`` is its sum less the target's rise from the
        baseline to the photo, what more steps would bring to 0; with noise, its mean over the
        noisy copies (0 says little about a mean square or variance).

    Raises:
        TraceError: as :func:`saliency`, or fewer than one step, or no such baseline.
        ModelError: as :func:`saliency`.
    """
    from captum.attr import IntegratedGradients

    if steps < 1:
        raise TraceError(f"Integrated gradients need at least one step, not {steps}.")
    asked = questions(prediction, [target], person)
    tunnelled = Noise(noise_samples, noise, tunnel, seed)
    with with_gradients():
        start = photo_baseline(asked, asked.image(), baseline)
    compute = tunnelled.around(IntegratedGradients, baselines=start, n_steps=steps)
    values, deltas = run(asked, compute, tunnelled.passes(steps + 2), batch_size, progress)
    options = {"steps": steps, "baseline": baseline, **tunnelled.options}
    return asked.answers(
        "integrated-gradients",
        values.sum(axis=1),
        pixel_grid(asked.crop.size),
        signed=True,
        options=options,
        deltas=deltas,
    )[0]


@method(
    "gradient-shap",
    title="Gradient SHAP",
    needs="gradient",
    description="Gradients at random points between this photo and three empty ones, averaged.",
)
def gradient_shap(
    prediction: Prediction,
    target: AnyQuery | Target,
    *,
    person: int | None = None,
    samples: int = 24,
    noise: float = 0.05,
    seed: int = 0,
    batch_size: int = GRADIENT_BATCH,
    progress: Progress | None = None,
) -> HeatMap:
    """Expected gradients over the mean colour, black and a blur as baselines, summed over colours.

    Args:
        prediction: made with ``record=True``.
        target: see :func:`posekit.explain.explain`.
        person: index of the person.
        samples: random points on the lines.
        noise: standard deviation of noise on the crop, in its normalised units.
        seed: of the points and the noise.
        batch_size: see :func:`saliency`.
        progress: see :func:`saliency`.

    Returns:
        A signed map in units of the target. ``delta`` is the mean over the samples of the map's
        sum less the rise from that sample's baseline.

    Raises:
        TraceError: as :func:`saliency`, or fewer than one sample.
        ModelError: as :func:`saliency`.
    """
    if samples < 1 or not noise >= 0:
        raise TraceError("Gradient SHAP needs at least one sample and noise of 0 or more.")
    asked = questions(prediction, [target], person)
    with with_gradients():
        image = asked.image()
        empties = torch.cat([photo_baseline(asked, image, name) for name in PHOTO_BASELINES])

    def compute(
        numbers: Numbers, image: Tensor, which: Tensor, size: int
    ) -> tuple[Tensor, float | None]:
        from captum.attr import GradientShap

        total, deltas, left = torch.zeros_like(image), 0.0, samples
        with seeded(seed, image.device):
            while left:
                count = min(size, left)
                part, delta = GradientShap(numbers).attribute(
                    image,
                    baselines=empties,
                    n_samples=count,
                    stdevs=float(noise),
                    additional_forward_args=(which,),
                    return_convergence_delta=True,
                )
                total, deltas = total + part.detach() * count, deltas + float(delta.sum())
                left -= count
        return total / samples, deltas / samples

    values, deltas = run(asked, compute, 3 * samples, batch_size, progress)
    return asked.answers(
        "gradient-shap",
        values.sum(axis=1),
        pixel_grid(asked.crop.size),
        signed=True,
        options={"samples": samples, "noise": noise, "seed": seed},
        deltas=deltas,
    )[0]
