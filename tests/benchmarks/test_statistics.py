import numpy as np
import pytest

from benchmarks.statistics import difference, ratio, spread, summary


def noisy(rng, level, rounds=12, iterations=8):
    """Rounds whose mood shifts by up to a factor of two, with a little noise inside each."""
    return [list(level * rng.normal(1, 0.01, iterations)) for _ in range(rounds)]


def with_moods(rounds, moods):
    return [[time * mood for time in times] for times, mood in zip(rounds, moods, strict=True)]


def test_summary_counts_every_time_once():
    result = summary([[1.0, 2.0], [3.0, 4.0, 5.0]])
    assert (result.median, result.q1, result.q3, result.least) == (3.0, 2.0, 4.0, 1.0)
    assert (result.count, result.rounds) == (5, 2)


@pytest.mark.parametrize("nothing", [[], [[]]])
def test_summary_of_nothing_is_an_error(nothing):
    with pytest.raises(ValueError, match="no times"):
        summary(nothing)


def test_a_ratio_is_taken_within_rounds_so_moods_cancel():
    rng = np.random.default_rng(0)
    moods = rng.uniform(1, 2, 12)
    slow, fast = (with_moods(noisy(rng, level), moods) for level in (30.0, 10.0))
    found = ratio(slow, fast)
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(3.0, rel=0.02)
    assert found.high - found.low < 0.1


def test_the_interval_of_a_ratio_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        found = ratio(noisy(rng, 20.0, iterations=3), noisy(rng, 10.0, iterations=3))
        held += found.low <= 2.0 <= found.high
    assert 85 <= held <= 100


def test_a_difference_keeps_its_sign():
    found = difference([[5.0], [6.0], [7.0]], [[2.0], [3.0], [4.0]])
    assert (found.value, found.low, found.high) == (3.0, 3.0, 3.0)


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(2)
    a, b = noisy(rng, 3.0), noisy(rng, 2.0)
    assert ratio(a, b, seed=5) == ratio(a, b, seed=5)


def test_equal_contenders_spread_within_noise_and_a_slower_one_does_not():
    rng = np.random.default_rng(3)
    moods = rng.uniform(1, 1.1, 12)
    equal = {name: with_moods(noisy(rng, 10.0), moods) for name in "abcd"}
    assert spread(equal).within_noise
    slower = equal | {"e": with_moods(noisy(rng, 10.5), moods)}
    found = spread(slower)
    assert not found.within_noise
    assert found.share < 0.05
    assert found.observed == pytest.approx(0.5, rel=0.3)
