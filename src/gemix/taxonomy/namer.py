"""Names for domains and nodes: by a language model where there is one, else by keywords; never two alike."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from gemix.runtime.progress import progress
from gemix.taxonomy.answers import Answer, UnusableAnswer, parse
from gemix.taxonomy.cache import AnswerCache
from gemix.taxonomy.llm import ChatModel, NoAnswer, NoCompletion, TooLong
from gemix.taxonomy.model import KEYWORDS
from gemix.taxonomy.names import claim, keyword_name, numbered, slug, tell_apart
from gemix.taxonomy.prompts import Message, Other, Subject, after_clash, after_fault, first_messages, shorter

Result = TypeVar("Result")

_ATTEMPTS: Final = 3  # answers to one question
_WAIT_SECONDS: Final = 0.5  # after a reply that is none; twice as long each time


@dataclass(frozen=True, slots=True)
class Naming:
    """What a namer said, and what it saw.

    Attributes:
        name: unique.
        answer: of the language model; None where keywords made the name.
        named_by: "keywords" or "llm:<model>".
        prompt: what the language model saw beside its instructions; None where keywords made the name.

    """

    name: str
    answer: Answer | None = None
    named_by: str = KEYWORDS
    prompt: str | None = None

    def sentences(self) -> dict[str, str | None]:
        """Return description, belongs and excludes."""
        keys = ("description", "belongs", "excludes")
        return {key: getattr(self.answer, key) if self.answer else None for key in keys}


@dataclass
class LLMNamer:
    """Asks a language model for names, and knows the answers that it gave before.

    Attributes:
        model: the language model.
        cache: its known answers.
        offline: whether known answers are all that is used.
        known: answers that came from the cache.
        failed: reasons by the id of the domain or node that has no usable answer.

    """

    model: ChatModel
    cache: AnswerCache
    offline: bool = False
    known: int = 0
    failed: dict[int, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return what was asked, spent and missed, as JSON data."""
        facts: dict[str, Any] = {"base_url": self.model.base_url, "model": self.model.model}
        failed = {str(k): reason for k, reason in sorted(self.failed.items())}
        return facts | self.model.usage.to_dict() | {"known_answers": self.known, "failed": failed}

    def report(self) -> str:
        """Return what was asked, spent and missed, for people."""
        used, failed = self.model.usage, self.failed
        spent = (
            f"names by {self.model.model}: {used.requests:,} requests, {used.prompt_tokens:,} tokens of prompts, "
            f"{used.completion_tokens:,} of answers; {self.known:,} answers were known"
        )
        if not failed:
            return spent
        return (
            f"{spent}\nwarning: {len(failed):,} domains or groups keep names made of keywords, since the model gave "
            f"them none (the first, {min(failed)}: {failed[min(failed)]}); `gemix name` asks again"
        )

    def ask(self, subjects: Sequence[Subject], taken: Mapping[str, Other]) -> dict[int, tuple[Answer, str]]:
        """Return the answers by id, each with what the model saw; a subject without a usable one is in `failed`.

        Those that are given one name, or one that is taken, are asked once more, each shown the others.

        Args:
            subjects: what to name. A blank one is not asked about.
            taken: what has a name already.

        Raises:
            GemixError: the endpoint refuses key, model or address.

        """
        asked = {subject.id: subject for subject in subjects if not subject.is_blank}
        chats = {k: first_messages(subject) for k, subject in asked.items()}
        first = self._ask_all(chats, "name")
        bearers: dict[str, list[int]] = defaultdict(list)
        for k, (answer, _) in first.items():
            bearers[slug(answer.name)].append(k)
        again: dict[int, list[Message]] = {}
        for name, ids in bearers.items():
            owner = [taken[name]] if name in taken else []
            # Whose keywords bear out the name keeps it: no document of one domain can take it from another.
            claims = {k: claim(name, asked[k].keywords) for k in ids}
            best = min(ids, key=lambda k: (-claims[k], k))
            keeper = best if claims[best] and not owner else None
            for k in ids if owner or len(ids) > 1 else []:
                rivals = owner + [Other(first[j][0].name, asked[j].keywords) for j in ids if j != k]
                if k != keeper:
                    again[k] = after_clash(first[k][1], first[k][0], rivals)
        # Where there is no second answer the first one stands; its name is told apart by keywords.
        second = self._ask_all(again, "tell apart", required=False)
        return {k: (answer, _seen(chat)) for k, (answer, chat) in (first | second).items()}

    def _ask_all(
        self, chats: dict[int, list[Message]], description: str, required: bool = True
    ) -> dict[int, tuple[Answer, list[Message]]]:
        found: dict[int, tuple[Answer, list[Message]]] = {}
        for k, messages in chats.items():
            known = self.cache.get(self.model.base_url, self.model.model, messages)
            if known is not None:
                found[k] = known
        self.known += len(found)
        missing = {k: messages for k, messages in chats.items() if k not in found}
        if missing and not self.offline:
            with progress(description, total=len(missing), unit="answers") as advance:
                answers, faults = _in_event_loop(self._converse(missing, advance))
            found |= answers
            if required:
                self.failed |= faults
        return dict(sorted(found.items()))  # not in the order in which they came

    async def _converse(
        self, chats: dict[int, list[Message]], advance: Callable[[float], None]
    ) -> tuple[dict[int, tuple[Answer, list[Message]]], dict[int, str]]:
        answers: dict[int, tuple[Answer, list[Message]]] = {}
        faults: dict[int, str] = {}

        async def one(k: int, messages: list[Message]) -> None:
            try:
                answers[k] = await self._answer(messages)
                self.cache.put(self.model.base_url, self.model.model, messages, *answers[k])
            except (NoAnswer, UnusableAnswer) as fault:
                faults[k] = str(fault)
            advance(1)

        async with self.model:
            await asyncio.gather(*(one(k, messages) for k, messages in chats.items()))
        return answers, faults

    async def _answer(self, messages: list[Message]) -> tuple[Answer, list[Message]]:
        """Ask until an answer is usable, each time with the last fault named; return it and the chat that led to it.

        What is too long is cut once asking again has not helped; of a chat that is too long half is left out.
        """
        asked = chat = messages
        fault, cut = UnusableAnswer(), None
        attempts = 0
        while attempts < _ATTEMPTS:
            text = ""
            try:
                text = await self.model.complete(chat)
                return parse(text), asked
            except TooLong:
                less = shorter(asked)
                if less is None:
                    raise
                asked = chat = less
                continue
            except NoCompletion as error:
                fault = error
                await asyncio.sleep(_WAIT_SECONDS * 2**attempts)
            except UnusableAnswer as error:
                fault = error
                if cut and error.cut:
                    break
                cut = cut or error.cut
                chat = after_fault(asked, text, str(error))
            attempts += 1
        if cut:
            return cut, asked
        raise UnusableAnswer(f"no usable answer in {_ATTEMPTS} attempts, the last: {fault}")


