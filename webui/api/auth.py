"""Who may come in: accounts, sessions and the brake on guessing passwords.

Nothing here knows of HTTP messages; ``webui.api.guard`` applies it to them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from webui.api.hosts import is_loopback
from webui.core.errors import SetupError

if TYPE_CHECKING:
    from webui.settings import Settings

SESSION_SECONDS = 7 * 24 * 3600
MAX_SESSIONS = 2000
MAX_USER_CHARS = 200
MAX_PASSWORD_CHARS = 1000

Clock = Callable[[], float]


class Credentials(NamedTuple):
    """The (user, password) pairs that may come in; ``generated`` when they were made up now."""

    auth: tuple[tuple[str, str], ...]
    generated: bool


def credentials(
    settings: Settings, make: Callable[[int], str] = secrets.token_urlsafe
) -> Credentials:
    """Who may log in with these settings.

    The configured pairs, or, where others than this machine can reach the server (a share link or
    an address that is not loopback) and none are configured, one made-up user with a strong
    password: the caller prints them. Empty when no login is needed.
    """
    configured = tuple((str(user), str(word)) for user, word in settings.server.auth)
    if configured:
        return Credentials(configured, generated=False)
    if login_required(settings):
        return Credentials((("easel", make(18)),), generated=True)
    return Credentials((), generated=False)


def login_required(settings: Settings) -> bool:
    """Whether others than this machine's user can reach a server with these settings."""
    return settings.server.share or not is_loopback(settings.server.host)


class Accounts:
    """Checks passwords in time that does not depend on how near a guess is.

    Only keyed digests are kept. An empty list means that nobody has to log in.
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._key = secrets.token_bytes(32)
        pairs = tuple(pairs)
        self._digests = {user: self._digest(word) for user, word in pairs}
        for user, _ in pairs:
            if not user or len(user) > MAX_USER_CHARS or ":" in user:
                raise SetupError(
                    "A user name for --auth has 1 to 200 characters and no colon; "
                    f"{user[:40]!r} does not."
                )

    def __bool__(self) -> bool:
        return bool(self._digests)

    def check(self, user: str, password: str) -> bool:
        """Whether this user has this password; every account is compared with."""
        given = self._digest(password[: MAX_PASSWORD_CHARS + 1])
        name = user.encode("utf-8", "surrogatepass")
        found = False
        for known, digest in self._digests.items():
            same_name = hmac.compare_digest(known.encode(), name)
            found |= hmac.compare_digest(digest, given) and same_name
        return found

    def owner(self, password: str) -> str | None:
        """Whose password this is, where exactly one user has it; every account is compared with."""
        given = self._digest(password[: MAX_PASSWORD_CHARS + 1])
        owners = [u for u, d in self._digests.items() if hmac.compare_digest(d, given)]
        return owners[0] if len(owners) == 1 else None

    def _digest(self, password: str) -> bytes:
        return hmac.digest(self._key, password.encode("utf-8", "surrogatepass"), hashlib.sha256)


def parse_basic(header: str) -> tuple[str, str] | None:
    """User and password of an ``Authorization: Basic`` header, None for anything else."""
    scheme, _, value = header.partition(" ")
    if scheme.casefold() != "basic":
        return None
    try:
        text = base64.b64decode(value.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return "", ""
    user, _, password = text.partition(":")
    return user, password


def parse_bearer(header: str) -> str | None:
    """The token of an ``Authorization: Bearer`` header, None for anything else."""
    scheme, _, value = header.partition(" ")
    return value.strip() if scheme.casefold() == "bearer" else None


@dataclass(frozen=True, slots=True)
class _Session:
    user: str
    expires: float


class Sessions:
    """Who is logged in. Tokens are random, live on the server as digests, and expire."""

    def __init__(self, *, seconds: float = SESSION_SECONDS, clock: Clock = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._open: OrderedDict[str, _Session] = OrderedDict()

    def open(self, user: str) -> str:
        """A new token for this user; the oldest session makes room when there are too many."""
        token = secrets.token_urlsafe(32)
        self._open[_token_key(token)] = _Session(user, self._clock() + self._seconds)
        while len(self._open) > MAX_SESSIONS:
            self._open.popitem(last=False)
        return token

    def user(self, token: str) -> str | None:
        """Whose token this is, None when it is unknown or has expired."""
        key = _token_key(token)
        session = self._open.get(key)
        if session is None:
            return None
        if session.expires <= self._clock():
            del self._open[key]
            return None
        return session.user

    def close(self, token: str) -> None:
        """Forget a token."""
        self._open.pop(_token_key(token), None)


def _token_key(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(slots=True)
class _Failures:
    count: int
    last: float
    until: float


class Throttle:
    """Slows down guessing: after ``free`` failures each further one doubles the wait.

    A key is an address, or ``EVERYONE`` for all addresses that are not this machine.
    """

    EVERYONE = "*"

    def __init__(
        self,
        *,
        free: int = 5,
        everyone_free: int = 50,
        longest: float = 300.0,
        everyone_longest: float = 30.0,
        forget: float = 900.0,
        clock: Clock = time.monotonic,
    ) -> None:
        self._free = {False: free, True: everyone_free}
        self._longest = {False: longest, True: everyone_longest}
        self._forget = forget
        self._clock = clock
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, keys: Iterable[str]) -> float:
        """Seconds until the next attempt is looked at; 0 for now."""
        now = self._clock()
        waits = (self._current(key, now).until - now for key in keys)
        return max(0.0, *waits)

    def failed(self, keys: Iterable[str]) -> None:
        """Count a wrong password against these keys."""
        now = self._clock()
        for key in keys:
            entry = self._current(key, now)
            everyone = key == self.EVERYONE
            over = entry.count + 1 - self._free[everyone]
            pause = 0.0 if over < 0 else min(2.0 ** min(over, 30), self._longest[everyone])
            self._failures[key] = _Failures(entry.count + 1, now, now + pause)
            self._failures.move_to_end(key)
        while len(self._failures) > 10_000:
            self._failures.popitem(last=False)

    def succeeded(self, keys: Iterable[str]) -> None:
        """Forget an address's failures after a right password (never those of everyone)."""
        for key in keys:
            if key != self.EVERYONE:
                self._failures.pop(key, None)

    def _current(self, key: str, now: float) -> _Failures:
        entry = self._failures.get(key)
        if entry is None or now - max(entry.last, entry.until) > self._forget:
            return _Failures(0, now, now)
        return entry


def address_key(address: str) -> str:
    """What failures are counted by: an IPv4 address, or the /64 network of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
