"""What the name stage asks, and whom, as the settings say."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemix.run.folder import RunFolder
from gemix.run.settings import RunConfig

if TYPE_CHECKING:
    from gemix.taxonomy import LLMNamer


def make_namer(paths: RunFolder, config: RunConfig) -> "LLMNamer | None":
    """Return what asks the language model of the settings, if they name one."""
    if config.llm_base_url is None or config.llm_model is None:
        return None
    from gemix.taxonomy import AnswerCache, ChatModel, LLMNamer

    return LLMNamer(ChatModel(config.llm_base_url, config.llm_model), AnswerCache(paths.names))


def survey_options(config: RunConfig) -> dict[str, Any]:
    """Return the settings by which domains are looked at."""
    return {"mode": config.representatives_by, "representatives": config.representatives, "seed": config.seed}


def name_prompts(folder: Path, config: RunConfig) -> Iterator[str]:
    """Yield what the language model of the settings would be asked, and an estimate of the cost; nothing without one.

    Raises:
        GemixError: the folder has no embedded sample or no teacher.

    """
    from gemix.taxonomy.preview import preview
    from gemix.taxonomy.survey import survey

    paths = RunFolder(folder)
    namer = make_namer(paths, config)
    if namer is not None:
        yield from preview(survey(*paths.read_seed(), paths.read_teacher(), **survey_options(config)), namer)
