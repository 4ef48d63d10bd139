"""The commands that show a run: `report` in the browser, `show` in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from gemix.cli.command import command
from gemix.runtime.progress import say

Run = Annotated[Path, typer.Argument(help="run folder", show_default=False)]


def report(
    run: Run,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="the file to write", show_default="report.html in the run folder")
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="fit k-means and its kin to the embeddings, once, to compare with")
    ] = False,
    no_text: Annotated[
        bool, typer.Option("--no-text", help="leave out all passages of documents: licensed or personal text")
    ] = False,
) -> None:
    """Write one HTML file that shows the domains, their documents and how good they are. It needs no network.

    Example: `gemix report run/ --baselines` and open run/report.html
    """
    from gemix.report import read
    from gemix.report.baselines import fit_baselines
    from gemix.report.page import write_report
    from gemix.runtime.lock import folder_lock

    read.taxonomy(run)  # says what is missing before anything is made
    path = out or run / "report.html"
    with folder_lock(run):
        if baselines:
            fit_baselines(run)
        size = write_report(run, path, text=not no_text)
    say(f"{path}: {size / 1e6:.1f} MB, opens in any browser")


def show(
    run: Run,
    domain: Annotated[
        str | None, typer.Option("--domain", "-d", help="show this one: its number or name", show_default=False)
    ] = None,
) -> None:
    """Print the domains of a run, or one of them with its keywords and typical documents.

    Example: `gemix show run/ --domain 7`
    """
    from gemix.report.domains import domain_rows
    from gemix.report.terminal import print_domain, print_domains

    if domain is None:
        print_domains(domain_rows(run))
    else:
        print_domain(run, domain)


app = typer.Typer()
app.command()(command(extra="report")(report))
app.command()(command(extra="train")(show))
