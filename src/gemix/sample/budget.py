"""How many tokens each domain owes: whole epochs and a part of one more."""

from collections.abc import Sequence
from dataclasses import dataclass

from gemix.mix.domain_ids import domain_key, find_domains, shown
from gemix.mix.mixture import Mixture
from gemix.runtime.errors import GemixError


@dataclass(frozen=True)
class Budget:
    """What the sample takes of one domain.

    Attributes:
        domain: its number in the sidecars.
        name: what people call it.
        weight: its token share in the mixture.
        available: its tokens in the corpus.
        target: tokens that the mixture asks for.
        full: how often every document is taken.
        rest: tokens of one more, partial epoch: less than `available`.
        phases: weight of the domain and share of the whole of each phase; empty: there is one.

    """

    domain: int
    name: str
    weight: float
    available: int
    target: int
    full: int
    rest: int
    phases: tuple[tuple[float, float], ...] = ()

    @property
    def epochs(self) -> float:
        """Length of the domain's stream in passes over it."""
        return self.full + self.rest / self.available


def token_budgets(
    mixture: Mixture, names: Sequence[str], available: Sequence[int], tokens: int, max_epochs: int
) -> list[Budget]:
    """Return the budget of every domain that the mixture uses, in the order of their numbers.

    The target of domain k is weight_k x `tokens`; what exceeds `max_epochs` passes over the domain is left out.

    Args:
        mixture: Weights by key; names will do where they are unambiguous.
        names: Names of the labels' domains by number, (K,).
        available: Tokens of each in the corpus, (K,).
        tokens: Size of the sample.
        max_epochs: How often a document may be taken.

    Raises:
        GemixError: a domain of the mixture is unknown or has no tokens, or `tokens` or `max_epochs` is below 1.

    """
    if tokens < 1 or max_epochs < 1:
        raise GemixError(f"a sample needs at least 1 token and 1 epoch, not {tokens:,} and {max_epochs}")
    used = [entry for entry in mixture.domains if entry.weight > 0]
    keys = [domain_key(number) for number in range(len(names))]
    try:
        places = find_domains([entry.domain for entry in used], keys, names)
    except ValueError as error:
        raise GemixError(f"the mixture: {error}") from error
    wanted = {place: entry.weight for place, entry in zip(places, used, strict=True)}
    rows = {entry.domain: k for k, entry in enumerate(mixture.domains)}
    phases = {
        place: tuple((phase.weights[rows[entry.domain]], phase.share) for phase in mixture.phases)
        for place, entry in zip(places, used, strict=True)
    }
    unknown = [entry.domain for place, entry in zip(places, used, strict=True) if place is None]
    if unknown:
        raise GemixError(
            f"the mixture has domains that the labels have not: {', '.join(map(repr, unknown))}; "
            f"the labels' domains are {', '.join(map(shown, keys, names))}"
        )
    budgets: list[Budget] = []
    for domain, name in enumerate(names):
        if domain not in wanted:
            continue
        if not available[domain]:
            raise GemixError(
                f"the mixture gives {wanted[domain]:.4g} to {shown(keys[domain], name)}, which has no documents here"
            )
        target = round(wanted[domain] * tokens)
        full, rest = divmod(min(target, max_epochs * available[domain]), available[domain])
        budgets.append(Budget(domain, name, wanted[domain], available[domain], target, full, rest, phases[domain]))
    return budgets
