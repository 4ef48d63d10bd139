"""Packages of trainers, each in an environment of its own: `make test-trainers`."""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

_STAND_INS: dict[str, dict[str, Any]] = {
    "torchvision.datasets": {"VisionDataset": object},
    "torchvision.transforms": {},
    "torchvision.transforms.functional": {"to_tensor": None},
}


def need(module: str) -> Any:
    """Return a module, or skip the test and say why."""
    return pytest.importorskip(module, reason=f"{module} is not installed", exc_type=ImportError)


def need_streaming() -> Any:
    """Return mosaicml-streaming.

    It imports torchvision for its image datasets, and the build of that on the package index wants CUDA: where it does
    not load, something stands in for it that no test touches.
    """
    if find_spec("streaming") is None:
        pytest.skip("streaming is not installed")
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name in ("torchvision", *_STAND_INS):
            sys.modules[name] = module = ModuleType(name)
            module.__spec__ = ModuleSpec(name, None)
            vars(module).update(_STAND_INS.get(name, {}))
    return need("streaming")
