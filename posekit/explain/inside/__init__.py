"""What else a model left behind about a person, beside maps: stages, matrices, votes, joins.

Each function reads the trace and what the model's decoder kept, and returns nothing for a model
that has no such thing; none asks which model it is.
"""

from posekit.explain.inside.agreement import DOUBT, Agreement, Worth, agreement_of, worth_of
from posekit.explain.inside.fields import Field, LimbField, fields_of
from posekit.explain.inside.film import Frame, film_of
from posekit.explain.inside.joins import JoinRow, joins_of
from posekit.explain.inside.matrices import Matrix, matrices_of
from posekit.explain.inside.matrix_figure import matrix_figure
from posekit.explain.inside.pairs import HeatPair, StageWeight, pair_of, weights_of
from posekit.explain.inside.votes import VoteLine, votes_of

__all__ = [
    "DOUBT",
    "Agreement",
    "Field",
    "Frame",
    "HeatPair",
    "JoinRow",
    "LimbField",
    "Matrix",
    "StageWeight",
    "VoteLine",
    "Worth",
    "agreement_of",
    "fields_of",
    "film_of",
    "joins_of",
    "matrices_of",
    "matrix_figure",
    "pair_of",
    "votes_of",
    "weights_of",
    "worth_of",
]
