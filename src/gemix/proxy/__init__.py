"""Small language models that tell what a mixture is worth before the real training."""

from typing import TYPE_CHECKING, Final

from gemix.runtime.lazy import offered

if TYPE_CHECKING:
    from gemix.proxy.dataset import ProxyData, read_data
    from gemix.proxy.factory import Kind, make_proxy
    from gemix.proxy.interface import Proxy
    from gemix.proxy.prepare import PrepareSettings, prepare_data
    from gemix.proxy.swarm import Swarm

_FILES: Final = {
    "Kind": "factory",
    "PrepareSettings": "prepare",
    "Proxy": "interface",
    "ProxyData": "dataset",
    "Swarm": "swarm",
    "make_proxy": "factory",
    "prepare_data": "prepare",
    "read_data": "dataset",
}
__all__ = ["Kind", "PrepareSettings", "Proxy", "ProxyData", "Swarm", "make_proxy", "prepare_data", "read_data"]
__getattr__ = offered(__name__, _FILES, "proxy")
