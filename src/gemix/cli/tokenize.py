"""The command that turns a labelled corpus into token data by domain: `tokenize`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gemix.cli.command import command
from gemix.cli.export import inputs_of_run
from gemix.cli.paths import PATH_OR_URL
from gemix.cli.table import print_table
from gemix.run.settings import RunConfig, resolve
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say


def tokenize(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|INPUT...",
            help="a run folder, or the labelled corpus: " + (RunConfig.model_fields["inputs"].description or ""),
            show_default=False,
        ),
    ],
    layout: Annotated[
        str, typer.Option("--layout", help="megatron, olmo-core, mds, datatrove or npy", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="folder of the data, made if it is not there", show_default=False)
    ],
    labels: Annotated[
        Path | None,
        typer.Option("--labels", **PATH_OR_URL, help="folder of the corpus's labels", show_default="RUN/labels"),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option("--tokenizer", help="a tokenizer.json", show_default="the one that counted the run's tokens"),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--end", help="its token behind a document", show_default="the first usual one that it has"),
    ] = None,
    held_out: Annotated[
        float, typer.Option("--held-out", help="share of the documents kept from training, by a hash of their text")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the order")] = 0,
    file_bytes: Annotated[
        int, typer.Option("--file-bytes", min=1, help="bytes of text of one file, about; memory follows")
    ] = 1 << 28,
    workers: Annotated[
        int | None, typer.Option("--workers", "-j", min=1, help="processes", show_default="all cores")
    ] = None,
    ray: Annotated[str | None, typer.Option("--ray", help="a Ray cluster: its address, auto, or local")] = None,
) -> None:
    """Write the tokens of every domain in the layout that a trainer reads. Run it again to resume.

    Example: `gemix tokenize run/ --layout megatron --tokenizer tokenizer.json --out data/`
    """
    from gemix.corpus.shards import refuse_overlap, resolve_shards
    from gemix.runtime.map import Launcher
    from gemix.trainers import TokenizeSettings, tokenize_corpus
    from gemix.trainers.run_tokenizer import run_tokenizer

    is_run = len(inputs) == 1 and (Path(inputs[0]) / "run.json").is_file()
    if labels is None:
        if not is_run:
            raise GemixError("which labels? give a run folder, or the inputs and --labels FOLDER")
        labels = Path(inputs[0]) / "labels"
    given = inputs_of_run(Path(inputs[0])) if is_run else inputs
    shards = resolve_shards(given)
    refuse_overlap(shards, given, out)
    settings = TokenizeSettings(layout, tokenizer or run_tokenizer(shards, labels), end, held_out, seed, file_bytes)
    launcher = Launcher(workers or resolve({}).workers, ray=ray)
    index = tokenize_corpus(shards, labels, out, settings, launcher=launcher)
    files = sum(len(domain.files) for domain in index.domains)
    tokens = sum(domain.tokens for domain in index.domains)
    say(f"{out}: {tokens:,} tokens of {index.tokenizer.partition('#')[0]} in {files:,} files")
    _print(index)


def _print(index: Any) -> None:
    rows = [
        (
            domain.folder,
            domain.name,
            f"{domain.documents:,}",
            f"{domain.tokens:,}",
            f"{domain.bytes:,}",
            f"{domain.whole.documents - domain.documents:,}",
        )
        for domain in index.domains
    ]
    print_table(("folder", "domain", "documents", "tokens", "bytes", "held out"), rows, text_columns=2)


app = typer.Typer()
app.command()(command()(tokenize))
