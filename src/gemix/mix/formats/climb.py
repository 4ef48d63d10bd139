"""CLIMB's mixtures (NVIDIA-NeMo/Curator, nemotron-climb-data-curation, n<i>.sh): a script that prints a Megatron blend.

Between `cat <<EOF` and `EOF` every line is a weight and the path of a tokenised domain without its suffix; the domain
is the last part of the path. Domains of weight 0 are left out. The script is parsed, never run.
"""

from collections.abc import Mapping

from gemix.mix.formats import numbers


def read(text: str) -> dict[str, float]:
    """Return the weights; domains that are not there are up to the caller.

    Raises:
        ValueError: a line that is not "weight path", a domain twice, or no domain.

    """
    weights: dict[str, float] = {}
    for i, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if (
            not line
            or line.startswith("#")
            or line == "EOF"
            or line.split() in (["cat", "<<EOF"], ["cat", "<<", "EOF"])
        ):
            continue
        cells = line.split()
        try:
            value = float(cells[0])
            if len(cells) != 2:
                raise ValueError
        except ValueError:
            raise ValueError(f"line {i} is not a weight and a path: {line!r}") from None
        domain = cells[1].rstrip("/").rsplit("/", 1)[-1]
        if not domain or domain in weights:
            raise ValueError(f"line {i}: domain {domain!r} {'stands twice' if domain else 'has no name'}")
        weights[domain] = numbers.weight(value, domain)
    if not weights:
        raise ValueError("no line with a weight and a path")
    return weights


def write(weights: Mapping[str, float]) -> str:
    """Return the script; paths are the bare domains, to be prefixed with the folder of the tokenised data.

    Raises:
        ValueError: a domain whose name would change what the script prints.

    """
    lines = []
    for domain, weight in weights.items():
        if domain == "EOF" or not domain or any(c.isspace() or c in "$`\\/#" for c in domain):
            raise ValueError(f"domain {domain!r} cannot stand in a shell script: no spaces, $, `, \\, / or #")
        if weight > 0:
            lines.append(f"{float(weight)!r} {domain}\n")
    return "#!/bin/bash\ncat <<EOF\n" + "".join(lines) + "EOF\n"
