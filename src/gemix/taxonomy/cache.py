"""Answers of language models that are already paid for: one small file each, whole or not at all."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from gemix.runtime.atomic import write_json
from gemix.taxonomy.prompts import Answer, Message


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    messages: list[Message]
    answer: Answer


class AnswerCache:
    """A folder of answers by the hash of model and chat.

    An answer is kept as soon as it is there, so that a killed run pays for nothing twice. A file that is damaged, or
    not about its chat, counts as missing.
    """

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which is made with the first answer."""
        self.folder = folder

    def get(self, model: str, messages: Sequence[Message]) -> Answer | None:
        """Return the answer that this model gave in this chat, if it is known."""
        try:
            entry = _Entry.model_validate_json(self._path(model, messages).read_bytes())
        except (OSError, ValidationError):
            return None
        return entry.answer if (entry.model, entry.messages) == (model, list(messages)) else None

    def put(self, model: str, messages: Sequence[Message], answer: Answer) -> None:
        """Keep an answer."""
        entry = _Entry(model=model, messages=list(messages), answer=answer)
        write_json(self._path(model, messages), entry.model_dump())

    def _path(self, model: str, messages: Sequence[Message]) -> Path:
        content = json.dumps([model, list(messages)], sort_keys=True)
        return self.folder / f"{hashlib.sha256(content.encode()).hexdigest()}.json"
