"""Which names the server answers to and which pages may talk to it: pure functions of values.

A page of another site can point a DNS name of its own at this machine ("DNS rebinding"). The
browser then takes that page for one of ours; what gives it away is the name in the Host header.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from dataclasses import dataclass, field

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_WILDCARDS = frozenset({"", "0.0.0.0", "::", "*"})  # noqa: S104  compared with, not bound to
_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]{2,45})\]|([A-Za-z0-9_.-]{1,253}))(?::([0-9]{1,5}))?")
EVERY_SITE = "*"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def is_loopback(host: str) -> bool:
    """Whether a bound address or Host name is this machine only."""
    name = host.strip().strip("[]").casefold().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback


def in_networks(address: str, networks: Collection[str]) -> bool:
    """Whether an address is one of these, or in one of these networks (``10.0.0.0/8``)."""
    found = _address(address)
    if found is None:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in ipaddress.ip_network(network, strict=False) for network in networks)


def split_host(header: str) -> tuple[str, int | None] | None:
    """Name (lower case, no brackets, no final dot) and port of a Host header; None if malformed."""
    match = _HOST.fullmatch(header)
    if match is None:
        return None
    name = (match[1] or match[2]).casefold().rstrip(".")
    port = int(match[3]) if match[3] else None
    return (name, port) if name and (port is None or port < 65536) else None


def origin_matches(origin: str, host_header: str) -> bool:
    """Whether a page's Origin is the very server its request names in Host.

    The scheme is not compared: behind a tunnel or proxy the server does not see the outer one.
    """
    parts = split_origin(origin)
    host = split_host(host_header)
    if parts is None or host is None:
        return False
    scheme, name, port = parts
    default = _DEFAULT_PORTS[scheme]
    return (name, port or default) == (host[0], host[1] or default)


def split_origin(origin: str) -> tuple[str, str, int | None] | None:
    """Scheme, name and port of an Origin; None for "null" and anything malformed."""
    scheme, separator, netloc = origin.partition("://")
    host = split_host(netloc)
    if not separator or scheme not in _DEFAULT_PORTS or host is None:
        return None
    return scheme, *host


@dataclass(slots=True)
class Names:
    """The names a server answers to; the share link's is added while it runs.

    ``bound`` is the address it listens on. One that listens everywhere answers to every IP address
    (no DNS name can pose as one) and to this machine's own name. ``origins`` are other sites whose
    pages may call this server ("*": every one), ``pattern`` is a regular expression that the whole
    Origin of such a site matches ("": none).
    """

    bound: str
    configured: Collection[str] = ()
    origins: Collection[str] = ()
    pattern: str = ""
    shared: set[str] = field(default_factory=set[str])

    def answers(self, host_header: str) -> bool:
        """Whether a request with this Host header is meant for this server."""
        host = split_host(host_header)
        if host is None:
            return False
        name = host[0]
        if name in LOOPBACK_NAMES or name == _bare(self.bound) or name in self.shared:
            return True
        if any(name == _bare(known) for known in self.configured):
            return True
        return _bare(self.bound) in _WILDCARDS and (
            _address(name) is not None or name in _machine_names()
        )

    def allows(self, origin: str, host_header: str) -> bool:
        """Whether a page of this Origin may change things here or open a socket."""
        return origin_matches(origin, host_header) or self.trusts(origin)

    def trusts(self, origin: str) -> bool:
        """Whether this Origin is another site that was allowed, or our share link."""
        return self.names_origin(origin) or (bool(origin) and EVERY_SITE in self.origins)

    def names_origin(self, origin: str) -> bool:
        """Whether this very site was allowed, so that its pages may use a login's cookie, too."""
        parts = split_origin(origin)
        if parts is None:
            return False
        if parts[0] == "https" and parts[1] in self.shared and parts[2] is None:
            return True
        if parts in [split_origin(known.rstrip("/")) for known in self.origins]:
            return True
        return bool(self.pattern) and re.fullmatch(self.pattern, origin) is not None

    def share(self, address: str) -> None:
        """Answer to the host of a share link from now on."""
        host = split_host(address.partition("://")[2].partition("/")[0] or address)
        if host is not None:
            self.shared.add(host[0])


def _bare(host: str) -> str:
    return host.strip().strip("[]").casefold().rstrip(".")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _machine_names() -> set[str]:
    name = socket.gethostname().casefold()
    return {name, name.partition(".")[0], f"{name.partition('.')[0]}.local"}
