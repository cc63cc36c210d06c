"""The command line's drawing at a server: the same words, lines and exit status as without one."""

from __future__ import annotations

import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from webui.client.results import Event, Image, Job
from webui.client.saving import keep
from webui.client.synchronous import Easel
from webui.core.errors import EaselError, InvalidRequest

PASSWORD = "EASEL_PASSWORD"  # noqa: S105  the variable's name
OnPicture = Callable[[Image, Path], object]


def connect(url: str, user: str | None) -> Easel:
    """A client for this address; the password is taken from ``EASEL_PASSWORD``, else asked for.

    It is never a flag: what other users of a computer run is there for everybody to read.
    """
    if user is None:
        return Easel(url)
    return Easel(url, user=user, password=_password(user))


def draw(easel: Easel, fields: Mapping[str, Any], folder: Path, on_picture: OnPicture) -> None:
    """Draw at the server, and save each picture here as soon as it is there.

    ``on_picture`` is told of every picture once and where it lies. Raises the job's error if it
    failed. When this is interrupted, the job is cancelled.
    """
    job = easel.submit(**fields)
    had = _Had(easel, folder, on_picture)
    try:
        job = easel.wait(job, on_event=had.take)
    except KeyboardInterrupt:
        with suppress(EaselError):
            easel.cancel(job)
        raise
    for image in job.images:
        had.picture(image)
    if job.error is not None:
        raise job.error.to_exception()


def lines(jobs: tuple[Job, ...]) -> Iterator[str]:
    """One line per job: id, state, how far it is, its prompt's beginning or what it does."""
    for job in jobs:
        summary = " ".join(job.summary.split())[:60]
        yield f"{job.id}  {job.state:9} {job.progress.fraction:4.0%}  {summary}"


def json_lines(jobs: tuple[Job, ...]) -> Iterator[str]:
    """The same as JSON, with the pictures' ids."""
    for job in jobs:
        told = {
            "id": job.id,
            "state": job.state,
            "fraction": round(job.progress.fraction, 4),
            "images": [image.id for image in job.images],
            "prompt": job.prompt,
        }
        yield json.dumps(told, ensure_ascii=False)


class _Had:
    """The pictures that were brought here already; a picture's event may come more than once."""

    def __init__(self, easel: Easel, folder: Path, on_picture: OnPicture) -> None:
        self._easel = easel
        self._folder = folder
        self._on_picture = on_picture
        self._ids: set[str] = set()

    def take(self, event: Event) -> None:
        """An event of the job."""
        if event.image is not None:
            self.picture(event.image)

    def picture(self, image: Image) -> None:
        """A picture of the job."""
        if image.id not in self._ids:
            self._ids.add(image.id)
            path = keep(self._folder, image.name, self._easel.image(image))
            self._on_picture(image, path)


def _password(user: str) -> str:
    told = os.environ.get(PASSWORD)
    if told is not None:
        return told
    if not sys.stdin.isatty():
        raise InvalidRequest(f"Put the password of {user} into {PASSWORD}.", field="user")
    return getpass.getpass(f"Password of {user}: ")
