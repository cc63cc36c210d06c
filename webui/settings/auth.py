"""Users and passwords as text: ``USER:PASS[,USER2:PASS2]``."""

from __future__ import annotations

from collections import Counter

from webui.core.errors import SetupError


def parse_auth(text: str) -> tuple[tuple[str, str], ...]:
    """Users and passwords from ``USER:PASS[,USER2:PASS2]``; empty text means none.

    A password may hold colons but no comma. A bad form raises ``SetupError``, which never repeats
    what was given: it may be a password.
    """
    if not text.strip():
        return ()
    pairs = tuple(_pair(part, place) for place, part in enumerate(text.split(","), start=1))
    name, count = Counter(user for user, _ in pairs).most_common(1)[0]
    if count > 1:
        raise SetupError(f"The user {name!r} is given twice; give each user one password.")
    return pairs


def _pair(part: str, place: int) -> tuple[str, str]:
    user, colon, password = part.partition(":")
    user = user.strip()
    if not colon or not user or not password:
        which = "has no colon" if not colon else "lacks a user" if not user else "lacks a password"
        raise SetupError(
            f"Entry {place} of the users {which}; write USER:PASS, several separated by commas."
        )
    return user, password
