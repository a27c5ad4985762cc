"""How far an explanation can be trusted, in numbers.

* :mod:`~posekit.explain.faithfulness.curves`: deletion and insertion.
* :mod:`~posekit.explain.faithfulness.robustness`: infidelity and max-sensitivity.
* :mod:`~posekit.explain.faithfulness.localisation`: pointing game, mass in a box or mask.
* :mod:`~posekit.explain.faithfulness.randomisation`: does the map change with the weights?
* :mod:`~posekit.explain.faithfulness.agreement`: do two methods say the same?
* :mod:`~posekit.explain.faithfulness.chance`: one figure for a map, beside that of random maps.
* :mod:`~posekit.explain.faithfulness.baselines`: the maps that any method has to beat.

Figures of all keypoints of a person come from one sweep. None of them says that an explanation is
true: they say that it is better or worse than chance, than edges, and than another method.
"""

from posekit.explain.faithfulness.agreement import agreement, iou_of_mass, spearman
from posekit.explain.faithfulness.baselines import edge_map, random_map, spot_map
from posekit.explain.faithfulness.chance import (
    Chance,
    Faithfulness,
    chance_of,
    faithfulness_of,
)
from posekit.explain.faithfulness.curves import Curve, deletion, insertion
from posekit.explain.faithfulness.localisation import mass_in_box, mass_in_mask, pointing_game
from posekit.explain.faithfulness.randomisation import Randomised, blocks, randomisation
from posekit.explain.faithfulness.robustness import infidelity, max_sensitivity

__all__ = [
    "Chance",
    "Curve",
    "Faithfulness",
    "Randomised",
    "agreement",
    "blocks",
    "chance_of",
    "deletion",
    "edge_map",
    "faithfulness_of",
    "infidelity",
    "insertion",
    "iou_of_mass",
    "mass_in_box",
    "mass_in_mask",
    "max_sensitivity",
    "pointing_game",
    "random_map",
    "randomisation",
    "spearman",
    "spot_map",
]
