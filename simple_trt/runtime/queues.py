"""Short queues between threads: what a live source has too much of is dropped, oldest first; a file's thread waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

__all__ = ["Queues"]

T = TypeVar("T")
LIVE_DEPTH = 1  # the newest frame alone: any other would be answered later than it need be
FILE_DEPTH = 4  # enough that nobody waits for a thread that was held up for a moment


class Queues(Generic[T]):
    """One queue for each of several producers, all emptied by one consumer.

    Args:
        live: for each producer, whether its oldest items are dropped where there is no room.
        depth: room in a queue that drops nothing.
    """

    def __init__(self, live: Sequence[bool], depth: int = FILE_DEPTH) -> None:
        self._items: list[deque[T]] = [deque() for _ in live]
        self._live = list(live)
        self._depth = depth
        self._open = [True] * len(self._items)
        self._aborted = False
        self._next = 0
        self._changed = threading.Condition()

    def put(self, which: int, item: T) -> int:
        """Add an item; returns how many were dropped for it. Waits for room where nothing may be dropped."""
        items = self._items[which]
        with self._changed:
            if self._live[which]:
                dropped = max(len(items) - LIVE_DEPTH + 1, 0)
                for _ in range(dropped):
                    items.popleft()
            else:
                dropped = 0
                self._changed.wait_for(lambda: len(items) < self._depth or self._aborted)
            if not self._aborted:
                items.append(item)
            self._changed.notify_all()
            return dropped

    def take(self, most: int) -> list[tuple[int, T]]:
        """Up to `most` items with their producers' numbers, from all in turn; waits for the first of them.

        Returns:
            nothing when all queues are closed and empty, or the work is aborted.
        """
        with self._changed:
            self._changed.wait_for(lambda: any(self._items) or not any(self._open) or self._aborted)
            taken: list[tuple[int, T]] = []
            while len(taken) < most and any(self._items) and not self._aborted:
                which = self._turn()
                taken.append((which, self._items[which].popleft()))
            self._changed.notify_all()
            return taken

    def close(self, which: int) -> None:
        """Nothing more will be put there."""
        with self._changed:
            self._open[which] = False
            self._changed.notify_all()

    def abort(self) -> None:
        """Throw all away; nobody waits any more."""
        with self._changed:
            self._aborted = True
            for items in self._items:
                items.clear()
            self._changed.notify_all()

    def _turn(self) -> int:
        """The next producer, after the one that was served last, that has something."""
        count = len(self._items)
        which = next(i % count for i in range(self._next, self._next + count) if self._items[i % count])
        self._next = (which + 1) % count
        return which
