"""How the teacher's fit climbed: objective and duality gap by iteration (teacher/trace.json)."""

from pathlib import Path
from typing import Any

import msgspec

from gemix.report import read
from gemix.run.folder import RunFolder
from gemix.runtime.errors import GemixError


class Phase(msgspec.Struct, frozen=True):
    """One climb: a start, a subsample or all rows; both lists have an entry an iteration."""

    objective: list[float]
    duality_gap: list[float | None]


class _Trace(msgspec.Struct, frozen=True):
    phases: list[Phase]


def panel(run: Path) -> dict[str, Any] | None:
    """Return the phases of the fit and the facts about it; None for a fit that left no trace.

    The gap of an iteration is relative: (D - F) / |F|. Rounding leaves it anywhere near the precision of the numbers.

    Raises:
        GemixError: the trace is damaged.

    """
    path = RunFolder(run).teacher / "trace.json"
    if not path.exists():
        return None
    try:
        phases = msgspec.json.decode(path.read_bytes(), type=_Trace).phases
    except (OSError, msgspec.DecodeError) as error:
        raise GemixError(f"{path} is not a trace of a fit: {error}") from error
    fit = read.stages(run)["fit"]
    return {
        "phases": [
            {
                "objective": phase.objective,
                "gap": [
                    None if gap is None else abs(gap) / max(abs(value), 1e-300)
                    for gap, value in zip(phase.duality_gap, phase.objective, strict=False)
                ],
            }
            for phase in phases
        ],
        "certified": any(gap is not None for phase in phases for gap in phase.duality_gap),
        "facts": fit["facts"],
        "settings": fit["settings"],
    }
