"""What a long fit keeps on disk after every iteration, so that a lost process costs one iteration."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemix.sphere.mixture import Components, Prior
from gemix.sphere.storage import load_arrays, save_arrays

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class State:
    """Where a fit on all rows stands."""

    components: Components
    potentials: Floats
    error: Floats
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
        balance = float(config["balance"])
        return State(Components(*parts), arrays["potentials"], arrays["error"], prior, balance, arrays["target"])

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
        config = {"problem": self.problem, "prior": asdict(state.prior), "balance": str(state.balance)}
        save_arrays(self.folder, arrays, config)

    def remove(self) -> None:
        """Delete the state: the fit is done."""
        for name in ("config.json", "model.safetensors"):
            (self.folder / name).unlink(missing_ok=True)
