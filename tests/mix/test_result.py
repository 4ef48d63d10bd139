import json
from pathlib import Path

import numpy as np
import pytest

from gemix.mix.formats import mixture_json
from gemix.mix.grounds import by_hand
from gemix.mix.mixture import Mixture
from gemix.mix.partition import Partition
from gemix.mix.result import make_mixture

WHY = by_hand("for a test")


def partition() -> Partition:
    return Partition(["a", "b", "c"], np.array([1, 2, 0]), np.array([10, 30, 0]), np.zeros(3), np.ones(3))


def test_the_mixture_holds_shares_and_epochs():
    mixture = make_mixture("natural", [1, 2, 1], partition(), WHY, 80, surrogate={"kind": "gp"}, provenance={"seed": 3})
    assert mixture.weights == pytest.approx([0.25, 0.5, 0.25])
    assert [entry.share for entry in mixture.domains] == [0.25, 0.75, 0.0]
    assert [entry.epochs for entry in mixture.domains] == [2.0, pytest.approx(4 / 3), None]
    assert mixture.provenance == {"domains_sha256": partition().fingerprint, "seed": 3}
    assert [entry.epochs for entry in make_mixture("natural", [1, 2, 1], partition(), WHY).domains] == [None] * 3


def test_mixture_json_survives_the_round_trip():
    mixture = make_mixture("regmix", np.random.default_rng(0).dirichlet(np.ones(3)), partition(), WHY, 80)
    text = mixture_json.dump(mixture)
    assert mixture_json.parse(text) == mixture
    assert json.loads(text)["schema"] == 3


@pytest.mark.parametrize("weights", [[1, 2], [1, -1, 1], [0, 0, 0], [np.nan, 1, 1]])
def test_bad_weights_are_refused(weights):
    with pytest.raises(ValueError, match="finite weights >= 0"):
        make_mixture("x", weights, partition(), WHY)


def test_the_schema_of_the_file_is_in_the_docs():
    page = Path(__file__).parents[2] / "docs" / "mixture.schema.json"
    assert json.loads(page.read_text()) == Mixture.model_json_schema()
