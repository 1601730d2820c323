import pytest

from benchmarks.rounds import LEAST_ROUNDS, Amount, Plan, interleave

PLAN = Plan(rounds=6, iterations=3, warmup=2, seed=1, pause=0)


class Recorder:
    """Turns that write down who ran, in one common log."""

    def __init__(self):
        self.log = []

    def turn(self, name):
        def run(warmup, iterations):
            self.log.append((name, warmup, iterations))
            return [1.0] * iterations

        return run


def test_every_round_holds_one_turn_of_each_contender():
    recorder = Recorder()
    times = interleave({name: recorder.turn(name) for name in "abc"}, PLAN)
    rounds = [recorder.log[i : i + 3] for i in range(0, len(recorder.log), 3)]
    assert len(rounds) == 6
    assert all(sorted(name for name, *_ in turns) == ["a", "b", "c"] for turns in rounds)
    assert all(turn[1:] == (2, 3) for turn in recorder.log)
    assert {name: [len(r) for r in rounds] for name, rounds in times.items()} == dict.fromkeys("abc", [3] * 6)


def test_the_order_changes_between_rounds_and_depends_on_the_seed_alone():
    def order(seed):
        recorder = Recorder()
        interleave({name: recorder.turn(name) for name in "abcd"}, Plan(6, 1, 0, seed, 0))
        return [name for name, *_ in recorder.log]

    first = order(1)
    assert len({tuple(first[i : i + 4]) for i in range(0, 24, 4)}) > 1
    assert first == order(1) != order(2)


def test_times_stay_with_their_contender():
    contenders = {"slow": lambda _, n: [9.0] * n, "fast": lambda _, n: [1.0] * n}
    times = interleave(contenders, PLAN)
    assert times == {"slow": [[9.0] * 3] * 6, "fast": [[1.0] * 3] * 6}


def test_a_turn_with_too_few_times_is_an_error():
    with pytest.raises(ValueError, match="'a': expected 3 times, got 1"):
        interleave({"a": lambda *_: [1.0]}, PLAN)


def test_progress_is_told_after_each_round():
    told = []
    interleave({"a": lambda _, n: [1.0] * n}, PLAN, told.append)
    assert told == [f"round {i} of 6" for i in range(1, 7)]


def test_a_contender_may_have_turns_of_its_own():
    recorder = Recorder()
    times = interleave({name: recorder.turn(name) for name in "ab"}, PLAN, amounts={"b": Amount(0, 1)})
    assert set(recorder.log) == {("a", 2, 3), ("b", 0, 1)}
    assert [len(r) for r in times["b"]] == [1] * 6


def test_no_round_is_begun_that_would_not_end_in_time():
    assert len(interleave({"a": lambda _, n: [1.0] * n}, PLAN, seconds=0)["a"]) == LEAST_ROUNDS
    assert len(interleave({"a": lambda _, n: [1.0] * n}, PLAN, seconds=60)["a"]) == PLAN.rounds
