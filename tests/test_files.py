"""Files written whole or not at all."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from simple_trt.errors import AccuracyError, SimpleTrtError, UsageError
from simple_trt.files import explain_os_error, reported_os_errors, sha256_of, whole_file


def test_whole_file_appears_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    with whole_file(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.suffix == ".json"
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) & 0o444 == 0o444
    assert list(tmp_path.iterdir()) == [target]


def test_failure_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")

    def write_half() -> None:
        with whole_file(target) as temporary:
            temporary.write_text("half")
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "disk full"),
        (errno.EDQUOT, "disk full"),
        (errno.EFBIG, "disk full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.ENOTDIR, "a file, not a folder"),
        (errno.ENOENT, "there is no folder 'out'"),
        (errno.EIO, "cannot write"),
    ],
)
def test_every_cause_has_a_cure(number: int, said: str) -> None:
    error = explain_os_error(OSError(number, "x"), "out/a.json")
    assert said in error.cause
    assert "out/a.json" in error.cause
    assert error.cure


def test_broken_pipe_is_nobodys_fault() -> None:
    with pytest.raises(BrokenPipeError), reported_os_errors("a"):
        raise BrokenPipeError


def test_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256_of(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_errors_read_well() -> None:
    assert str(SimpleTrtError("it broke.", "mend it")) == "it broke. mend it"
    assert str(SimpleTrtError("it broke")) == "it broke"
    assert (SimpleTrtError.exit_code, UsageError.exit_code, AccuracyError.exit_code) == (1, 2, 3)
