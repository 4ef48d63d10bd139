"""A fitted model as JSON beside arrays, so that a tree of models fits in one file of each."""

from typing import Any, TypeVar

from numpy.typing import NDArray

from gemix.sphere.estimator import SphereClusterer, _from_json, _to_json

Model = TypeVar("Model", bound=SphereClusterer)


def describe(model: SphereClusterer) -> dict[str, Any]:
    """Return class, parameters and facts about the fit, as JSON holds them."""
    return {
        "class": type(model).__name__,
        "parameters": {key: _to_json(value) for key, value in model.get_params().items()},
        "n_features": model.n_features_in_,
        "fit": {key: _to_json(getattr(model, key + "_")) for key in model._facts},
    }


def restore(cls: type[Model], config: dict[str, Any], arrays: dict[str, NDArray[Any]], prefix: str) -> Model:
    """Return the model that `describe` described, with its arrays, whose names start with `prefix`."""
    model = cls(**{key: _from_json(value) for key, value in config["parameters"].items()})
    for key in cls._saved:
        setattr(model, key, arrays[prefix + key])
    model.n_features_in_ = config["n_features"]
    for key, value in config["fit"].items():
        setattr(model, key + "_", _from_json(value))
    return model
