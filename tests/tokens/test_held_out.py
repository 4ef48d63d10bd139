import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemix.runtime.errors import GemixError
from gemix.tokens import held_out as held_out_module
from gemix.tokens.held_out import held_out, is_held_out, text_place
from gemix.tokens.pieces import pieces


def test_a_share_of_the_documents_is_held_out_by_their_text_alone() -> None:
    texts = [f"text number {i}" for i in range(20_000)]
    some = held_out(texts, 0.05)
    assert some.mean() == pytest.approx(0.05, abs=0.005)
    assert (held_out(texts[::-1], 0.05)[::-1] == some).all()
    assert (some <= held_out(texts, 0.1)).all()
    assert not held_out(texts, 0).any()
    assert [is_held_out(text, 0.05) for text in texts[:500]] == some[:500].tolist()
    for share in (-0.1, 1, np.nan):
        with pytest.raises(GemixError, match="between 0 and 1"):
            held_out(texts, share)


@given(st.text(alphabet="aB \n", max_size=40), st.integers(1, 9))
def test_a_long_text_is_normalised_as_a_short_one(text: str, longest: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_out_module, "pieces", lambda text: pieces(text, longest))
        assert "".join(held_out_module._normal(text)) == " ".join(text.lower().split())


@given(st.text(), st.sampled_from([" ", "\n\n", "\t "]))
def test_copies_are_on_one_side(text: str, space: str) -> None:
    assert text_place(space.join(text.split())) == text_place(text) == text_place(f" {text}\n")
    assert 0 <= text_place(text) < 1
