import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemix.mix.excess import read_excess
from gemix.mix.strategies.doremi import DoReMi, doremi_replay, excess_loss


def test_excess_is_clipped_per_token_then_averaged():
    proxy = [3.0, 1.0, 5.0, 2.0]
    reference = [2.0, 4.0, 4.0, 2.5]
    # Domain 0: tokens 1 and -3, clipped to 1 and 0; clipping the mean would give 0.
    assert excess_loss(proxy, reference, [0, 0, 1, 2], 4) == pytest.approx([0.5, 1.0, 0.0, np.nan], nan_ok=True)


def test_one_step_by_hand():
    state = DoReMi.start([0.5, 0.5]).step(np.array([np.log(3), 0.0]), eta=1.0, smoothing=0.1)
    assert state.weights == pytest.approx([0.9 * 0.75 + 0.05, 0.9 * 0.25 + 0.05])
    assert state.average == pytest.approx(state.weights)


@settings(deadline=None)
@given(st.integers(2, 8), st.integers(1, 15), st.integers(0, 10**6), st.sampled_from([0.1, 1.0, 50.0]))
def test_replay_agrees_with_the_algorithm_written_out(k, steps, seed, scale):
    random = np.random.default_rng(seed)
    excess = random.exponential(scale, (steps, k))
    excess[random.random((steps, k)) < 0.3] = np.nan
    alpha, total, last = np.full(k, 1 / k), np.zeros(k), np.zeros(k)
    for row in excess:
        last = np.where(np.isnan(row), last, row)
        raised = alpha * np.exp(last - last.max())
        alpha = (1 - 1e-3) * raised / raised.sum() + 1e-3 / k
        total += alpha
    state = doremi_replay(excess, np.ones(k))
    assert state.weights == pytest.approx(alpha, rel=1e-9)
    assert state.average == pytest.approx(total / steps, rel=1e-9)
    assert state.average.sum() == pytest.approx(1)
    assert state.weights.min() >= 1e-3 / k * (1 - 1e-9)
    assert state.steps == steps


def test_absent_domains_keep_their_last_excess_and_start_at_0():
    first = DoReMi.start(np.ones(3)).step(np.array([1.0, np.nan, 0.0]))
    assert first.weights[1] == pytest.approx(first.weights[2])
    second = first.step(np.array([np.nan, 1.0, 0.0]))
    assert second.excess.tolist() == [1.0, 1.0, 0.0]
    assert np.log(second.weights[0] / second.weights[2]) == pytest.approx(2.0, abs=0.02)


def test_equal_excess_changes_nothing():
    state = doremi_replay(np.full((5, 3), 0.7), [0.2, 0.3, 0.5], smoothing=0.0)
    assert state.average == pytest.approx([0.2, 0.3, 0.5])


@pytest.mark.parametrize(
    ("excess", "start", "message"),
    [
        (np.array([[0.0, -1.0]]), [1, 1], "step 0: excess losses are finite and >= 0"),
        (np.array([[0.0, 1.0], [np.inf, 1]]), [1, 1], "step 1"),
        (np.zeros((0, 2)), [1, 1], "at least one step"),
        (np.zeros((1, 2)), [1, 0], "positive weights"),
    ],
)
def test_bad_records_are_refused(excess, start, message):
    with pytest.raises(ValueError, match=message):
        doremi_replay(excess, start)


@pytest.mark.parametrize(
    ("proxy", "domain", "message"),
    [([1.0], [2], "domains must be 0 to 1"), ([np.nan], [0], "finite"), ([1.0, 2.0], [0], "one shape")],
)
def test_bad_tokens_are_refused(proxy, domain, message):
    with pytest.raises(ValueError, match=message):
        excess_loss(proxy, np.ones(len(proxy)), domain, 2)


def test_records_are_read_by_name(tmp_path):
    path = tmp_path / "excess.csv"
    path.write_text("step,b,a\n10,0.5,0.25\n20,,1\n")
    table, sha256 = read_excess(path, ["a", "b"])
    assert table == pytest.approx(np.array([[0.25, 0.5], [1, np.nan]]), nan_ok=True)
    assert len(sha256) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step,a\n1,1\n", "missing: b; unknown: none"),
        ("step,a,b,c\n1,1,1,1\n", "missing: none; unknown: c"),
        ("step,a,b\n2,1,1\n1,1,1\n", "row 3: step 1 does not follow"),
        ("step,a,b\n1,x,1\n", "row 2: a must be a number, not 'x'"),
        ("step,a,b\n,1,1\n", "row 2: step must be a number"),
    ],
)
def test_bad_record_files_name_the_row(tmp_path, text, message):
    path = tmp_path / "excess.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_excess(path, ["a", "b"])
