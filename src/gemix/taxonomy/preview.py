"""What a language model would be asked, before it is asked."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from gemix.taxonomy.namer import LLMNamer, name_subjects
from gemix.taxonomy.prompts import INSTRUCTIONS, Subject, first_messages
from gemix.taxonomy.survey import Survey
from gemix.taxonomy.tree import readable_nodes

# Of 45 prompts on English web pages 4.05 and 4.16, by two tokenizers; text in other scripts has fewer.
_BYTES_A_TOKEN: Final = 4
_ANSWER_TOKENS: Final = 150


def preview(found: Survey, namer: LLMNamer) -> Iterator[str]:
    """Yield the prompts as text, then an estimate of what answers to them cost; nothing is sent.

    Answers that are known cost nothing. Second questions (unusable answers, equal names) are not foreseen, and parts of
    a node have keyword names here where the model has not named them yet.
    """
    url, model, cache = namer.model.base_url, namer.model.model, namer.cache
    yield f"# Instructions, part of every prompt\n{INSTRUCTIONS}\n"
    known = prompt_tokens = 0
    asked = _asked(found, replace(namer, offline=True))
    for subject in asked:
        messages = first_messages(subject)
        answered = cache.get(url, model, messages) is not None
        known += answered
        if not answered:
            prompt_tokens += sum(len(message["content"].encode()) for message in messages) // _BYTES_A_TOKEN
        kind = "domain" if subject.id < found.leaves else "node"
        yield f"# {kind} {subject.id}{' (answer is known)' if answered else ''}\n{messages[-1]['content']}\n"
    missing = len(asked) - known
    yield (
        f"{missing:,} questions to {model}, {known:,} answers are known: about {prompt_tokens:,} tokens of prompts "
        f"and {missing * _ANSWER_TOKENS:,} of answers"
    )


def _asked(found: Survey, namer: LLMNamer) -> list[Subject]:
    chosen = readable_nodes(found.merges)
    domains = found.domains()
    names = name_subjects(domains, found.leaves, {}, namer, range(found.leaves))
    nodes = found.nodes([names[k].name for k in range(found.leaves)], chosen)
    return [*(one for one in domains if not one.is_blank), *(one for one in nodes if one.id in chosen)]
