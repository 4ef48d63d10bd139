"""The commands that turn weights into what a trainer reads: `export` and `sample`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gemix.cli.command import command
from gemix.cli.options import LabelledInputs
from gemix.cli.table import print_table
from gemix.run.settings import resolve
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say


def _list_trainers(wanted: bool) -> None:
    if not wanted:
        return
    from gemix.trainers import TRAINERS

    rows = [
        (name, trainer.tested or "its documented form", trainer.draws, " or ".join(trainer.reads) or "its own")
        for name, trainer in TRAINERS.items()
    ]
    print_table(("--to", "read in the tests by", "draws", "--data of the layout"), rows, text_columns=4)
    raise typer.Exit


def export(
    mixture: Annotated[Path, typer.Argument(help="mixture.json", show_default=False)],
    to: Annotated[str, typer.Option("--to", help="the trainer: megatron, olmo-core, ...", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="the file to write", show_default=False)],
    paths: Annotated[
        str | None,
        typer.Option(
            "--paths",
            help="where a domain's data lie: a template with {domain}, or a JSON file of paths by domain",
            show_default="data/{domain}, or as the trainer has it",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="data by domain, from tokenize or labels split: paths and exact counts", show_default=False
        ),
    ] = None,
    counts: Annotated[
        str | None,
        typer.Option(
            "--counts",
            help="what the trainer draws: documents, or tokens (which sequences of one length are)",
            show_default="as the trainer does",
        ),
    ] = None,
    max_epochs: Annotated[
        float, typer.Option("--max-epochs", help="warn about domains that training repeats more often")
    ] = 4,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--fixed",
            metavar="NAME=SHARE@PATH",
            help="a source beside the domains with a share of all tokens; may be repeated",
            show_default="none",
        ),
    ] = None,
    list_trainers: Annotated[
        bool, typer.Option("--list", callback=_list_trainers, is_eager=True, help="show the trainers and exit")
    ] = False,
) -> None:
    """Write the file by which a trainer is told a mixture.

    Example: `gemix export run/mixture.json --to megatron --data data/ --out blend.txt`
    """
    from gemix.trainers import export_mixture, read_mixture
    from gemix.trainers.export import moved_shares, phase_path, repeated_domains, with_fixed

    content = with_fixed(read_mixture(mixture), fixed or ())
    drawn = export_mixture(content, to, out, paths=paths, data=data, counts=counts, max_epochs=max_epochs)
    _print_drawn(drawn)
    for domain in repeated_domains(drawn, max_epochs):
        say(f"warning: {domain.domain} is repeated {domain.epochs:.1f} times, more than --max-epochs {max_epochs:g}")
    for domain in moved_shares(drawn):
        say(f"warning: {to} rounds the share of {domain.domain} from {domain.weight:.3%} to {domain.share:.3%}")
    dropped = len(content.domains) + len(content.fixed) - len(drawn)
    files = [str(phase_path(out, n)) for n in range(1, len(content.phases) + 1)] or [str(out)]
    say(f"{' '.join(files)}: {len(drawn):,} domains" + (f", {dropped:,} without weight left out" if dropped else ""))
    if not content.budget_tokens:
        say(f"{mixture} has no budget, so tokens and epochs are not known")


def sample(
    mixture: Annotated[Path, typer.Option("--mixture", help="mixture.json", show_default=False)],
    labels: Annotated[Path, typer.Option("--labels", help="folder of the corpus's labels", show_default=False)],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="folder of the new corpus, made if it is not there", show_default=False)
    ],
    inputs: LabelledInputs = None,
    tokens: Annotated[
        int | None, typer.Option("--tokens", min=1, help="size of the sample", show_default="the mixture's budget")
    ] = None,
    max_epochs: Annotated[int, typer.Option("--max-epochs", min=1, help="how often a document may be taken")] = 4,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the choice and of the order")] = 0,
    format: Annotated[str, typer.Option("--format", help="of the output: jsonl.zst or parquet")] = "jsonl.zst",
    file_tokens: Annotated[
        int, typer.Option("--file-tokens", min=1, help="tokens of one output file, about; memory follows")
    ] = 20_000_000,
    domain_key: Annotated[
        str, typer.Option("--domain-key", help="key of the domain in the output; its name has this key and _name")
    ] = "domain",
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", min=1, help="processes", show_default="all cores")
    ] = None,
) -> None:
    """Write the corpus that a mixture describes: documents of a labelled corpus, shuffled. Run it again to resume.

    Example: `gemix sample --mixture run/mixture.json --labels run/labels --out mixed/ --tokens 10000000000`
    """
    from gemix.corpus.shards import refuse_overlap, resolve_shards
    from gemix.sample import SampleSettings, sample_corpus
    from gemix.trainers import read_mixture

    content = read_mixture(mixture)
    size = tokens
    if size is None and content.budget_tokens:
        size = round(content.budget_tokens * content.free)  # what fixed sources leave
    if not size:
        raise GemixError(f"how large? {mixture} has no budget: --tokens N")
    given = inputs or inputs_of_run(labels.parent)
    shards = resolve_shards(given)
    refuse_overlap(shards, given, out)
    settings = SampleSettings(size, seed, max_epochs, format, file_tokens, domain_key)
    report = sample_corpus(content, shards, labels, out, settings, workers=workers or resolve({}).workers)
    say(f"{out}: {report.documents:,} documents, {report.tokens:,} of {report.target:,} tokens")
    missing = report.describe()
    if missing:
        say(f"short of their targets:\n{missing}")
    _print_shares(report)


def inputs_of_run(run: Path) -> list[str]:
    """Return the inputs that a run was made with.

    Raises:
        GemixError: it is no run folder.

    """
    from gemix.run.ledger import Ledger

    inputs: list[str] = Ledger(run).settings().get("embed", {}).get("inputs", [])
    if not inputs:
        raise GemixError(f"give the files that were labelled: the labels are not part of a run (no run.json in {run})")
    return inputs


def _print_drawn(drawn: Any) -> None:
    rows = [
        (
            domain.domain,
            domain.name,
            f"{domain.weight:.3%}",
            f"{domain.share:.3%}",
            "" if domain.tokens is None else f"{domain.tokens:,.0f}",
            "" if domain.epochs is None else f"{domain.epochs:.2f}",
        )
        for domain in drawn
    ]
    print_table(("domain", "name", "weight", "drawn", "tokens", "epochs"), rows, text_columns=2)


def _print_shares(report: Any) -> None:
    rows = [
        (
            domain.name,
            f"{domain.weight:.2%}",
            f"{domain.share:.2%}",
            f"{domain.tokens:,}",
            f"{domain.documents:,}",
            f"{domain.epochs:.2f}",
        )
        for domain in report.domains
    ]
    print_table(("domain", "weight", "share", "tokens", "documents", "epochs"), rows)


app = typer.Typer()
app.command()(command()(export))
app.command()(command()(sample))
