"""Keeping pictures, which is foreign code: what it raises ends at most the job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from webui.core.errors import EaselError, ErrorInfo, describe
from webui.core.messages import JobImage
from webui.core.results import SavedImage
from webui.jobs.record import Job
from webui.jobs.tally import Tally

_log = logging.getLogger(__name__)

Keep = Callable[[Job, JobImage], SavedImage]
RoundOff = Callable[[Job], Sequence[SavedImage]]


class Keeping:
    """Calls ``keep`` and ``round_off`` (of :class:`webui.jobs.queue.JobQueue`), and counts."""

    def __init__(self, keep: Keep, round_off: RoundOff | None, tally: Tally) -> None:
        self._keep = keep
        self._round_off = round_off
        self._tally = tally

    def picture(self, job: Job, event: JobImage) -> SavedImage | ErrorInfo:
        """The saved picture, or why the job fails."""
        begun = time.monotonic()
        try:
            saved = self._keep(job, event)
        except EaselError as error:
            return error.info()
        except Exception as error:  # noqa: BLE001  see above
            _log.exception("A picture could not be kept.")
            return describe(error)
        self._tally.kept(time.monotonic() - begun)
        return saved

    def rest(self, job: Job) -> Sequence[SavedImage]:
        """What is made of the job's pictures; a fault in it costs nobody a picture."""
        if self._round_off is None:
            return ()
        try:
            return self._round_off(job)
        except Exception:  # noqa: BLE001  see above
            _log.exception("What is made of a job's pictures could not be kept.")
            return ()
