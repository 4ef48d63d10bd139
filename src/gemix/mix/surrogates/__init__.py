"""Predicting the result of a run from its mixture, behind one interface."""

from gemix.mix.surrogates.base import Surrogate
from gemix.mix.surrogates.kinds import KINDS, Kind, from_dict, surrogate
from gemix.mix.surrogates.validate import CrossValidation, cross_validate

__all__ = ["KINDS", "CrossValidation", "Kind", "Surrogate", "cross_validate", "from_dict", "surrogate"]
