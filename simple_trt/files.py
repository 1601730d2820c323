"""Files written whole or not at all, their hashes, and what a failed write means to the person who asked for it."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simple_trt.errors import SimpleTrtError

__all__ = ["NO_SPACE", "explain_os_error", "reported_os_errors", "sha256_of", "whole_file"]

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}


def sha256_of(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def explain_os_error(error: OSError, path: str | os.PathLike[str]) -> SimpleTrtError:
    """The cause and the cure of an operating system error met while writing to `path`."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in NO_SPACE:
        return SimpleTrtError(
            f"disk full: cannot write '{path}' ({reason})", "free some space or choose another folder"
        )
    if error.errno in NO_PERMISSION:
        return SimpleTrtError(f"no permission to write '{path}' ({reason})", "choose a folder that you may write to")
    if error.errno == errno.ENOTDIR:
        return SimpleTrtError(
            f"cannot write '{path}': a part of its path is a file, not a folder", "choose another path"
        )
    if error.errno == errno.ENOENT:
        return SimpleTrtError(
            f"cannot write '{path}': there is no folder '{Path(path).parent}'", "make the folder first"
        )
    return SimpleTrtError(f"cannot write '{path}' ({reason})", "choose another path")


@contextmanager
def reported_os_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn any OSError raised inside into a SimpleTrtError about writing `path`; a broken pipe passes as it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise explain_os_error(error, path) from error


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path`, moved onto it when the block ends well and removed when it does not.

    Raises:
        SimpleTrtError: the folder cannot be written to, or the disk is full.
    """
    target = Path(path)
    with reported_os_errors(target):
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(target)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()


def _umask() -> int:
    """The process's file mode mask; it can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
