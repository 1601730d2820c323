"""Where an engine is made: a hidden folder beside its destination, moved into place at the end and never left behind.

A build that is killed outright leaves its folder; the next build of the same engine removes it. A lock, which the
system drops when a process dies in whatever way, tells a dead build's folder from one that is being filled right now.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from simple_trt.engines.manifest import manifest_path
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import NO_SPACE, explain_os_error, reported_os_errors

__all__ = ["BuildFolder", "build_folder"]

NO_ROOM = 1 << 20


class BuildFolder:
    """A folder to work in, and the way out of it.

    Args:
        path: the folder, on the same file system as `out`.
        out: where the plan will be; its manifest goes beside it.
        force: what stands at `out` may be replaced.
        with_manifest: a manifest goes beside the plan; without it `out` is a file by itself.
    """

    def __init__(self, path: Path, out: Path, force: bool, with_manifest: bool) -> None:
        self.path = path
        self.plan = path / "engine" / out.name  # a folder of its own: no intermediate file can have its name
        self.plan.parent.mkdir()
        self.out = out
        self._force = force
        self._with_manifest = with_manifest

    def publish(self) -> None:
        """Move the plan and its manifest to their places.

        An old manifest goes first and the new one comes last: whenever this stops, what stands at `out` is either the
        old engine, the new one, or a plan that the loader refuses for want of a manifest.

        Raises:
            UsageError: something stands at `out` and may not be replaced.
        """
        _refuse_existing(self.out, self._force, self._with_manifest)
        with _signals_held(), reported_os_errors(self.out):
            if self._with_manifest:
                with suppress(FileNotFoundError):
                    manifest_path(self.out).unlink()
            self.plan.replace(self.out)
            if self._with_manifest:
                manifest_path(self.plan).replace(manifest_path(self.out))


@contextmanager
def build_folder(out: Path, force: bool, with_manifest: bool = True) -> Iterator[BuildFolder]:
    """A fresh folder beside `out`, removed in the end whatever happens. Arguments as for `BuildFolder`.

    Raises:
        UsageError: `out` is a folder, or exists already and `force` is not given.
        SimpleTrtError: the place cannot be written to, or the disk fills up inside the block.
    """
    if out.is_dir():
        raise UsageError(f"'{out}' is a folder", "give the name of a file: -o DIR/NAME.engine")
    _refuse_existing(out, force, with_manifest)
    with ExitStack() as stack:
        with reported_os_errors(out):
            path = stack.enter_context(_fresh_folder(out))
        try:
            yield BuildFolder(path, out, force, with_manifest)
        except SimpleTrtError:
            raise
        except Exception as error:
            full = _disk_full(error, path)
            if full is None:
                raise
            raise explain_os_error(full, out) from error


def _refuse_existing(out: Path, force: bool, with_manifest: bool) -> None:
    """Raises UsageError when what is to be written exists and may not be replaced."""
    for path in (out, manifest_path(out)) if with_manifest else (out,):
        if not force and os.path.lexists(path):
            raise UsageError(f"'{path}' exists already", "give --force to replace it, or another name with -o")


def _disk_full(error: Exception, folder: Path) -> OSError | None:
    """`error` as the disk being full, which libraries report in their own ways; None when it is something else."""
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        return error
    full = shutil.disk_usage(folder).free < NO_ROOM
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) if full else None


@contextmanager
def _fresh_folder(out: Path) -> Iterator[Path]:
    prefix = f".{out.name}.building-"
    with _locked(out.parent):  # one build at a time makes and clears folders, so that a fresh one is never unlocked
        _remove_stale(out.parent, prefix)
        path = Path(tempfile.mkdtemp(dir=out.parent, prefix=prefix))
        lock = _lock(path, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _remove_stale(parent: Path, prefix: str) -> None:
    for path in parent.glob(f"{_literal(prefix)}*"):
        try:
            lock = _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # its build is alive, or it is not ours
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _literal(text: str) -> str:
    """`text` as a pattern that matches itself alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    lock = _lock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path, how: int) -> int:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, how)
    except BaseException:
        os.close(handle)
        raise
    return handle


@contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C and the polite kill wait until the block is over."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
