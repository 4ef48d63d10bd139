"""Files in which other projects keep one mixture: text to weights and back.

Every format is a module with `read(text) -> {domain: weight}` and `write({domain: weight}) -> text`; they say nothing
about sums or names, which the caller checks for all of them alike.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gemix.mix.formats import climb, doremi, mixture_json, regmix, weborganizer


@dataclass(frozen=True)
class Format:
    """A format of one mixture a file; files of a folder are called `stem`.format(i) + `suffix`, i from 1 on."""

    read: Callable[[str], dict[str, float]]
    write: Callable[[Mapping[str, float]], str]
    suffix: str
    stem: str = "n{}"


FORMATS: Final[dict[str, Format]] = {
    "regmix": Format(regmix.read, regmix.write, ".yaml"),
    "climb": Format(climb.read, climb.write, ".sh"),
    "doremi": Format(doremi.read, doremi.write, ".json"),
    "weborganizer": Format(weborganizer.read, weborganizer.write, ".json", "random{}"),
    "gemix": Format(mixture_json.read, mixture_json.write, ".json"),
}


def read_weights(text: str, suffix: str) -> dict[str, float]:
    """Return the weights of a file, told from its suffix and content.

    Raises:
        ValueError: it is none of the formats.

    """
    if suffix in (".yaml", ".yml"):
        return regmix.read(text)
    if suffix == ".sh":
        return climb.read(text)
    if suffix != ".json":
        raise ValueError(f"no format of mixtures ends in {suffix!r}; there are .json, .yaml and .sh")
    for module in (weborganizer, doremi, mixture_json):
        if module.recognises(text):
            return module.read(text)
    raise ValueError("no mixture: neither a list of domain and weight, nor train_domain_weights, nor a gemix mixture")
