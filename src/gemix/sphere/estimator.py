"""What every clusterer of the sphere shares: scikit-learn's contract, validation, prediction, saving."""

import os
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from gemix.runtime.threads import in_order
from gemix.sphere.rows import Rows
from gemix.sphere.scores import softmax
from gemix.sphere.storage import load_arrays, save_arrays
from gemix.sphere.torch_rows import TorchRows, is_tensor

Floats = NDArray[np.float64]


class SphereClusterer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators: K directions, scores that are affine in the cosines, potentials that shift them.

    Subclasses set, in `fit`, `mean_directions_` (K, d), `concentrations_` (K,), `bias_` (K,), `potentials_` (K,),
    `masses_` (K,), `sizes_` (K,), `labels_` (n,) and `n_iter_`. Responsibilities are
    softmax(kappa_k mu_k.x + bias_k - potentials_k); hard methods have infinite concentration and take the argmax. Hard
    labels follow one rule everywhere, the largest responsibility: `masses_` are soft, the means of responsibilities,
    `sizes_` hard, the shares of the labels.
    """

    n_clusters: int
    mean_directions_: Floats
    concentrations_: Floats
    bias_: Floats
    potentials_: Floats
    masses_: Floats
    sizes_: Floats
    labels_: NDArray[np.int32]
    n_iter_: int
    _facts: ClassVar[tuple[str, ...]] = ("n_iter",)  # scalars about the fit that are saved beside the parameters
    _saved: ClassVar[tuple[str, ...]] = (
        "mean_directions_", "concentrations_", "bias_", "potentials_", "masses_", "sizes_", "labels_",
    )  # fmt: skip

    @property
    def _n_features_out(self) -> int:
        return len(self.mean_directions_)

    def _check_rows(self, X: Any, reset: bool) -> Any:
        """Validate X without copying it: float16, memory-mapped arrays and torch tensors stay what they are."""
        if is_tensor(X):
            if X.ndim != 2 or not X.is_floating_point() or X.shape[1] < 2 or len(X) < 1:
                raise ValueError(f"X must be a two-dimensional tensor of floats, not {X.dtype} of {tuple(X.shape)}")
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X.detach()
        if isinstance(X, np.ndarray) and X.dtype == np.float16 and X.ndim == 2 and X.shape[1] > 1 and len(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        # Rows checks for NaN and infinity by chunk, without scikit-learn's temporary of the size of X.
        out: NDArray[Any] = validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            ensure_min_features=2 if reset else 1,
        )
        return out

    def _fit_rows(self, X: Any, sample_weight: Any) -> Rows:
        for name in ("n_clusters", "n_init", "max_iter", "max_sweeps"):
            _check_count(name, getattr(self, name, 1))
        check_number("tol", getattr(self, "tol", 0.0))
        check_number("prior_strength", getattr(self, "prior_strength", 0.0))

        def own() -> Rows:
            checked = self._check_rows(X, reset=True)
            if sample_weight is None:
                return self._rows(checked)
            weights = _check_sample_weight(sample_weight, checked, dtype=np.float64, ensure_non_negative=True)
            return self._rows(checked, weights)

        if getattr(self, "distributed", False):
            from gemix.sphere.distributed import SharedRows

            rows: Rows = SharedRows(own)
        else:
            rows = own()
        if self.n_clusters > rows.count:
            # scikit-learn's own wording, which its checks of other clusterers look for.
            raise ValueError(f"n_samples={rows.count} should be >= n_clusters={self.n_clusters}")
        return rows

    def _rows(self, X: Any, sample_weight: NDArray[Any] | None = None) -> Rows:
        device = getattr(self, "device", None)
        if is_tensor(X) or device is not None:
            return TorchRows(X, sample_weight, device)
        return Rows(X, sample_weight)

    def _adjusted_scores(self, rows: Rows, chunk: slice) -> NDArray[Any]:
        directions = self.concentrations_[:, None] * self.mean_directions_
        scores = rows.products(directions, chunk)
        scores += (self.bias_ - self.potentials_ - np.mean(self.bias_ - self.potentials_)).astype(scores.dtype)
        return scores

    def _predict_rows(self, rows: Rows) -> NDArray[np.int32]:
        labels = np.empty(rows.n, np.int32)

        def fill(chunk: slice) -> None:
            labels[chunk] = self._adjusted_scores(rows, chunk).argmax(axis=1)

        for _ in in_order(fill, rows.slices()):
            pass
        return labels

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the domain of each row of X, (n,) int32: the largest responsibility."""
        check_is_fitted(self)
        return self._predict_rows(self._rows(self._check_rows(X, reset=False)))

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return responsibilities softmax(s(x) - b), (n, K), float64 for float64 input, else float32."""
        check_is_fitted(self)
        rows = self._rows(self._check_rows(X, reset=False))
        out = np.empty((rows.n, len(self.mean_directions_)), dtype=rows.dtype)
        zero = np.zeros(out.shape[1])
        for chunk in rows.slices():
            out[chunk] = softmax(self._adjusted_scores(rows, chunk), zero)[0]
        return out

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Return cosines to the mean directions, (n, K), float64 for float64 input, else float32."""
        check_is_fitted(self)
        rows = self._rows(self._check_rows(X, reset=False))
        return rows.scores(self.mean_directions_, np.zeros(len(self.mean_directions_)))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write model.safetensors and config.json to `folder`; `load` reads them without pickle."""
        check_is_fitted(self)
        save_arrays(Path(folder), self._arrays(), self._description())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote. Raises ValueError when files are missing, damaged or of another class."""
        arrays, config = load_arrays(Path(folder))
        cls._check_kind(folder, config)
        return cls._restored(config, arrays)

    @classmethod
    def _check_kind(cls, folder: str | os.PathLike[str], config: dict[str, Any]) -> None:
        if config.get("class") != cls.__name__:
            kind = f"a {config['class']}" if "class" in config else "no model"
            raise ValueError(f"{folder} holds {kind}, not a {cls.__name__}")

    def _arrays(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        return {prefix + name.rstrip("_"): getattr(self, name) for name in self._saved}

    def _description(self) -> dict[str, Any]:
        """Return class, parameters and facts about the fit, as JSON holds them."""
        return {
            "class": type(self).__name__,
            "parameters": {name: _to_json(value) for name, value in self.get_params().items()},
            "n_features": self.n_features_in_,
            "feature_names": _to_json(getattr(self, "feature_names_in_", None)),
            "fit": {name: _to_json(getattr(self, name + "_")) for name in self._facts},
        }

    @classmethod
    def _restored(cls, config: dict[str, Any], arrays: dict[str, NDArray[Any]], prefix: str = "") -> Self:
        """Return the model of a description and of arrays whose names start with `prefix`."""
        try:
            model = cls(**{name: _from_json(value) for name, value in config["parameters"].items()})
            for name in cls._saved:
                setattr(model, name, arrays[prefix + name.rstrip("_")])
            model.n_features_in_ = config["n_features"]
            if config["feature_names"] is not None:
                model.feature_names_in_ = np.array(config["feature_names"], dtype=object)
            for name in cls._facts:
                setattr(model, name + "_", _from_json(config["fit"][name]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"the {cls.__name__} was not saved whole: {error!r} is missing or of another kind"
            ) from error
        return model


def _check_count(name: str, value: Any) -> None:
    if not (isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 1):
        raise ValueError(f"{name} must be a positive integer, not {value!r}")


def check_number(name: str, value: Any, infinite: bool = False) -> None:
    """Raise ValueError unless a parameter is a number >= 0, finite unless it may be infinite."""
    number = isinstance(value, float | int | np.number) and not isinstance(value, bool)
    if not (number and value >= 0 and (infinite or value < np.inf)):
        raise ValueError(f"{name} must be {'a number' if infinite else 'a finite number'} >= 0, not {value!r}")


def _to_json(value: Any) -> Any:
    """JSON has no infinity, and a RandomState instance has no place in a file."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, np.random.RandomState | np.random.Generator):
        return None
    if isinstance(value, Path):
        return str(value)
    return "inf" if value == np.inf else value


def _from_json(value: Any) -> Any:
    return np.inf if value == "inf" else value
