"""The exception tree. Every message is one sentence for a person.

A class's docstring is its default message. Cancellation is not an error and has no class here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LONGEST_RETRY = 600  # seconds; nobody is told to come back later than this


class EaselError(Exception):
    """Something went wrong."""

    code = "error"

    def __init__(self, message: str = "", *, field: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.field = field

    @property
    def message(self) -> str:
        """The sentence to show."""
        return str(self.args[0])

    def info(self) -> ErrorInfo:
        """The error as a value that crosses processes."""
        return ErrorInfo(code=self.code, message=self.message, field=self.field)


class InvalidRequest(EaselError):
    """The request is not valid."""

    code = "invalid_request"


class NotFound(EaselError):
    """There is no such thing."""

    code = "not_found"


class Conflict(EaselError):
    """This does not go together with what is going on."""

    code = "conflict"


class Forbidden(EaselError):
    """This is not allowed."""

    code = "forbidden"


class TooLarge(EaselError):
    """This is larger than what is accepted."""

    code = "too_large"


class TooMany(EaselError):
    """There are too many requests; try again later.

    ``retry_after`` is when to ask again, in whole seconds from now (1 to ``LONGEST_RETRY``); over
    HTTP it is the ``Retry-After`` header.
    """

    code = "too_many"

    def __init__(
        self, message: str = "", *, field: str | None = None, retry_after: float = 1
    ) -> None:
        super().__init__(message or "There are too many requests; try again later.", field=field)
        self.retry_after = whole_seconds(retry_after)


class Unavailable(EaselError):
    """This is not available at the moment; try again later.

    ``retry_after`` as in :class:`TooMany`.
    """

    code = "unavailable"

    def __init__(
        self, message: str = "", *, field: str | None = None, retry_after: float = 1
    ) -> None:
        usual = "This is not available at the moment; try again later."
        super().__init__(message or usual, field=field)
        self.retry_after = whole_seconds(retry_after)


class ModelError(EaselError):
    """The model file cannot be used."""

    code = "model"


class UnsafeFile(ModelError):
    """The file could run code when it is read, so it is refused."""

    code = "unsafe_file"


class OutOfMemory(EaselError):
    """There is not enough memory for this; use a smaller size or batch."""

    code = "out_of_memory"


class StorageError(EaselError):
    """The result could not be written."""

    code = "storage"


class DataFolderInUse(EaselError):
    """Another Easel uses this data folder; close it or choose another with --data-dir."""

    code = "data_folder_in_use"


class WorkerDied(EaselError):
    """The drawing process ended unexpectedly."""

    code = "worker_died"


class SetupError(EaselError):
    """Easel cannot start like this."""

    code = "setup"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as a value: what crosses processes, the journal and HTTP.

    ``code`` is one of the classes' codes, ``field`` the request field at fault if there is one.
    """

    code: str
    message: str
    field: str | None = None

    def to_exception(self) -> EaselError:
        """The exception this value was made of (its class by code)."""
        return _by_code(EaselError).get(self.code, EaselError)(self.message, field=self.field)


def whole_seconds(seconds: float) -> int:
    """A wait as whole seconds, rounded up, within 1 to ``LONGEST_RETRY``; NaN counts as 1."""
    return math.ceil(min(max(1.0, seconds), float(LONGEST_RETRY)))


def describe(error: BaseException) -> ErrorInfo:
    """Any exception as an :class:`ErrorInfo`; an unexpected one is named by its type."""
    if isinstance(error, EaselError):
        return error.info()
    text = " ".join(str(error).split())[:500]
    return ErrorInfo(code="error", message=f"Unexpected {type(error).__name__}: {text}")


def _by_code(base: type[EaselError]) -> dict[str, type[EaselError]]:
    """Classes by code; of those that share one, the most general."""
    found = {base.code: base}
    for child in base.__subclasses__():
        found = {**_by_code(child), **found}
    return found


def listed(names: Iterable[str], most: int = 150) -> str:
    """Names for a sentence: all, or the first within ``most`` characters and how many follow."""
    left = list(names)
    shown = [left.pop(0)] if left else []
    while left and sum(map(len, shown)) + 2 * len(shown) + len(left[0]) <= most:
        shown.append(left.pop(0))
    return ", ".join(shown) + (f" and {len(left)} more" if left else "")
