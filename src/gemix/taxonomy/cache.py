"""Answers of language models that are already paid for: one small file each, whole or not at all."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gemix.runtime.atomic import write_json
from gemix.taxonomy.answers import Answer
from gemix.taxonomy.prompts import Message


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: str
    model: str
    messages: list[Message]
    asked: list[Message]  # the chat that was answered: of one that is too long a part
    answer: Answer


class AnswerCache:
    """A folder of answers by the hash of endpoint, model and chat.

    An answer is kept as soon as it is there, so that a killed run pays for nothing twice. A file that is damaged, or
    not about its chat, counts as missing.
    """

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is made with the first answer."""
        self.folder = folder

    def get(self, base_url: str, model: str, messages: Sequence[Message]) -> tuple[Answer, list[Message]] | None:
        """Return the answer that this model of this endpoint gave in this chat, and the chat as it was sent."""
        try:
            entry = _Entry.model_validate_json(self._path(base_url, model, messages).read_bytes())
        except (OSError, ValidationError):
            return None
        if (entry.base_url, entry.model, entry.messages) != (base_url, model, list(messages)):
            return None
        return entry.answer, entry.asked

    def put(
        self, base_url: str, model: str, messages: Sequence[Message], answer: Answer, asked: Sequence[Message]
    ) -> None:
        """Keep an answer, and the chat as it was sent."""
        entry = _Entry(base_url=base_url, model=model, messages=list(messages), asked=list(asked), answer=answer)
        write_json(self._path(base_url, model, messages), entry.model_dump())

    def _path(self, base_url: str, model: str, messages: Sequence[Message]) -> Path:
        content = json.dumps([base_url, model, list(messages)], sort_keys=True)
        return self.folder / f"{hashlib.sha256(content.encode()).hexdigest()}.json"