def name_subjects(
    subjects: Sequence[Subject], leaves: int, taken: dict[str, Other], llm: LLMNamer | None, asked: Sequence[int] = ()
) -> dict[int, Naming]:
    """Return a name for every subject by its id, no two equal, and note them in `taken`.

    Args:
        subjects: domains, or nodes of a tree.
        leaves: number of domains; ids count on from there.
        taken: names that are not free, with what bears them.
        llm: asks a language model.
        asked: ids that it is asked about; keywords name all others.

    """
    chosen = set(asked)
    answers = llm.ask([subject for subject in subjects if subject.id in chosen], taken) if llm else {}
    names: dict[int, Naming] = {}

    def rank(subject: Subject) -> tuple[bool, float, int]:
        """Order a model's names before keyword names, which step aside, and those first that keywords bear out."""
        said = answers.get(subject.id)
        return said is None, -claim(slug(said[0].name), subject.keywords) if said else 0.0, subject.id

    for subject in sorted(subjects, key=rank):
        said = answers.get(subject.id)
        if said is not None and llm is not None:
            answer, prompt = said
            name = tell_apart(slug(answer.name), subject.keywords, subject.id, taken)
            names[subject.id] = Naming(name, answer, f"llm:{llm.model.model}", prompt)
        else:
            name = keyword_name(subject.keywords, numbered(subject.id, leaves), taken)
            names[subject.id] = Naming(tell_apart(name, (), subject.id, taken))
        taken[names[subject.id].name] = Other(names[subject.id].name, subject.keywords)
    return names


def _seen(messages: Sequence[Message]) -> str:
    """Return a chat without the instructions, which are the same in all."""
    return "\n\n".join(message["content"] for message in messages if message["role"] != "system")


def _in_event_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end; in a thread of its own where a loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
