"""The systems, a sentence each: how one differs from the others (``docs/systems`` has the rest)."""

from __future__ import annotations

__all__ = ["system_words"]

SYSTEMS = {
    "TransPose": "Looks at one person's crop; in an encoder every place of it attends to every"
    " other, nobody teaches the attention where to look, and the maps are that attention.",
    "BTranspose": "Looks at one person's crop; places attend to one another at two levels, inside"
    " the CNN (MHSA blocks) and in the encoder after it, nobody teaches either where to look, and"
    " the maps are the attention of both.",
    "Instance Attention": "Looks at the whole photo, where every place attends to every other; one"
    " layer is taught with masks of people to stay on the keypoint's own person, which also tells"
    " whose a keypoint is, and the maps are the attention.",
    "SSA": "Looks at the whole photo, and no place attends to another: its attention is a weight in"
    " the loss, so the maps are what its outputs say of a keypoint: heatmaps, offset votes, limb"
    " ends.",
    "QueryPose": "Looks at the whole photo, where learned queries, one a person, attend to one"
    " another, and the body parts of a person as well; nobody teaches that attention, and the maps"
    " are none of it: they show where in the person's box a body part was read.",
}
"""By the name of a system: what it looks at, what attends to what, how that learns, its maps."""


def system_words(system: str) -> str:
    """How a system differs from the others, in one sentence; empty of somebody's own system."""
    return SYSTEMS.get(system, "")
