"""What both clients tell httpx, and what they make of its answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx

from webui.client.wire import Broken, Call, Reply, address
from webui.core.errors import InvalidRequest

HERE = "http://127.0.0.1:7860"
TIMEOUT = 30.0
_SLACK = 10.0  # seconds that a held answer may come late
_AGENT = "easel-client"


@dataclass(frozen=True, slots=True)
class Place:
    """A server's address, who we are there, and the seconds a call may take."""

    url: str
    auth: tuple[str, str] | None = field(repr=False)
    timeout: float

    @classmethod
    def of(cls, url: str, user: str | None, password: str | None, timeout: float) -> Place:
        """Checked; ``InvalidRequest`` says what is wrong."""
        if (user is None) != (password is None):
            raise InvalidRequest("User and password go together.", field="user")
        if not 0 < timeout < float("inf"):
            raise InvalidRequest("The timeout is a number of seconds above 0.", field="timeout")
        auth = None if user is None or password is None else (user, password)
        return cls(address(url), auth, timeout)

    def arguments(self, call: Call) -> dict[str, Any]:
        """What ``httpx.Client.request`` is called with."""
        longest = max(self.timeout, call.waits + _SLACK) if call.waits else self.timeout
        return {
            "method": call.method,
            "url": self.url + call.path,
            "params": dict(call.query) or None,
            "content": call.body,
            "headers": {"user-agent": _AGENT, **call.headers},
            "auth": self.auth,
            "timeout": httpx.Timeout(longest, connect=min(self.timeout, 10.0)),
        }


def reply_of(response: httpx.Response) -> Reply:
    """An answer as a value."""
    headers = {name.casefold(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, response.content)


def broken(error: httpx.RequestError) -> Broken:
    """Why no answer came, in a few words."""
    if isinstance(error, httpx.TimeoutException):
        return Broken("it took too long to answer")
    return Broken(" ".join(str(error).split())[:200].rstrip(".") or "the connection broke")
