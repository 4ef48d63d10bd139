"""`gemix probe`: which partition is a good coordinate system for mixing."""

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from pydantic import ValidationError

from gemix.cli.command import command
from gemix.run.settings import resolve
from gemix.runtime.errors import GemixError
from gemix.runtime.progress import say


def probe(
    run: Annotated[Path, typer.Argument(help="run folder, embedded", show_default=False)],
    partitions: Annotated[
        str,
        typer.Option(
            "--partitions", "-p", help="of gem, kmeans, spherical, vmf, random and label:COLUMN (a human taxonomy)"
        ),
    ] = "gem,kmeans,spherical,vmf,random",
    proxy: Annotated[Literal["ngram", "transformer"], typer.Option("--proxy", help="kind of model")] = "ngram",
    mixtures: Annotated[int, typer.Option("--mixtures", "-n", min=10, help="models a partition and seed")] = 256,
    budget: Annotated[
        int | None,
        typer.Option("--budget", min=1, help="tokens of a model", show_default="training tokens / K"),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="repetitions: new partitions and new mixtures")] = 3,
    valid_by: Annotated[
        str | None,
        typer.Option("--valid-by", help="column whose values are the validation sets", show_default="8 random parts"),
    ] = None,
    target: Annotated[
        str, typer.Option("--target", help="loss to predict: mean (of the validation sets) or the name of one")
    ] = "mean",
    surrogates: Annotated[
        str,
        typer.Option(
            "--surrogates", help="of gp, lightgbm (RegMix's), auto, loglinear and linear; the first chooses a mixture"
        ),
    ] = "gp,lightgbm",
    size_matched: Annotated[
        bool, typer.Option("--size-matched", help="leave documents out until all partitions have the same sizes")
    ] = False,
    clusters: Annotated[
        int | None,
        typer.Option("--clusters", "-k", min=1, help="K of all partitions but label:", show_default="the run's"),
    ] = None,
    held_out: Annotated[float, typer.Option("--held-out", help="share of the documents that validates")] = 0.1,
    vocabulary: Annotated[int, typer.Option("--vocabulary", min=257, help="tokens of the byte-pair encoding")] = 8192,
    preset: Annotated[str, typer.Option("--preset", help="size of a transformer")] = "1m",
    device: Annotated[
        str | None, typer.Option("--device", help="of a transformer", show_default="a GPU where there is one")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder of the results", show_default="probe/ in the run folder")
    ] = None,
) -> None:
    """Measure how predictable and how far-reaching mixing is over each of several partitions of the same documents.

    Small models are trained on mixtures of each partition's domains and judged by the same held-out text. Reported:
    the rank correlation of predicted and true losses on mixtures that the surrogate has not seen; how far the losses
    spread; the best loss found; and the loss of the mixture that the surrogate chose. `random` is the yardstick: what a
    partition without meaning gives. Run it again to resume, or to
    compare more partitions; another target or surrogate trains none of the models again.

    Example: `gemix probe run/ --partitions gem,kmeans,label:topic,random --valid-by topic`
    """
    from gemix.proxy.factory import Kind, make_proxy
    from gemix.proxy.probe.corpus import read_corpus
    from gemix.proxy.probe.partitions import check_names, make_partition
    from gemix.proxy.probe.probe import probe as measure
    from gemix.proxy.probe.settings import ProbeSettings
    from gemix.proxy.probe.summary import summarise, to_markdown
    from gemix.run.ledger import Ledger
    from gemix.runtime.atomic import write_json, write_text

    names = [name.strip() for name in partitions.split(",") if name.strip()]
    check_names(names)
    if not 0 < held_out < 1:
        raise GemixError(f"--held-out is a share between 0 and 1, not {held_out:g}")
    try:
        settings = ProbeSettings(
            mixtures=mixtures, budget=budget, seeds=seeds, target=target, size_matched=size_matched,
            surrogates=cast(Any, tuple(name.strip() for name in surrogates.split(","))),
        )  # fmt: skip
    except ValidationError as error:
        raise GemixError(f"--surrogates: {error.errors()[0]['msg']}") from None
    config = resolve({"clusters": clusters}, stored=Ledger(run).settings(), stage="fit")
    gem = {key: getattr(config, key) for key in ("balance", "target", "temper", "solver", "n_init")}
    corpus = read_corpus(
        run, clusters=config.clusters, gem=gem, by_tokens=config.balance_by == "tokens", vocabulary=vocabulary,
        held_out_fraction=held_out, valid_by=valid_by,
    )  # fmt: skip
    makers = {name: lambda seed, name=name: make_partition(name, corpus.source, config.seed + seed) for name in names}
    folder = out or run / "probe"
    kind = Kind(proxy, preset=preset, device=device)
    facts = {"kind": proxy} | ({"order": kind.order} if proxy == "ngram" else {"preset": preset})
    measured = measure(corpus, makers, lambda data: make_proxy(data, kind), facts, settings, folder)
    lines = summarise(measured, settings.target)
    write_json(
        folder / "probe.json",
        {
            "settings": settings.model_dump(mode="json") | {"budget": measured[0].budget, "proxy": facts},
            "valid": measured[0].valid,
            "partitions": [line.model_dump() for line in lines],
        },
    )
    table = to_markdown(lines)
    write_text(folder / "probe.md", table + "\n")
    print(table)
    sizes = {line.domains for line in lines}
    if len(sizes) > 1:
        say(f"note: the partitions have {', '.join(map(str, sorted(sizes)))} domains: what differs may be that")
    say(f"{folder}: probe.json, probe.md, trained/, predicted/")


app = typer.Typer()
app.command()(command(ValueError, extra="proxy")(probe))
