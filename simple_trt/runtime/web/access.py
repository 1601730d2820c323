"""Who may see the page: this machine alone, or whoever knows the token."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from simple_trt.errors import UsageError

__all__ = ["Access"]

COOKIE = "simple_trt_token"
LEAST_TOKEN = 16  # characters


class Headers(Protocol):
    """A request's headers."""

    def get(self, name: str, default: str, /) -> str:
        """The header's value, or `default`."""


class Access:
    """The rule for one address.

    Args:
        host: what the server listens on. Anything but this machine's own address needs a token.
        token: what a viewer must know; made up where one is needed and none is given.

    Raises:
        UsageError: the token is too short to keep anybody out.
    """

    def __init__(self, host: str, token: str | None = None) -> None:
        self.local = _is_local(host)
        if token is not None and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isalnum()):
            cause = f"the token of the web page needs {LEAST_TOKEN} or more letters and digits"
            raise UsageError(cause, "leave it out: one is made up then, or use: openssl rand -hex 16")
        self.token = token or (None if self.local else secrets.token_hex(16))

    def allows(self, path: str, headers: Headers) -> bool:
        """Whether this request may be answered.

        Without a token the name in the request must be this machine's own: a page elsewhere whose name leads here (DNS
        rebinding) is refused.
        """
        if self.token is None:
            return _is_local(urlsplit(f"//{headers.get('Host', '')}").hostname or "")
        given = [self.in_query(path), _cookie(headers), headers.get("Authorization", "").removeprefix("Bearer ")]
        return any(hmac.compare_digest(self.token.encode(), text.encode()) for text in given)

    @staticmethod
    def in_query(path: str) -> str:
        """The token in an address, or nothing."""
        return parse_qs(urlsplit(path).query).get("token", [""])[0]

    def cookie(self) -> str:
        """What the browser shall send from now on."""
        return f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"


def _is_local(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("Cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
