"""What k-means and its kin make of the same embeddings: fitted for the report, kept in baselines.json."""

import warnings
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from gemix.report import read
from gemix.run.folder import RunFolder
from gemix.runtime.atomic import write_json
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import content_hash
from gemix.runtime.progress import progress

FILE_NAME: Final = "baselines.json"


class Baseline(BaseModel):
    """One clustering of the seed sample.

    Attributes:
        name: of the method.
        masses: share of every cluster, K numbers with sum 1, in what the run balances.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    masses: list[float]


class Baselines(BaseModel):
    """All baselines of a run and what they depend on.

    Attributes:
        version: of this format.
        embeddings: hash of embeddings/seed.npy.
        clusters, balance_by, n_init, seed: settings of the run.
        methods: the baselines.

    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    embeddings: str
    clusters: int
    balance_by: str
    n_init: int
    seed: int
    methods: list[Baseline]


def load_baselines(run: Path) -> list[Baseline]:
    """Return the baselines of a run that were fitted to its present embeddings and settings; none is an empty list.

    Raises:
        GemixError: the file is damaged.

    """
    path = run / FILE_NAME
    if not path.exists():
        return []
    try:
        found = Baselines.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise GemixError(f"{path} holds no baselines: {error}. Remove it to fit them again.") from error
    return found.methods if found == _key(run, found.methods) else []


def fit_baselines(run: Path) -> list[Baseline]:
    """Fit k-means, spherical k-means and the plain vMF mixture to the seed embeddings, unless that has been done.

    K, seed and number of starts are the run's. Masses are of documents, or of tokens where the run balances tokens.

    Raises:
        GemixError: the run has no embeddings, or they are damaged.

    """
    known = load_baselines(run)
    if known:
        return known
    from sklearn.exceptions import ConvergenceWarning

    from gemix.sphere import KMeans, SphericalKMeans, VonMisesFisherMixture, metrics

    config = read.settings(run)
    weights = read.weights(run)
    X = read.seed(run, ["tokens"])[1]
    methods = []
    with progress("baselines", 3, "methods") as advance, warnings.catch_warnings():
        # One that stops early is still what a user of it gets.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, kind in (
            ("k-means", KMeans),
            ("spherical k-means", SphericalKMeans),
            ("von Mises-Fisher mixture", VonMisesFisherMixture),
        ):
            model = kind(config.clusters, n_init=config.n_init, random_state=config.seed).fit(X, sample_weight=weights)
            masses = metrics.masses(model.labels_, config.clusters, weights)
            methods.append(Baseline(name=name, masses=masses.tolist()))
            advance(1)
    write_json(run / FILE_NAME, _key(run, methods).model_dump())
    return methods


def _key(run: Path, methods: list[Baseline]) -> Baselines:
    config = read.settings(run)
    return Baselines(
        embeddings=content_hash(RunFolder(run).embeddings / "seed.npy"),
        clusters=config.clusters,
        balance_by=config.balance_by,
        n_init=config.n_init,
        seed=config.seed,
        methods=methods,
    )
