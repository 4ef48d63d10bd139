"""Stage 3: teacher and seed documents -> taxonomy.json, taxonomy.md, audit.parquet."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from gemix.chain.names import show_names
from gemix.chain.run import Facts, Run
from gemix.run.ledger import Stage
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.taxonomy import LLMNamer

SCHEMA: Final = 3


def plan(run: Run) -> Stage:
    """Return what the taxonomy depends on."""
    chosen = run.pick("name", "representatives", "representatives_by", "seed", "llm_model")
    inputs = run.ledger.output_hashes("embed") | run.ledger.output_hashes("fit")
    return Stage("name", SCHEMA, chosen, inputs, ["taxonomy.json", "audit.parquet"])


def name(run: Run) -> None:
    """Describe and name every domain."""
    run.do(plan(run), lambda: _name(run))


def _name(run: Run) -> Facts:
    from gemix.taxonomy import build_taxonomy
    from gemix.taxonomy.edits import edits_path, read_edits

    namer = _namer(run)
    documents, vectors = run.paths.read_seed()
    labels = run.paths.read_assignment(documents).domains
    given = [edit.name for edit in read_edits(edits_path(run.paths.root)).domains.values() if edit.name]
    taxonomy = build_taxonomy(
        documents,
        vectors,
        run.paths.read_teacher(),
        run.paths.root,
        labels=labels,
        namer=namer,
        taken=given,
        **_options(run),
    )
    show_names(run.paths)
    for group in taxonomy.copies:
        say(f"warning: {group}")
    facts: Facts = {"domains": taxonomy.names}
    if namer is not None:
        say(namer.report())
        facts |= {"llm": namer.facts(), "unfinished": bool(namer.failed)}
    return facts


def prompts(run: Run) -> Iterator[str]:
    """Yield what the language model of the settings would be asked, and an estimate of the cost; nothing without one.

    Raises:
        GemixError: the folder has no embedded sample or no teacher.

    """
    from gemix.taxonomy.preview import preview
    from gemix.taxonomy.survey import survey

    namer = _namer(run)
    if namer is not None:
        documents, vectors = run.paths.read_seed()
        labels = run.paths.read_assignment(documents).domains
        yield from preview(survey(documents, vectors, run.paths.read_teacher(), labels=labels, **_options(run)), namer)


def _namer(run: Run) -> "LLMNamer | None":
    config = run.config("name")
    if config.llm_base_url is None or config.llm_model is None:
        return None
    from gemix.taxonomy import AnswerCache, ChatModel, LLMNamer

    return LLMNamer(ChatModel(config.llm_base_url, config.llm_model), AnswerCache(run.paths.names))


def _options(run: Run) -> dict[str, Any]:
    config = run.config("name")
    return {"mode": config.representatives_by, "representatives": config.representatives, "seed": config.seed}
