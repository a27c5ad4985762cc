"""Infidelity and max-sensitivity, by Captum.

Yeh, Hsieh, Suggala, Inouye, Ravikumar, "On the (In)fidelity and Sensitivity of Explanations",
NeurIPS 2019. Infidelity: does the map predict by how much the target falls when cells are taken
away at random? Max-sensitivity: how much can the map change when the photo hardly does?

Captum treats every target as an example of its own. They all share the same altered photos here,
so each photo goes through the network once, however many targets there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from posekit.errors import TraceError
from posekit.explain.batches import BATCH_SIZE, Progress, within_memory
from posekit.explain.faithfulness.grids import Map, cell_masses, values
from posekit.explain.query import AnyQuery, check_person
from posekit.explain.surface import photo_surface, token_grid
from posekit.explain.targets import Target
from posekit.explain.together import questions
from posekit.geometry import Box
from posekit.photo import Photo

if TYPE_CHECKING:
    from posekit.estimator import Prediction

__all__ = ["crop_as_photo", "infidelity", "max_sensitivity"]

Floats = npt.NDArray[np.float64]


def infidelity(
    prediction: Prediction,
    targets: Sequence[AnyQuery | Target],
    maps: Sequence[Map],
    *,
    person: int | None = None,
    samples: int = 128,
    share: float = 0.1,
    baseline: str = "mean",
    normalise: bool = True,
    seed: int = 0,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Floats:
    """The mean squared difference between the fall a map predicts and the fall there is.

    Cells of the model's token grid are replaced by the baseline at random; a map predicts the sum
    of its values on them. That is what completeness promises for integrated gradients, and what
    one occlusion measures. A map in other units, such as a saliency or an attention row, is first
    scaled as best fits (Captum's ``normalize``).

    Args:
        prediction: what the maps explain.
        targets: what each map explains.
        maps: one a target.
        person: index of the person.
        samples: how many sets of cells.
        share: of the cells in a set.
        baseline: what replaces them, one of :data:`~posekit.explain.surface.PHOTO_BASELINES`.
        normalise: scale each map as best fits before comparing.
        seed: of the sets.
        batch_size: passes at once; halved when memory runs out.
        progress: called with (done, total) passes; an exception it raises ends the work.

    Returns:
        (n,) in squared units of the target; 0 is best.

    Raises:
        TraceError: not one map a target, no sample, a share not within 0 to 1, no such baseline,
            or a target that :func:`posekit.explain.asked.ask` refuses.
        ModelError: the model makes no heatmaps, or memory ran out.
    """
    from captum.metrics import infidelity as captum_infidelity

    asked = questions(prediction, targets, person)
    count = len(asked.asked)
    if len(maps) != count:
        raise TraceError(f"There are {count} targets and {len(maps)} maps of them.")
    if samples < 1 or not 0.0 < share < 1.0:
        raise TraceError("Infidelity needs at least one sample of a share between 0 and 1.")
    surface = photo_surface(asked, baseline, token_grid(asked))
    predicted = torch.from_numpy(np.stack([cell_masses(m, surface.grid) for m in maps])).float()
    whole = torch.ones(count, *surface.grid.size)
    full = within_memory(lambda _: surface.values(whole[:1], asked.targets)[0], 1, surface.device)

    def attempt(size: int) -> Tensor:
        dice = torch.Generator().manual_seed(seed)
        done = 0

        def remove(expanded: Tensor) -> tuple[Tensor, Tensor]:
            """(n * m, rows, cols) ones -> what is removed, the same for every target; the rest."""
            drawn = torch.rand(len(expanded) // count, *surface.grid.size, generator=dice) < share
            removed = drawn.float().repeat(count, 1, 1)
            return removed, expanded - removed

        def numbers(masks: Tensor) -> Tensor:
            """(n * m, rows, cols) masks, n times the same m -> target i behind each of its m."""
            nonlocal done
            if masks is whole:  # Captum looks at the whole photo again for every batch
                return full
            own = masks.unflatten(0, (count, -1))[0]
            found = surface.values(own, asked.targets)  # (m, n)
            done += len(own)
            if progress is not None:
                progress(done, samples)
            return found.T.flatten()

        with torch.no_grad():
            return captum_infidelity(
                numbers,
                remove,
                whole,
                predicted,
                n_perturb_samples=samples,
                max_examples_per_batch=count * min(size, samples),
                normalize=normalise,
            )

    found = within_memory(attempt, batch_size, surface.device)
    # A perfect fit may come out a rounding error below 0.
    return np.maximum(found.double().numpy(), 0.0)


def max_sensitivity(
    prediction: Prediction,
    explain: Callable[[Prediction], Sequence[Map]],
    *,
    person: int = 0,
    radius: int = 4,
    samples: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> Floats:
    """The most a map changes, relative to its size, when grey levels change by up to ``radius``.

    Args:
        prediction: what is explained.
        explain: makes the maps of a prediction of one person, any methods and targets; the target
            must be one that can be asked again, such as a keypoint's name.
        person: index of the person; the crop becomes a photo of its own.
        radius: largest change of a channel of a pixel, in grey levels of 0 to 255.
        samples: how many noisy crops.
        seed: of the noise.
        progress: called with (done, total) crops; an exception it raises ends the work.

    Returns:
        (n,), one for each map ``explain`` makes: the largest Euclidean norm of a difference over
        the norm of the map; 0 is best.

    Raises:
        TraceError: no sample, a radius that is not 1 to 255, no such person, or what ``explain``
            raises (a keypoint may be lost in the noise).
    """
    from captum.metrics import sensitivity_max

    if samples < 1 or not 1 <= radius <= 255:
        raise TraceError("Max-sensitivity needs at least one sample and a radius of 1 to 255.")
    pixels = prediction.people[check_person(prediction, person)].crop.warp(prediction.photo.pixels)
    dice = np.random.default_rng(seed)
    done = 0

    def maps(pictures: Tensor | tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        """(n * m, H, W, 3), n times the same m -> map i of each, (n * m, cells)."""
        nonlocal done
        if isinstance(pictures, tuple):  # so Captum asks for the crop as it is, and wants a tuple
            return (original,)
        own = pictures.unflatten(0, (count, -1))[0]
        stacks = []
        for picture in own.to(torch.uint8).numpy():
            stacks.append(explained(picture))
            done += 1
            if progress is not None:
                progress(done, samples)
        return torch.stack(stacks, dim=1).flatten(0, 1)

    def explained(picture: npt.NDArray[np.uint8]) -> Tensor:
        found = [values(one).ravel() for one in explain(crop_as_photo(prediction, picture))]
        # Maps of several grids share a row: what is missing is 0 in all of them alike.
        longest = max((one.size for one in found), default=0)
        padded = [np.pad(one, (0, longest - one.size)) for one in found]
        return torch.from_numpy(np.array(padded))  # (n, cells)

    def noisy(expanded: Tensor) -> Tensor:
        each = len(expanded) // count
        noise = dice.integers(-radius, radius + 1, (each, *expanded.shape[1:]))
        changed = expanded[:each] + torch.from_numpy(noise).to(expanded)
        return changed.clamp(0, 255).repeat(count, 1, 1, 1)

    original = explained(pixels)
    count = len(original)
    if not count:
        raise TraceError("There is no map whose sensitivity could be measured.")
    inputs = torch.from_numpy(pixels).float().repeat(count, 1, 1, 1)
    found = sensitivity_max(
        maps, inputs, noisy, n_perturb_samples=samples, max_examples_per_batch=count
    )
    return np.asarray(found.double().numpy())


def crop_as_photo(prediction: Prediction, picture: npt.NDArray[np.uint8]) -> Prediction:
    """The prediction for a crop (H, W, 3) as a photo of its own: the network sees just that."""
    from posekit.estimator import Estimator
    from posekit.people import whole_photo_box

    photo = Photo(np.ascontiguousarray(picture), prediction.photo.name)
    # The box whose padding makes the crop the whole picture again.
    box: Box = whole_photo_box(photo).padded(1 / 1.25)
    return Estimator(prediction.model).predict(photo, [box])
