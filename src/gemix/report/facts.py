"""What the run was made of and with, and the command that makes it again."""

import shlex
from pathlib import Path
from typing import Any

from gemix.report import read
from gemix.report.text import plain
from gemix.run.settings import RunConfig, resolve, to_yaml

# What does not change the outcome, or is an argument of its own.
_LEFT_OUT = ("inputs", "workers")


def panel(run: Path) -> dict[str, Any]:
    """Return command, settings, stages, inputs and versions."""
    records, config = read.stages(run), read.settings(run)
    inputs = records.get("label", records["embed"])["inputs"]
    typed = records["embed"]["facts"]["inputs_as_given"]
    return {
        "command": command(config, run, typed),
        "settings": to_yaml({name: record["config"] for name, record in records.items() if record["config"]}),
        "stages": [
            {
                "name": name,
                "finished": record["finished"],
                "seconds": record["seconds"],
                "facts": {key: _fact(value) for key, value in record["facts"].items() if _is_short(value)},
            }
            for name, record in records.items()
        ],
        "inputs": [
            {"name": plain(name, 120), "hash": digest[:16]}
            for name, digest in inputs.items()
            if not name.startswith("student/")
        ][:200],
        "versions": next(reversed(records.values()))["versions"],
    }


def command(config: RunConfig, run: Path, inputs: list[str]) -> str:
    """Return the `gemix run` command of these settings, with the options that are not defaults."""
    parts = ["gemix", "run", *inputs, "--out", f"{run.resolve().name}/"]
    defaults = resolve({})
    for key in RunConfig.model_fields:
        value = getattr(config, key)
        if key in _LEFT_OUT or value is None or value == getattr(defaults, key):
            continue
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            parts.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            parts += [f"--{flag}", str(value)]
    return shlex.join(parts)


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int | float) or value is None


def _fact(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
