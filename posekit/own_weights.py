"""Weights of one's own as a model of their own, beside the one they belong to."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from posekit.errors import ModelError
from posekit.weights import read_state_dict, user_file
from posekit.zoo import entry, fitted, register

__all__ = ["add_weights"]


def add_weights(name: str, weights: str | Path) -> str:
    """Put a model with a file's weights into the zoo of this process.

    ``posekit.load``, the page, Compare and the API then know it like any other: as
    ``transpose-r-a3-mine`` and TransPose-R-A3 (mine.pth), say.

    Args:
        name: the model they are of, one of :func:`posekit.list_models`.
        weights: a ``.safetensors`` or ``.pth`` file, in our names or the authors'.

    Returns:
        The name it goes by.

    Raises:
        ModelError: no such model, or that name is taken.
        WeightsError: the file does not exist, is damaged, unsafe or another model's.
    """
    model, file = entry(name), user_file(weights)
    path = Path(weights).expanduser()
    fitted(model, read_state_dict(path))  # refused now, not at somebody's first photo
    own = f"{name}-{re.sub(r'[^a-z0-9]+', '-', path.stem.lower()).strip('-') or 'own'}"
    made = replace(
        model,
        name=own,
        title=f"{model.title} ({path.name})",
        weights=(file,),
        paper_figures={},
        no_figures="The paper gives no figure for these weights.",
        unsure=None,  # the limit was measured with other weights
    )
    try:
        register(own)(lambda: made)
    except ModelError:
        raise ModelError(
            f"There is a model named {own!r} already: give the file {path.name} another name."
        ) from None
    return own
