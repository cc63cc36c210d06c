"""How much one user may have waiting and how often they may ask: the limits of a shared server."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from webui.core.errors import InvalidRequest, TooMany
from webui.core.measure import Measure
from webui.core.requests import (
    DrawRequest,
    Img2Img,
    Request,
    Series,
    Upscale,
    keeps_size,
    made_size,
)
from webui.core.results import Caller
from webui.jobs.record import Job
from webui.settings.sections import Limits

_MAX_BUCKETS = 10_000  # users and addresses whose submissions are counted
_COUNTED = "pictures × width × height, the start picture's where only what is masked is drawn"

Start = Callable[[str], float]
"""How many seconds it takes until a waiting job, by its id, is likely to begin."""
StartSize = Callable[[str], tuple[int, int]]
"""Width and height of a start picture, by its id."""


def not_known(_input_id: str) -> tuple[int, int]:
    """No picture's size."""
    return 0, 0


class Limiter:
    """Says whether a caller may submit. Not thread-safe: the queue holds its lock.

    Every refusal names the limit, its value and what to do. ``limits`` may be replaced at any time.
    ``start_size`` gives the size of a start picture by its id.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        start_size: StartSize = not_known,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._start_size = start_size
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def limits_for(self, caller: Caller) -> Limits | None:
        """The limits that this caller is held to; None for none."""
        exempt = caller.is_admin and not self.limits.administrators
        return None if exempt else self.limits

    def spend(self, caller: Caller) -> None:
        """Count a submission; ``TooMany`` when there were too many within a minute.

        A token bucket: ``per_minute`` at once, then one each 60 / ``per_minute`` seconds. Counted
        by user, and by address where several people may share a user (``Caller.address``).
        """
        limits = self.limits_for(caller)
        if limits is None or not limits.per_minute:
            return
        most, now = float(limits.per_minute), self._clock()
        key = (caller.user, caller.address)
        left, then = self._buckets.get(key, (most, now))
        left = min(most, left + (now - then) * most / 60)
        if left < 1:
            wait = (1 - left) * 60 / most
            raise TooMany(
                f"You may submit {limits.per_minute} times a minute; wait a moment and try again.",
                retry_after=wait,
            )
        self._buckets[key] = (left - 1, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > _MAX_BUCKETS:
            self._buckets.popitem(last=False)

    def refund(self, caller: Caller) -> None:
        """Take a counted submission back: it was another's repetition, which does not count."""
        key = (caller.user, caller.address)
        if key in self._buckets:
            left, then = self._buckets[key]
            self._buckets[key] = (left + 1, then)

    def check(
        self,
        caller: Caller,
        requests: Sequence[Request],
        waiting: Sequence[Job],
        start: Start,
    ) -> None:
        """Whether ``requests`` may join the caller's own ``waiting`` jobs (in their order).

        ``TooMany`` says when that is likely; ``InvalidRequest`` that it never is, as they alone are
        more than what may wait. ``start`` estimates when a waiting job begins.
        """
        limits = self.limits_for(caller)
        if limits is not None:
            _check_jobs(limits.waiting_jobs, len(requests), waiting, start)
            if limits.waiting_megapixels:
                new = sum(pixels(one, self._start_size) for one in requests)
                old = [(job, pixels(job.request, self._start_size)) for job in waiting if new]
                _check_pixels(limits.waiting_megapixels, new, old, start)


def _check_jobs(most: int, new: int, waiting: Sequence[Job], start: Start) -> None:
    if not most:
        return
    if new > most:
        raise InvalidRequest(
            f"These are {new} jobs and you may have {most} waiting; submit fewer at once."
        )
    over = len(waiting) + new - most
    if over > 0:
        raise TooMany(
            f"You have {len(waiting)} jobs waiting and may have {most}; "
            "try again when some have begun, or cancel some.",
            retry_after=start(waiting[over - 1].id),
        )


def _check_pixels(most: int, new: int, waiting: Sequence[tuple[Job, int]], start: Start) -> None:
    if not new:
        return
    if new > most * 1_000_000:
        raise InvalidRequest(
            f"This asks for {_mega(new)} megapixels ({_COUNTED}) and you may have {most} waiting; "
            "ask for fewer or smaller pictures."
        )
    sizes = [size for _, size in waiting]
    total = sum(sizes) + new
    if total <= most * 1_000_000:
        return
    raise TooMany(
        f"With this you would have {_mega(total)} megapixels waiting ({_COUNTED}) and may have "
        f"{most}; try again when some of your jobs have begun.",
        retry_after=start(waiting[_enough(sizes, total - most * 1_000_000)][0].id),
    )


def _enough(sizes: Sequence[int], over: int) -> int:
    """The index of the job whose begin makes room for ``over`` pixels, as those before it begin."""
    for index, size in enumerate(sizes):
        over -= size
        if over <= 0:
            return index
    return len(sizes) - 1


def _mega(count: int) -> str:
    return f"{count / 1_000_000:.1f}"


def pixels(request: Request, start_size: StartSize = not_known) -> int:
    """How many pixels a complete request makes, candidates included: pictures × width × height,
    those of the start picture where what is drawn is put back into it."""
    if isinstance(request, Measure):
        return 0
    if isinstance(request, Upscale):
        return request.pixels
    if isinstance(request, Series):
        return sum(_cell_pixels(request.base, dict(cell), start_size) for cell in request.cells)
    return request.count * request.best_of * math.prod(made_size(request, start_size))


def _cell_pixels(base: DrawRequest, changes: Mapping[str, Any], start_size: StartSize) -> int:
    """Of one picture; only where it has a second pass its request is put together for that."""
    if changes.get("hires", getattr(base, "hires", False)):
        width, height = replace(base, **changes).final_size
    else:
        width = changes.get("width", base.width) or 0
        height = changes.get("height", base.height) or 0
    made = int(width) * int(height)
    if isinstance(base, Img2Img):
        names = ("init_image", "mask", "inpaint_area")
        image, mask, area = (changes.get(name, getattr(base, name)) for name in names)
        if keeps_size(mask, area):
            made = max(made, math.prod(start_size(image)))
    return made * int(changes.get("best_of", base.best_of))
