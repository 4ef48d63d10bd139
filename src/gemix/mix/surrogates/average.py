"""The default: an average of the other surrogates, weighted by how well each predicts left-out runs."""

from typing import Any

import numpy as np

from gemix.mix.surrogates.base import Floats, Surrogate
from gemix.mix.surrogates.boosting import Boosted
from gemix.mix.surrogates.folds import out_of_fold
from gemix.mix.surrogates.gp import GaussianProcess
from gemix.mix.surrogates.linear import Linear
from gemix.mix.surrogates.loglinear import LogLinear

FOLDS = 5
MEMBERS: tuple[type[Surrogate], ...] = (GaussianProcess, Boosted, LogLinear, Linear)


class Average(Surrogate):
    """Average of all the surrogates, weighted by 1 / mean squared error on left-out folds (Bates and Granger 1969).

    No member is switched off. The best one leads; where it has nothing to go by and turns flat, beyond the runs, those
    with a fixed form (the exponential law, the line) still decide the order. std is that of the mixture of the
    members' predictions: their own, and how much they disagree.
    """

    kind = "auto"

    def _fit(self, W: Floats, z: Floats) -> None:
        errors = [np.mean((out_of_fold(m, W, z, FOLDS, seed=0) - z) ** 2) for m in MEMBERS]
        inverse = 1 / np.maximum(errors, 1e-12)
        self.weights_ = inverse / inverse.sum()
        self.members_ = [member().mean_only().fit(W, z) for member in MEMBERS]
        for member, error in zip(self.members_, errors, strict=True):
            if isinstance(member, Boosted):
                member.noise_ = float(np.sqrt(error))

    def _predict(self, W: Floats) -> tuple[Floats, Floats]:
        means, stds = (np.array(column) for column in zip(*(m.predict(W) for m in self.members_), strict=True))
        mean = self.weights_ @ means
        return mean, np.sqrt(self.weights_ @ (stds**2 + (means - mean) ** 2))

    def _predict_mean(self, W: Floats) -> Floats:
        return np.asarray(self.weights_ @ np.array([member.predict_mean(W) for member in self.members_]))

    def _state(self) -> dict[str, Any]:
        return {"weights": self.weights_.tolist(), "members": [member.to_dict() for member in self.members_]}

    def _restore(self, state: dict[str, Any]) -> None:
        self.weights_ = np.array(state["weights"])
        self.members_ = [member.from_dict(s) for member, s in zip(MEMBERS, state["members"], strict=True)]
