"""The options of the commands over a run: one for each setting, with its description and default."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gemix.run.settings import RunConfig


def _setting(key: str, *short: str) -> Any:
    """Return the option of one setting, with its description and default."""
    field = RunConfig.model_fields[key]
    default = field.get_default(call_default_factory=True)
    shown = {"workers": "all cores", "sample": "20000"}.get(key, default is not None and str(default))
    if isinstance(default, bool):
        return typer.Option(
            f"--{key.replace('_', '-')}/--no-{key.replace('_', '-')}", help=field.description, show_default=shown
        )
    return typer.Option(f"--{key.replace('_', '-')}", *short, help=field.description, show_default=shown)


Inputs = Annotated[
    list[str] | None, typer.Argument(help=RunConfig.model_fields["inputs"].description, show_default=False)
]
LabelledInputs = Annotated[
    list[str] | None,
    typer.Argument(
        help="the labelled corpus: " + (RunConfig.model_fields["inputs"].description or ""),
        show_default="those of the run that the labels are part of",
    ),
]
RunArgument = Annotated[Path, typer.Argument(help="run folder", show_default=False)]
Out = Annotated[Path, typer.Option("--out", "-o", help="run folder, made if it is not there", show_default=False)]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file with any of these settings; flags win", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="print the resolved settings and what would be done")]
TextKey = Annotated[str | None, _setting("text_key")]
IdKey = Annotated[str | None, _setting("id_key")]
SourceKey = Annotated[str | None, _setting("source_key")]
DateKey = Annotated[str | None, _setting("date_key")]
MaxBad = Annotated[float | None, _setting("max_bad_fraction")]
TokenizerName = Annotated[str | None, _setting("tokenizer")]
Count = Annotated[str | None, _setting("count")]
Seed = Annotated[int | None, _setting("seed")]
Sample = Annotated[int | None, _setting("sample")]
SampleBytes = Annotated[int | None, _setting("sample_bytes")]
WindowSize = Annotated[int | None, _setting("window")]
Embedder = Annotated[str | None, _setting("embedder")]
Centre = Annotated[bool | None, _setting("centre")]
Clusters = Annotated[int | None, _setting("clusters", "-k")]
Balance = Annotated[str | None, _setting("balance")]
BalanceBy = Annotated[str | None, _setting("balance_by")]
Target = Annotated[str | None, _setting("target")]
Temper = Annotated[float | None, _setting("temper")]
Solver = Annotated[str | None, _setting("solver")]
Tolerance = Annotated[float | None, _setting("tol")]
Starts = Annotated[int | None, _setting("n_init")]
Representatives = Annotated[int | None, _setting("representatives")]
RepresentativesBy = Annotated[str | None, _setting("representatives_by")]
StudentKind = Annotated[str | None, _setting("student_kind")]
StudentSample = Annotated[int | None, _setting("student_sample")]
LLMBaseURL = Annotated[str | None, _setting("llm_base_url")]
LLMModel = Annotated[str | None, _setting("llm_model")]
Workers = Annotated[int | None, _setting("workers", "-j")]


def flags(values: dict[str, Any]) -> dict[str, Any]:
    """Keep the settings among a command's parameters."""
    return {key: value for key, value in values.items() if key in RunConfig.model_fields and value not in (None, [])}
