"""RegMix's training configs (sail-sg/regmix, mixture_config/*.yaml): `train: {train_<domain>: weight}` and more."""

from collections.abc import Mapping

import yaml

from gemix.mix.formats import numbers

PREFIX = "train_"


def read(text: str) -> dict[str, float]:
    """Return the weights under `train`; the prefix train_ goes if all domains have it.

    Raises:
        ValueError: not YAML, no `train`, or a bad weight.

    """
    try:
        content = yaml.load(text, Loader=_Strict)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict) or "train" not in content:
        raise ValueError("a RegMix config has a mapping under 'train'")
    return strip(numbers.mapping(content["train"], "train"))


def write(weights: Mapping[str, float]) -> str:
    """Return a config: `train`, and every domain under `valid` with weight 1, which RegMix's trainer evaluates."""
    content = {
        "train": {PREFIX + domain: float(weight) for domain, weight in weights.items()},
        "valid": {"valid_" + domain: 1.0 for domain in weights},
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def strip(weights: dict[str, float]) -> dict[str, float]:
    """Remove the prefix train_ if all domains have it."""
    if all(domain.startswith(PREFIX) and domain != PREFIX for domain in weights):
        return {domain.removeprefix(PREFIX): weight for domain, weight in weights.items()}
    return weights


class _Strict(yaml.SafeLoader):
    """A SafeLoader that refuses a key that stands twice instead of forgetting the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for i, key in enumerate(keys):
            if key in keys[:i]:
                raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)
