"""GEM inside GEM: domains inside domains, balanced at every level."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from gemix.sphere.branches import branches, check_sizes, flat, name, part
from gemix.sphere.estimator import SphereClusterer
from gemix.sphere.gem import GEM
from gemix.sphere.metrics import masses as shares
from gemix.sphere.scores import softmax
from gemix.sphere.storage import load_arrays, save_arrays


class HierarchicalGEM(SphereClusterer):
    """A tree of `gemix.GEM` models: one splits the documents, one more splits the documents of each of its domains.

    Branches are hard: a model is fitted to the documents that its parent assigns to its domain, and to no others. So
    every model is balanced over exactly the documents that `predict` sends to it, and a level costs what one fit to
    all documents costs, whatever the number of branches; weighting all documents by responsibilities would cost that
    for every branch, to move the few documents that lie between two domains.

    A domain has a path, its number at each level, and a label: paths counted with the last level fastest, from 0 to
    prod(n_clusters) - 1.

    Memory: X is read a branch at a time. Beside a few numbers a document, a fit or prediction holds a copy of the rows
    of one branch (in the type of X), and at the first level none: X may be a float16 memory map.

    Args:
        n_clusters: domains at each level inside a domain of the level above; an integer stands for one level.
        balance: as in `GEM`, within each branch, where masses are shares of the branch; "auto" is resolved for each
            branch, whose kappa is larger than that of the whole.
        target: "uniform" or "tempered", within each branch.
        temper, solver, concentration, prior_strength, n_init, max_iter, tol, max_sweeps, device: as in `GEM`. (There is
            no `distributed`: a process may hold no document of a branch. A `checkpoint` is of one model.)
        random_state: seed; each branch has a seed of its own from it.

    Attributes:
        children_: the fitted models by path: `children_[()]` splits all documents, `children_[3,]` those of domain 3
            (`labels_` of a child are of its branch's documents, in their order).
        shape_: `n_clusters` as a tuple.
        paths_: domains of the training rows at each level, (n, levels) int32.
        labels_: the same as one number, (n,) int32.
        masses_: masses of the domains of the last level, (prod,) float64: share of the branch times mass inside it.
        sizes_: share of the weight of the rows with each label, (prod,) float64.
        mean_directions_, concentrations_: of the domains of the last level, (prod, d) and (prod,) float64.
        n_iter_: most iterations of any model.
        converged_: whether all models reached `tol`.

    Raises (fit):
        ValueError: what `GEM.fit` raises, or a branch has fewer documents than the domains that it is to hold: the
            branches are named, before any of their level is fitted. They are never given fewer domains instead, which
            would leave labels without documents for everything that follows.

    """

    shape_: tuple[int, ...]
    children_: dict[tuple[int, ...], GEM]
    _facts: ClassVar[tuple[str, ...]] = ("shape", "n_iter", "converged")
    _saved: ClassVar[tuple[str, ...]] = (
        "mean_directions_",
        "concentrations_",
        "masses_",
        "sizes_",
        "labels_",
        "paths_",
    )

    def __init__(
        self,
        n_clusters: int | Sequence[int] = (24, 16),
        *,
        balance: float | Literal["auto"] = "auto",
        target: Literal["uniform", "tempered"] = "uniform",
        temper: float = 0.5,
        solver: Literal["exact", "mm"] = "exact",
        concentration: Literal["free", "shared"] = "free",
        prior_strength: float = 20.0,
        n_init: int = 1,
        max_iter: int = 1000,
        tol: float = 1e-4,
        max_sweeps: int = 100,
        device: str | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_clusters: Any = n_clusters
        self.balance = balance
        self.target = target
        self.temper = temper
        self.solver = solver
        self.concentration = concentration
        self.prior_strength = prior_strength
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.max_sweeps = max_sweeps
        self.device = device
        self.random_state = random_state

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether a fit came to its end: what validation alone sets does not count."""
        return hasattr(self, "children_")

    def _shape(self) -> tuple[int, ...]:
        """Return the domains a branch at each level."""
        shape = (self.n_clusters,) if isinstance(self.n_clusters, int | np.integer) else self.n_clusters
        try:
            found = tuple(shape)
        except TypeError:
            found = ()
        if not found or not all(isinstance(k, int | np.integer) and k >= 1 for k in found):
            raise ValueError(f"n_clusters must be positive integers, one a level, not {self.n_clusters!r}")
        return tuple(int(k) for k in found)

    def fit(self, X: ArrayLike, y: None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Fit level by level.

        Args:
            X: (n, d), as `GEM.fit` takes it.
            y: ignored.
            sample_weight: (n,) >= 0, for example token counts; only ratios inside a branch matter there.

        """
        shape = self._shape()
        if not isinstance(self.target, str):
            raise ValueError(f'target must be "uniform" or "tempered" for every level, not {self.target!r}')
        rows = self._check_rows(X, reset=True)
        weights = np.ones(len(rows))
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
        used = int(np.count_nonzero(weights))
        if used < np.prod(shape):
            # scikit-learn's own wording, which its checks of other clusterers look for.
            raise ValueError(f"n_samples={used} should be >= n_clusters={np.prod(shape)}")
        shared = {key: value for key, value in self.get_params().items() if key not in ("n_clusters", "random_state")}
        random = check_random_state(self.random_state)
        children: dict[tuple[int, ...], GEM] = {}
        paths = np.zeros((len(rows), len(shape)), dtype=np.int32)
        for level, k in enumerate(shape):
            found = list(branches(paths, shape[:level]))
            check_sizes(found, weights, k)
            masses = []
            for path, index in found:
                # The first model draws what GEM alone would draw.
                seed = int(random.randint(2**31 - 1)) if path else self.random_state
                model = GEM(k, random_state=seed, **shared)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)  # one for the tree, below
                    model.fit(part(rows, index), sample_weight=None if sample_weight is None else weights[index])
                paths[index, level] = model.labels_
                children[path] = model
                masses.append(weights[index].sum() / weights.sum() * model.masses_)
        last = [children[path] for path in np.ndindex(shape[:-1])]
        self.shape_, self.children_, self.paths_ = shape, children, paths
        self.labels_ = flat(paths, shape)
        self.masses_ = np.concatenate(masses)
        self.sizes_ = shares(self.labels_, int(np.prod(shape)), weights)
        self.mean_directions_ = np.concatenate([model.mean_directions_ for model in last])
        self.concentrations_ = np.concatenate([model.concentrations_ for model in last])
        self.n_iter_ = max(model.n_iter_ for model in children.values())
        late = [path for path, model in children.items() if not model.converged_]
        self.converged_ = not late
        if late:
            warnings.warn(
                f"{len(late)} of {len(children)} models did not converge to tol={self.tol}; "
                f"the first is that of {f'branch {name(late[0])}' if late[0] else 'the root'}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def predict_path(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the domain of each row of X at each level, (n, levels) int32, each the best inside the one above."""
        check_is_fitted(self)
        shape = self.shape_
        rows = self._check_rows(X, reset=False)
        paths = np.zeros((len(rows), len(shape)), dtype=np.int32)
        for level in range(len(shape)):
            for path, index in branches(paths, shape[:level]):
                if len(index):
                    paths[index, level] = self.children_[path].predict(part(rows, index))
        return paths

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Return the label of each row's path, (n,) int32.

        For a row between two domains of a level it may differ from the largest of `predict_proba`: it is what keeps
        every level balanced.
        """
        return flat(self.predict_path(X), self.shape_)

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Return the product of the responsibilities along each path, (n, prod), in the dtype of `GEM.predict_proba`.

        Memory: the result, 4 or 8 bytes times n times prod(n_clusters); every model is asked about every row.
        """
        check_is_fitted(self)
        shape = self.shape_
        rows = self._rows(self._check_rows(X, reset=False))
        out = np.empty((rows.n, int(np.prod(shape))), dtype=rows.dtype)
        for chunk in rows.slices(out.shape[1]):
            product = np.ones((chunk.stop - chunk.start, 1), dtype=rows.dtype)
            for level, k in enumerate(shape):
                inside = [
                    softmax(self.children_[path]._adjusted_scores(rows, chunk), np.zeros(k))[0]
                    for path in np.ndindex(shape[:level])
                ]
                product = np.repeat(product, k, axis=1) * np.hstack(inside)
            out[chunk] = product
        return out

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write model.safetensors and config.json, with all models of the tree, to `folder`; `load` reads them."""
        check_is_fitted(self)
        config: dict[str, Any] = self._description() | {
            "children": {name(path): model._description() for path, model in self.children_.items()}
        }
        if not isinstance(self.n_clusters, int | np.integer):
            config["parameters"]["n_clusters"] = [int(k) for k in self.n_clusters]
        arrays = self._arrays()
        for path, model in self.children_.items():
            arrays |= model._arrays(f"{name(path)}/")
        save_arrays(Path(folder), arrays, config)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote. Raises ValueError when files are missing, damaged or of another class."""
        arrays, config = load_arrays(Path(folder))
        cls._check_kind(folder, config)
        model = cls._restored(config, arrays)
        model.shape_ = tuple(model.shape_)
        if not isinstance(model.n_clusters, int):
            model.n_clusters = tuple(model.n_clusters)
        model.children_ = {}
        for where, child in config["children"].items():
            path = tuple(int(step) for step in where.split("/") if step)
            model.children_[path] = GEM._restored(child, arrays, f"{where}/")
        return model
