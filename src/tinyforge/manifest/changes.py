"""Two forms of one row -> what differs, shown without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from tinyforge.model import Json
from tinyforge.references import has_references
from tinyforge.store.definition import text_of

HIDDEN = "(hidden)"
SECRET = re.compile(
    r"secret|token|passw|passphrase|authorization|cookie|credential|private|signature|api[-_]?key",
    re.IGNORECASE,
)
LOGIN_IN_URL = re.compile(r"(://)[^/@\s]*:[^/@\s]*@")


class Change(Struct, frozen=True, kw_only=True):
    """One field of a row, such as `env.BRANCH`; None where it is not there."""

    field: str
    before: str | None
    after: str | None


def changes(before: Json, after: Json) -> tuple[Change, ...]:
    """Return what differs; a new value that must not be shown still differs from the old one."""
    old, new = _leaves(before), _leaves(after)
    return tuple(
        Change(field=field, before=_shown(field, old), after=_shown(field, new))
        for field in {**new, **old}
        if field not in old or field not in new or text_of(old[field]) != text_of(new[field])
    )


def _leaves(form: Json) -> dict[str, object]:
    """Return what is in mappings however deep, by names such as `env.BRANCH`."""
    found: dict[str, object] = {}
    for key, value in form.items():
        if isinstance(value, dict) and value:
            found.update({f"{key}.{inner}": item for inner, item in _leaves(value).items()})
        else:
            found[str(key)] = value
    return found


def _shown(field: str, leaves: Mapping[str, object]) -> str | None:
    if field not in leaves:
        return None
    value = leaves[field]
    text = value if isinstance(value, str) else text_of(value)
    if _is_secret(field) and not has_references(text):
        return HIDDEN
    return LOGIN_IN_URL.sub(rf"\1{HIDDEN}@", text) if "://" in text else text


@lru_cache
def _is_secret(field: str) -> bool:
    return SECRET.search(field) is not None
