"""Stage 5: corpus and student -> labels/ and domains.csv."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gemix.chain.names import show_names
from gemix.chain.run import Run
from gemix.mix.partition import FILE_NAME
from gemix.run.folder import RunFolder
from gemix.run.ledger import Stage, timed
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.labels.totals import Totals

SCHEMA: Final = 3


def plan(run: Run) -> Stage:
    """Return what the labels depend on; markers say which shards are done, and domains.csv is written every time."""
    inputs = run.ledger.hashes_of(run.shards) | run.ledger.output_hashes("distill")
    chosen = run.pick("embed", "text_key", "id_key") | run.pick("label", "source_key", "date_key", "count")
    inputs[run.paths.tokenizer.name] = run.ledger.output_hashes("embed")[run.paths.tokenizer.name]
    return Stage("label", SCHEMA, chosen, inputs)


def label(run: Run) -> None:
    """Label every document with the student; finished shards are left alone."""
    from gemix.labels import Launcher, Reading, label_corpus
    from gemix.labels.reading import one_in
    from gemix.labels.stats import describe_left_out

    stage, corpus, config = plan(run), run.config("embed"), run.config("label")
    with timed() as seconds:
        result = label_corpus(
            run.shards,
            run.paths.student,
            run.paths.labels,
            Reading(
                corpus.text_key,
                corpus.id_key,
                config.source_key,
                config.date_key,
                run.paths.tokenizer,
                one_in(config.count),
            ),
            launcher=Launcher(config.workers),
            max_bad_fraction=corpus.max_bad_fraction,
        )
    write_table(result.totals, run.paths.student, run.paths.labels)
    if result.stale:
        say(describe_left_out(result.stale))
    if not result.labelled and run.ledger.is_current(stage):
        say("label: nothing changed, skipped")
        return
    totals = result.totals
    run.note(stage, seconds[0], {"shards": totals.shards, "rows": totals.rows, "bad_rows": totals.bad.total})


def write_table(totals: "Totals", student: Path, labels: Path) -> Path:
    """Write the table of the domains of labels, called as the student calls them, and return where it lies.

    The labels of a run have it in the run folder, where all that follows looks for it; others keep it to themselves.
    """
    from gemix.labels import write_domains
    from gemix.student.names import partition_of, read_names

    path = (labels.parent if (labels.parent / "run.json").exists() else labels) / FILE_NAME
    write_domains(totals, read_names(student), path, partition_of(student))
    if path.parent != labels and student.absolute() == RunFolder(path.parent).student.absolute():
        show_names(RunFolder(path.parent))  # what people excluded, too
    return path
