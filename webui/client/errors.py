"""What goes wrong between a client and a server, as the one tree that Easel has."""

from __future__ import annotations

from webui.core.errors import EaselError


class ApiError(EaselError):
    """The server did not do what was asked.

    ``code`` and ``field`` are the server's ("invalid_request", "steps"), ``status`` the HTTP
    status, None where no answer came; ``retry_after`` when to ask again, in seconds, if the server
    said so.
    """

    code = "api"

    def __init__(
        self,
        message: str = "",
        *,
        field: str | None = None,
        code: str = "",
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, field=field)
        self.code = code or type(self).code
        self.status = status
        self.retry_after = retry_after


class Refused(ApiError):
    """The request is not one that the server can do as it is; asking again does not help."""

    code = "refused"


class LoginRequired(Refused):
    """The server asks for a user and password, or does not take these."""

    code = "unauthorized"


class ServerBusy(ApiError):
    """The server has too much to do, or its drawing process is not ready; try again later."""

    code = "busy"


class Unreachable(ApiError):
    """No answer came from the server."""

    code = "unreachable"


class TimedOut(ApiError):
    """The job has not ended in the time that was given; it goes on at the server."""

    code = "timed_out"
