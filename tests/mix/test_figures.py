import numpy as np
import pytest

from gemix.mix.mixture import DomainWeight, Mixture
from gemix.report.figures import mixture_figure, predicted_figure
from gemix.runtime.errors import GemixError

pytest.importorskip("matplotlib")
HEADS = {".png": b"\x89PNG", ".svg": b"<?xml"}


def mixture(known: bool = True) -> Mixture:
    share = 0.5 if known else None
    names = ["costs $5 and $6", "b" * 80]
    return Mixture(strategy="x", domains=[DomainWeight(domain=n, weight=0.5, share=share) for n in names])


@pytest.mark.parametrize("suffix", HEADS)
@pytest.mark.parametrize("known", [True, False])
def test_mixtures_are_drawn_the_same_way_every_time(tmp_path, suffix, known):
    one, two = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    for path in (one, two):
        mixture_figure(mixture(known), path)
    assert one.read_bytes().startswith(HEADS[suffix])
    assert one.read_bytes() == two.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_predictions_are_drawn_against_the_truth(tmp_path):
    y = np.linspace(2, 3, 30)
    predicted_figure(y + 0.1, y, tmp_path / "fit.svg", "loss")
    assert "<svg" in (tmp_path / "fit.svg").read_text()
    with pytest.raises(GemixError, match="3 predictions for 30 runs"):
        predicted_figure(y[:3], y, tmp_path / "fit.svg")


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(GemixError, match=r"figures are \.png or \.svg"):
        mixture_figure(mixture(), tmp_path / "figure.pdf")
    assert not list(tmp_path.iterdir())
