"""Scripts: a job's work as a generator that says what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Literal, TypeVar

from webui.engine.models.manager import NoRoom

T = TypeVar("T")

Wait = Literal["turn", "images", "room"]
"""What a script waits for: its next turn, its images in the step loop, or memory others hold."""

Script = Generator[Wait, None, T]


def patiently(work: Callable[[], T]) -> Script[T]:
    """``work()`` on the next turn; again whenever there is more room, while there is none."""
    yield "turn"
    while True:
        try:
            return work()
        except NoRoom:
            pass
        yield "room"


def while_wanted(work: Script[T], is_ended: Callable[[], bool]) -> Script[T | None]:
    """What ``work`` makes; None where ``is_ended()`` between two of its turns, and it is closed."""
    try:
        while not is_ended():
            try:
                wait = next(work)
            except StopIteration as end:
                return end.value
            yield wait
    finally:
        work.close()
    return None
