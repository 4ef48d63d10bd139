"""A chat endpoint on this machine that behaves, or does not, as a test says."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Messages = list[dict[str, str]]


@dataclass
class Reply:
    """What the server sends: a body (text of an answer where `body` is None), after `delay` seconds."""

    text: str = ""
    status: int = 200
    body: bytes | None = None
    kind: str = "application/json"
    delay: float = 0.0
    trickle: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


# Retries come at once: the header wins over the client's own waits.
AT_ONCE = {"retry-after-ms": "1"}


def data_of(messages: Messages) -> dict[str, Any]:
    """Return the data in the first question of a chat."""
    question = next(m["content"] for m in messages if m["role"] == "user")
    return json.loads(question[question.index('{\n"keywords"') :])


def say(name: str, **changes: Any) -> str:
    """Return a usable answer, with changes; None takes a key away."""
    answer = {"name": name, "description": f"About {name}.", "belongs": "Such pages.", "excludes": "Other pages."}
    return json.dumps({key: value for key, value in (answer | changes).items() if value is not None})


def title(keywords: list[str]) -> str:
    """Return a name of 32 characters at most that tells domains apart."""
    return " ".join(["About", *(keyword.replace(" ", "")[:5] for keyword in keywords[:4])])


def by_keywords(messages: Messages) -> Reply:
    """Name a domain by its first keywords: what a good model does."""
    return Reply(say(title(data_of(messages)["keywords"])))


class Server:
    """Counts and keeps requests; `respond` may be exchanged at any time."""

    def __init__(self) -> None:
        self.respond: Callable[[Messages], Reply] = by_keywords
        self.requests: list[Messages] = []
        self.keys: list[str | None] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.url = ""

    @property
    def first_questions(self) -> list[Messages]:
        return [messages for messages in self.requests if len(messages) == 2]


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert self.path == "/v1/chat/completions"
            assert set(content) == {"model", "messages"}
            assert all(set(message) == {"role", "content"} for message in content["messages"])
            with server.lock:
                server.requests.append(content["messages"])
                server.keys.append(self.headers["authorization"])
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
                reply = server.respond(content["messages"])
            try:
                self.send(reply, content)
            except OSError:
                pass  # the client did not wait
            finally:
                with server.lock:
                    server.at_once -= 1

        def send(self, reply: Reply, content: dict[str, Any]) -> None:
            time.sleep(reply.delay)
            body = reply.body
            if body is None:
                message = {"role": "assistant", "content": reply.text}
                completion = {
                    "id": "1", "object": "chat.completion", "created": 1, "model": content["model"],
                    "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
                    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
                }  # fmt: skip
                body = json.dumps(completion if reply.status == 200 else {"error": {"message": reply.text}}).encode()
            self.send_response(reply.status)
            for name, value in ({"content-type": reply.kind, "content-length": str(len(body))} | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            if not reply.trickle:
                self.wfile.write(body)
                return
            for i in range(len(body)):
                self.wfile.write(body[i : i + 1])
                self.wfile.flush()
                time.sleep(reply.trickle)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    thread = threading.Thread(target=lambda: http.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
