"""A language model behind an OpenAI-compatible endpoint: one chat in, one text out, faults sorted."""

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Final, Self

from gemix.runtime.errors import GemixError
from gemix.taxonomy.answers import UnusableAnswer
from gemix.taxonomy.names import CONTROL
from gemix.taxonomy.prompts import Message

_NO_KEY: Final = "none"  # the package wants a key; local servers do not look at it
KEY_VARIABLES: Final = ("GEMIX_LLM_API_KEY", "OPENAI_API_KEY")
# So many chats in a row without an answer mean that the endpoint is down: the others are not tried.
_DOWN_AFTER: Final = 4
_CONNECT_SECONDS: Final = 10.0
_REASON_CHARACTERS: Final = 200
# How servers say that a chat is too long for the model: OpenAI, vLLM, llama.cpp, TGI, Anthropic, Gemini.
_TOO_LONG: Final = re.compile(
    r"context.?(length|size|window)|maximum.{0,20}(context|tokens|length)|(prompt|input).{0,20}too (long|large)"
    r"|too many (input )?tokens|exceeds?.{0,40}(context|tokens)|inputs?`? tokens",
    re.IGNORECASE,
)
_NO_SYSTEM: Final = re.compile(r"system (role|message|prompt|instruction)|roles must alternate", re.IGNORECASE)


@dataclass(slots=True)
class Usage:
    """What was spent: requests that were sent, and tokens as the endpoint counted them (0 where it does not)."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return it as JSON data."""
        return asdict(self)


class NoAnswer(Exception):
    """The endpoint gave no answer to one chat, after all retries; the message says why."""


class TooLong(NoAnswer):
    """The chat is longer than the model can read."""


class NoCompletion(UnusableAnswer):
    """A reply with status 200 that is no chat completion; the message has what it says instead."""


class ChatModel:
    """One model of one endpoint; a context manager for the time that chats are going on.

    The `openai` package retries what may pass (no connection, timeouts, 408, 409, 429, 5xx) with growing, jittered
    waits, or after as long as Retry-After says, up to two minutes. Only model and messages are sent: every compatible
    server understands these. Where a model knows no system role, the instructions stand before the first question.
    """

    def __init__(
        self, base_url: str, model: str, *, timeout: float = 120.0, retries: int = 4, concurrency: int = 4
    ) -> None:
        """Take the key from the environment: GEMIX_LLM_API_KEY, else OPENAI_API_KEY, else none (local servers).

        Args:
            base_url: of the endpoint, such as http://localhost:8000/v1.
            model: its name there.
            timeout: seconds without a byte from the server after which a request has failed. A chat with all its
                retries ends after ten times as long, whatever the server does.
            retries: of one request.
            concurrency: chats at a time.

        Raises:
            GemixError: the `openai` package is not installed.

        """
        try:
            import openai
        except ModuleNotFoundError:
            raise GemixError(
                'openai is not installed, which talks to language models: pip install "gemix[llm]"'
            ) from None
        self.base_url = base_url.rstrip("/")
        self.model = model
        self.usage = Usage()
        self._openai: Any = openai
        self._key = next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), _NO_KEY)
        self._timeout = timeout
        self._retries = retries
        self._slots = concurrency
        self._failed_in_a_row = 0
        self._has_system = True

    async def __aenter__(self) -> Self:
        """Open connections in the running event loop."""

        async def count(_: Any) -> None:
            self.usage.requests += 1

        self._client = self._openai.AsyncOpenAI(
            base_url=self.base_url,
            api_key=self._key,
            max_retries=self._retries,
            timeout=self._openai.Timeout(self._timeout, connect=min(self._timeout, _CONNECT_SECONDS)),
            http_client=self._openai.DefaultAsyncHttpxClient(event_hooks={"request": [count]}),
        )
        self._free = asyncio.Semaphore(self._slots)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._client.close()

    async def complete(self, messages: Sequence[Message]) -> str:
        """Return what the model says; "" where it says nothing.

        Raises:
            NoAnswer: no answer after all retries.
            TooLong: the chat has more than the model can read.
            UnusableAnswer: what came is no chat completion.
            GemixError: the endpoint refuses key, model or address: nothing can be asked of it with these settings.

        """
        async with self._free:
            if self._failed_in_a_row >= _DOWN_AFTER:
                raise NoAnswer(f"{self.base_url} is down")
            try:
                return await self._ask(messages)
            except NoAnswer as error:
                if not self._has_system or not _NO_SYSTEM.search(str(error)):
                    raise
                self._has_system = False
                return await self._ask(messages)

    async def _ask(self, messages: Sequence[Message]) -> str:
        openai = self._openai
        chat = list(messages) if self._has_system else _without_system(messages)
        try:
            async with asyncio.timeout(10 * self._timeout):
                reply = await self._client.chat.completions.create(model=self.model, messages=chat)
            text = self._read(reply)
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise GemixError(
                f"{self.base_url} refuses the model {self.model}: {self._reason(error)}; "
                f"check --llm-base-url, --llm-model and the key in {KEY_VARIABLES[0]}"
            ) from None
        except openai.APIStatusError as error:
            reason = self._reason(error)
            if _TOO_LONG.search(reason) or error.status_code == 413:
                raise TooLong(reason) from None
            self._failed_in_a_row += error.status_code not in (400, 422)  # these are about this chat
            raise NoAnswer(reason) from None
        except (openai.OpenAIError, TimeoutError) as error:
            self._failed_in_a_row += 1
            raise NoAnswer(self._reason(error)) from None
        except (ValueError, AttributeError, TypeError, LookupError):
            # Whatever came with status 200, it is not what the package (or `_read`) can take apart.
            raise NoCompletion("the reply is no chat completion") from None
        self._failed_in_a_row = 0
        return text

    def _read(self, reply: Any) -> str:
        """Take apart a reply, which the package does not check."""
        if error := getattr(reply, "error", None):
            reason = self._reason(error.get("message", error) if isinstance(error, dict) else error)
            raise TooLong(reason) if _TOO_LONG.search(reason) else NoCompletion(f"the reply is an error: {reason}")
        used = reply.usage
        if used is not None:
            self.usage.prompt_tokens += int(used.prompt_tokens or 0)
            self.usage.completion_tokens += int(used.completion_tokens or 0)
        message = reply.choices[0].message
        text = message.content
        if isinstance(text, list):  # parts
            text = "".join(part["text"] for part in text if part.get("type") == "text")
        if text is not None and not isinstance(text, str):
            raise TypeError
        calls = [call.function.arguments for call in getattr(message, "tool_calls", None) or ()]
        return text or "\n".join(said if isinstance(said, str) else json.dumps(said) for said in calls)

    def _reason(self, error: object) -> str:
        """Return an error in one short line, without the key, whatever the server wrote into it."""
        text = CONTROL.sub(" ", str(error)).strip() or type(error).__name__
        if self._key != _NO_KEY:
            text = text.replace(self._key, "***")
        return text[:_REASON_CHARACTERS]


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """Return a chat whose first question begins with what the system said."""
    system, question, *rest = messages
    return [question | {"content": f"{system['content']}\n\n{question['content']}"}, *rest]
