"""The layouts of token data, one file each."""

from typing import Final

from gemix.trainers.layouts.base import Layout
from gemix.trainers.layouts.datatrove import Datatrove
from gemix.trainers.layouts.mds import Mds
from gemix.trainers.layouts.megatron import Megatron
from gemix.trainers.layouts.npy import Npy
from gemix.trainers.layouts.olmo_core import OlmoCore

LAYOUTS: Final[dict[str, Layout]] = {
    layout.name: layout for layout in (Megatron(), OlmoCore(), Mds(), Datatrove(), Npy())
}
