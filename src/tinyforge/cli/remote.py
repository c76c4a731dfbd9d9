"""Where a server elsewhere is, and how to prove that one may ask it.

`TINYFORGE_URL`, `TINYFORGE_TOKEN` and, for a certificate of a CA of one's own, `TINYFORGE_CA_FILE`.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from tinyforge.cli.failure import CalledWrongly
from tinyforge.errors import InvalidSettings
from tinyforge.references import Secret

URL, TOKEN, CA_FILE = "TINYFORGE_URL", "TINYFORGE_TOKEN", "TINYFORGE_CA_FILE"
Scheme: TypeAlias = Literal["http", "https"]
SHAPE = "write https://HOST[:PORT][/PREFIX]"
PORTS = {"http": 80, "https": 443}
LONGEST = 2_000  # characters of an address or a token


class Address(Struct, frozen=True, kw_only=True):
    """One server's HTTP address; *prefix* stands before every path."""

    scheme: Scheme
    host: str
    port: int
    prefix: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.prefix}"

    @property
    def is_secret_on_the_way(self) -> bool:
        return self.scheme == "https" or _is_this_machine(self.host)


class Remote(Struct, frozen=True, kw_only=True):
    address: Address
    token: Secret | None = None
    ca_file: Path | None = None


def read_remote(environment: Mapping[str, str]) -> Remote | None:
    """Return the server that commands are to ask; None where it is this machine's.

    Raise InvalidSettings with all mistakes. What is set but empty counts as not set.
    """
    text = environment.get(URL, "").strip()
    if not text:
        return None
    mistakes: list[str] = []
    address = None
    try:
        address = read_address(text)
    except ValueError as problem:
        mistakes.append(f"{URL}: {problem}")
    token = environment.get(TOKEN, "").strip()
    if not _can_be_sent(token):
        mistakes.append(f"{TOKEN}: holds what no token does; copy it anew")
    if address is None or mistakes:
        raise InvalidSettings(tuple(mistakes))
    return Remote(
        address=address, token=Secret(token) if token else None, ca_file=ca_file(environment)
    )


def ca_file(environment: Mapping[str, str]) -> Path | None:
    text = environment.get(CA_FILE, "")
    return Path(text).expanduser() if text else None


def read_address(text: str) -> Address:
    """Read a web address; raise ValueError with what is wrong with it and the fix."""
    if len(text) > LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"is no web address; {SHAPE}, a name beyond ASCII as xn--…")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as problem:
        raise ValueError(f"{problem}; {SHAPE}") from None
    scheme = _scheme(parts)
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"holds a login, which is not sent; {SHAPE}, the token in {TOKEN}")
    if not parts.hostname:
        raise ValueError(f"names no host; {SHAPE}")
    if parts.query or parts.fragment:
        raise ValueError(f"ends in a query or a fragment, which means nothing; {SHAPE}")
    prefix = parts.path.rstrip("/").removesuffix("/api/v1")
    return Address(
        scheme=scheme, host=parts.hostname, port=port or PORTS[scheme], prefix=prefix.rstrip("/")
    )


def _scheme(parts: SplitResult) -> Scheme:
    match parts.scheme:
        case "http":
            return "http"
        case "https":
            return "https"
        case _:
            raise ValueError(f"begins with neither https:// nor http://; {SHAPE}")


def trust(authorities: Path | None) -> ssl.SSLContext:
    """Return what checks certificates: this machine's authorities, and those of a file."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authorities is None:
        return context
    try:
        context.load_verify_locations(cafile=authorities)
    except (OSError, ValueError) as problem:  # also ssl.SSLError
        reason = "no certificate is in it" if isinstance(problem, ssl.SSLError) else problem
        raise CalledWrongly(
            f"{CA_FILE}: {authorities}: {reason}", "name a file of PEM certificates"
        ) from None
    return context


def _can_be_sent(token: str) -> bool:
    return len(token) <= LONGEST and token.isascii() and token.isprintable() and " " not in token


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
