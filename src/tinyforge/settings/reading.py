"""How each kind of text is read; ValueError says what is wrong, and the fix."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from tinyforge.clock import DAY, SECOND, Micros
from tinyforge.errors import Unresolved
from tinyforge.references import NAME, resolve_address
from tinyforge.schedule.words import duration

HIGHEST_PORT = 65_535
LONGEST_KEPT = 3_650 * DAY
YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off", ""})

E = TypeVar("E", bound=StrEnum)


class Listen(Struct, frozen=True):
    host: str
    port: int  # 0: any free one

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError(f"{text!r} is no path; write one such as /var/lib/tinyforge")
    return Path(text).expanduser()


def read_text(text: str) -> str:
    return text


def read_listen(text: str) -> Listen:
    host, _, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    right = bare and (":" not in bare or host.startswith("[")) and port.isascii() and port.isdigit()
    if not right or int(port) > HIGHEST_PORT:
        raise ValueError(f"{text!r} is not HOST:PORT; write for example 127.0.0.1:8270")
    return Listen(bare, int(port))


def read_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no variable's name; write for example A_TOKEN,B_TOKEN")
    return names


def read_switch(text: str) -> bool:
    if text.lower() in YES:
        return True
    if text.lower() in NO:
        return False
    raise ValueError(f"{text!r} is neither yes nor no; write 1 or 0")


def choice(kind: type[E]) -> Callable[[str], E]:
    def read(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            words = [str(one) for one in kind]
            near = "".join(get_close_matches(text.lower(), words, 1)) or words[0]
            raise ValueError(
                f"{text!r} is none of {', '.join(words)}; write for example {near}"
            ) from None

    return read


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        digits = text.replace("_", "")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(highest))):
            raise ValueError(f"{text!r} is not a whole number; write {lowest} to {highest}")
        if not lowest <= int(digits) <= highest:
            raise ValueError(f"{text} is out of range; write {lowest} to {highest}")
        return int(digits)

    return read


def read_length(text: str) -> Micros:
    """Take a bare number as seconds; it may be negative, for rule 1 has an answer to that."""
    bare = text.removeprefix("-")
    if bare.isascii() and bare.isdigit() and len(bare) <= len(str(LONGEST_KEPT)):
        return int(text) * SECOND
    return -duration(bare) if text.startswith("-") else duration(bare)


def length(lowest: Micros, highest: Micros, example: str) -> Callable[[str], Micros]:
    def read(text: str) -> Micros:
        found = read_length(text)
        if not lowest <= found <= highest:
            raise ValueError(
                f"{text} is out of range; write {lowest // SECOND}s to {highest // SECOND}s,"
                f" for example {example}"
            )
        return found

    return read


def read_rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate <= 1e6:  # noqa: PLR2004 - NaN and infinity fail as well
        raise ValueError(f"{text!r} is no rate; write runs per second above 0, for example 20")
    return rate


def read_web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or any(letter <= " " for letter in text):
        raise ValueError("this is no address to call; write https://HOST/PATH")
    return text


def read_base_url(text: str) -> str:
    """Return an address without a slash at its end, for paths to be put behind it."""
    address = read_web_address(text)
    parts = urlsplit(address)
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("this is no address to put paths behind; write https://HOST")
    return address.rstrip("/")


def read_networks(text: str) -> tuple[str, ...]:
    """Return networks as text; a lone address is a network of one."""
    found = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        try:
            found.append(str(ip_network(part)))
        except ValueError:
            raise ValueError(
                f"{part!r} is no network; write for example 127.0.0.1, 10.0.0.0/8 or fd00::/8"
            ) from None
    return tuple(found)


def read_database(text: str) -> str:
    """Return the address of a PostgreSQL, its references resolved; ValueError: what is wrong."""
    address = text
    try:
        address = resolve_address(text)
        known = urlsplit(address).scheme in {"postgresql", "postgres"}
    except Unresolved as problem:
        raise ValueError(f"{problem}; put the value there, or write another") from None
    except ValueError:
        known = False
    if not known:  # never shown: it may hold a password
        raise ValueError("this is no PostgreSQL address; write postgresql://USER@HOST/NAME")
    return address
