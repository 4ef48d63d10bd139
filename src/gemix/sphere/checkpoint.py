"""What a long fit keeps on disk after every iteration, so that a lost process costs one iteration."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.mixture import Components, Momentum, Prior
from gemix.sphere.storage import load_arrays, save_arrays

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class State:
    """Where a fit on all rows stands."""

    components: Components
    potentials: Floats
    error: Floats
    momentum: Momentum
    prior: Prior
    balance: float
    target: Floats


class Checkpoint:
    """A folder with one state, which belongs to one problem."""

    def __init__(self, folder: Path, problem: dict[str, Any]) -> None:
        """Name the folder and all that decides the fit, JSON values: a state of another problem is refused."""
        self.folder, self.problem = folder, problem

    def load(self) -> State | None:
        """Return the state, or None where there is none.

        Raises:
            ValueError: it is damaged or of another problem.

        """
        if not (self.folder / "config.json").exists():
            return None
        arrays, config = load_arrays(self.folder)
        if config["problem"] != self.problem:
            raise ValueError(f"{self.folder} holds the checkpoint of another fit; remove it or choose another folder")
        parts = [arrays[name] for name in ("directions", "concentrations", "log_alpha")]
        prior = Prior(**config["prior"])
        momentum = Momentum(prior.highest, self.problem["concentration"] == "shared")
        momentum.steps, momentum.last = config["steps"], arrays.get("last")
        balance, potentials, error = float(config["balance"]), arrays["potentials"], arrays["error"]
        return State(Components(*parts), potentials, error, momentum, prior, balance, arrays["target"])

    def save(self, state: State) -> None:
        """Replace the state."""
        components = state.components
        arrays = {
            "directions": components.directions,
            "concentrations": components.concentrations,
            "log_alpha": components.log_alpha,
            "potentials": state.potentials,
            "error": state.error,
            "target": state.target,
        }
        if state.momentum.last is not None:
            arrays["last"] = state.momentum.last
        config = {
            "problem": self.problem,
            "steps": state.momentum.steps,
            "prior": asdict(state.prior),
            "balance": str(state.balance),
        }
        save_arrays(self.folder, arrays, config)

    def remove(self) -> None:
        """Delete the state: the fit is done."""
        for name in ("config.json", "model.safetensors"):
            (self.folder / name).unlink(missing_ok=True)
