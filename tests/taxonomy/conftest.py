import pytest


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine must not stand between a test and its own server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
