"""The stages of a build: a line each; live text on a terminal only."""

from __future__ import annotations

import io
import re

import pytest

from simple_trt.export.build_progress import Stages


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_a_stage() -> None:
    stream = io.StringIO()
    stages = Stages(2, stream)
    with stages.stage("export") as stage:
        stage.progress("half", 0.5)
        stage.say("done well")
    with stages.stage("write"):
        pass
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"\[1/2\] export     done well \(\d+\.\d s\)", first)
    assert second.startswith("[2/2] write ")
    assert set(stages.seconds) == {"export", "write"}


def test_live_text_is_wiped_at_the_end() -> None:
    stream = Terminal()
    with Stages(1, stream).stage("compile") as stage:
        stage.progress("Building engine", 0.25)
    assert "[#####...............]  25% Building engine" in stream.getvalue()
    assert stream.getvalue().rpartition("\x1b[K")[2].startswith("[1/1] compile")


def test_failed_stage_prints_no_line() -> None:
    stream = io.StringIO()
    with pytest.raises(RuntimeError), Stages(1, stream).stage("compile"):
        raise RuntimeError
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("done", "bar"), [(-1.0, "." * 20), (0.999, "#" * 19 + "."), (1.0, "#" * 20), (7.0, "#" * 20)])
def test_bar_stays_in_its_frame(done: float, bar: str) -> None:
    stream = Terminal()
    with Stages(1, stream).stage("compile") as stage:
        stage.progress("Building engine", done)
    assert f"[{bar}]" in stream.getvalue()


def test_live_line_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that wraps could not be wiped: only its last row would be."""
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    with Stages(1, stream).stage("compile") as stage:
        stage.progress("a phase with a long name", 0.5)
        live = [text.lstrip("\r") for text in stream.getvalue().split("\x1b[K")]
    assert max(map(len, live)) <= 39


def test_what_is_shown_already_is_not_printed_again() -> None:
    stream = Terminal()
    with Stages(1, stream).stage("compile") as stage:
        before = len(stream.getvalue())
        for _ in range(1000):
            stage.progress("Building engine", 0.5)
        assert stream.getvalue()[before:].count("50%") == 1
