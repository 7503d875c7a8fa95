"""Let one thing be made while the one before it is used."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


def prefetch(items: Iterable[T], *, depth: int) -> Generator[T, None, None]:
    """Produce items in a thread, at most `depth` ahead of the consumer.

    An exception in the thread is raised here, in its place among the items. Closing the
    generator stops the thread and waits for it, so no thread outlives its consumer.

    >>> list(prefetch(range(3), depth=1))
    [0, 1, 2]
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, got {depth}; a queue of 0 has no bound")
    ready: queue.Queue[T | _Ended] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def put(item: T | _Ended) -> None:
        while not stop.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def produce() -> None:
        try:
            for item in items:
                if stop.is_set():
                    return
                put(item)
            put(_Ended(None))
        except BaseException as error:  # noqa: BLE001 - handed to the consumer
            put(_Ended(error))

    thread = threading.Thread(target=produce, name="mmras-prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _Ended):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join()  # before the decoder is closed: FFmpeg crashes if freed while decoding


@dataclass(frozen=True, slots=True)
class _Ended:
    error: BaseException | None
