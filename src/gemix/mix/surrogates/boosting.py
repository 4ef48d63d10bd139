"""Gradient-boosted trees with RegMix's settings."""

from typing import Any, Self

import lightgbm
import numpy as np

from gemix.mix.surrogates.base import Floats, Surrogate
from gemix.mix.surrogates.folds import mixtures_of, split

# As in sail-sg/regmix, regression_fitting/regression.ipynb, which stops early on its test set; here all rounds are
# kept.
REGMIX = {"boosting_type": "gbdt", "objective": "regression", "num_iterations": 1000, "learning_rate": 0.01, "seed": 42}
FOLDS = 5
QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_col_wise": True}


class Boosted(Surrogate):
    """LightGBM with RegMix's settings (arXiv 2407.01492), for any number of runs.

    LightGBM's default of 20 runs a leaf cannot split fewer than 40 runs at all, and predicts a constant; here a leaf
    holds n / 16 runs, at least 4 and at most those 20, which are reached at 320 runs. Trees know no distance from the
    data, so std is one number: the root mean squared error on left-out folds.
    """

    kind = "lightgbm"

    def __init__(self) -> None:
        self._folds = FOLDS

    def mean_only(self) -> Self:
        """Skip the fits that std takes; return self."""
        self._folds = 0
        return self

    def _fit(self, W: Floats, z: Floats) -> None:
        self.booster_ = _train(W, z)
        left_out = np.zeros(len(z))
        for kept, left in split(mixtures_of(W), self._folds, seed=0) if self._folds else ():
            left_out[left] = _train(W[kept], z[kept]).predict(W[left])
        self.noise_ = float(np.sqrt(np.mean((z - left_out) ** 2))) if self._folds else np.nan

    def _predict(self, W: Floats) -> tuple[Floats, Floats]:
        mean = np.asarray(self.booster_.predict(W, num_threads=1), dtype=np.float64)
        return mean, np.full(len(W), self.noise_)

    def _state(self) -> dict[str, Any]:
        return {"noise": self.noise_, "trees": self.booster_.model_to_string()}

    def _restore(self, state: dict[str, Any]) -> None:
        self.noise_ = state["noise"]
        try:
            self.booster_ = lightgbm.Booster(model_str=state["trees"])
        except lightgbm.basic.LightGBMError as error:
            raise ValueError(f"not the trees of a lightgbm surrogate: {error}") from error


def _train(W: Floats, z: Floats) -> lightgbm.Booster:
    leaf = int(np.clip(len(z) // 16, 4, 20))
    small = {"min_data_in_leaf": leaf, "min_data_in_bin": 3 if leaf == 20 else 1}
    settings = REGMIX | QUIET | small
    data = lightgbm.Dataset(W, label=z, params=settings, free_raw_data=True)
    return lightgbm.train(settings, data)
