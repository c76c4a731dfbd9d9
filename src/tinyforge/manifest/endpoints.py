"""What a manifest makes of the endpoints of its triggers."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tinyforge.deliveries import Receives
from tinyforge.errors import TinyforgeError, Unresolved
from tinyforge.kinds import TriggerKind
from tinyforge.manifest.changes import HIDDEN, Change
from tinyforge.manifest.entries import TriggerEntry
from tinyforge.manifest.fields import Fields
from tinyforge.manifest.mistakes import Mistakes, quoted_name
from tinyforge.model import Json, Trigger, TriggerId
from tinyforge.plugins import Plugins
from tinyforge.references import has_references, names_sealed, resolve
from tinyforge.store.endpoints import EndpointDraft, NewPath, drafted, kept_or_new
from tinyforge.store.port import Catalog, EndpointRow, EndpointWrite, path_digest

KEY = "endpoint"
KEYS = (KEY, "max_body")  # that mean the same in every kind that receives
PATH_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")
SHORTEST_UNSIGNED = 43
RULE = "22 to 64 of A-Z a-z 0-9 _ -"
UNSIGNED_RULE = (
    "43 to 64 of A-Z a-z 0-9 _ -, for its URL is all that its senders prove themselves by"
)
MAKE_ONE = "leave it out, and one is made"
TELL = "new endpoint: the sender must be told; tinyforge trigger url {}"
ENDS = "its endpoint ends: what is still sent there is answered 404"
UNSIGNED = "unsigned: whoever has its URL can send; keep it as you keep a password"


def checked(written: str, fields: Fields, kind: TriggerKind, *, resolving: bool) -> str | None:
    """Return an endpoint as written; a mistake where it would not do. No mistake shows it."""
    if not isinstance(kind, Receives):
        return None
    if names_sealed(written):
        fields.wrong(KEY, f"a sealed secret cannot stand here; {MAKE_ONE}, or write ${{env:NAME}}")
        return None
    if not resolving and has_references(written):
        return written
    try:
        value = resolve(written)
    except Unresolved as problem:
        fields.wrong(KEY, f"{problem}; give it a value there first")
        return None
    unsigned = kind.is_unsigned
    if PATH_ID.fullmatch(value) and (len(value) >= SHORTEST_UNSIGNED or not unsigned):
        return written
    what = f"what {written} stands for" if has_references(written) else "it"
    rule = UNSIGNED_RULE if unsigned else RULE
    fields.wrong(KEY, f"{what} is not {rule}; {MAKE_ONE}, or: openssl rand -hex 32")
    return None


class Follow(Struct, frozen=True, kw_only=True):
    """What becomes of one trigger's endpoint, and how a plan says it."""

    writes: tuple[EndpointDraft | EndpointWrite, ...] = ()
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_seen(self) -> bool:
        return bool(self.changes or self.notes)


class Follower:
    """Holds the endpoints that there are against the triggers as they shall be."""

    def __init__(self, plugins: Plugins, new_path: NewPath, found: Sequence[EndpointRow]) -> None:
        self._plugins = plugins
        self._new_path = new_path
        self._found: Mapping[TriggerId, EndpointRow] = {row.trigger_id: row for row in found}

    def follow(self, entry: TriggerEntry, after: Trigger, before: Trigger | None) -> Follow:
        found = self._found.get(after.id)
        if not self._plugins.receives(entry.kind):
            return _end(after.id) if found else Follow()
        kind = self._plugins.trigger(entry.kind, entry.config)
        assert isinstance(kind, Receives)  # noqa: S101 - narrows what its class was asked for
        draft = self._draft(entry.endpoint, kind, after.id, found)
        if draft is None:
            return Follow(writes=_with_uses(found, before, after))
        return Follow(
            writes=(draft,),
            changes=tuple(_changes(found, draft)),
            notes=tuple(_notes(entry.name, found, draft)),
        )

    def _draft(
        self, written: str | None, kind: Receives, trigger_id: TriggerId, found: EndpointRow | None
    ) -> EndpointDraft | None:
        """Return the endpoint as it shall be; None where it is so."""
        unsigned = kind.is_unsigned
        if written is None:
            new_path = self._new_path
            return kept_or_new(found, trigger_id, unsigned=unsigned, new_path=new_path)
        reference = written if has_references(written) else None
        value = resolve(written)
        if found is not None:
            is_same = found.sha256 == path_digest(value) and found.written == reference
            if is_same and found.unsigned == unsigned:
                return None
        draft = drafted(trigger_id, value, unsigned=unsigned, generated=False)
        if reference is None:
            return draft
        return EndpointDraft(row=replace(draft.row, path=None, written=reference))


def refuse_shared(
    entries: Mapping[str, TriggerEntry],
    catalog: Catalog,
    gone: Container[str],
    mistakes: Mistakes,
) -> None:
    """Add a mistake for each endpoint that two triggers would have once others are *gone*."""
    if all(entry.endpoint is None for entry in entries.values()):
        return
    names = {row.id: row.name for row in catalog.triggers if row.name not in gone}
    taken = {
        row.sha256: names[row.trigger_id]
        for row in catalog.endpoints
        if row.trigger_id in names and not _is_written_anew(entries.get(names[row.trigger_id]))
    }
    for name, entry in entries.items():
        if entry.endpoint is None:
            continue
        try:
            owner = taken.setdefault(path_digest(resolve(entry.endpoint)), name)
        except TinyforgeError:
            continue  # which the document says itself
        if owner != name:
            what = f"is that of {quoted_name(owner)} too; give each its own, or {MAKE_ONE}"
            mistakes.add(entry.line, f"triggers.{quoted_name(name)}.{KEY}", what)


def _is_written_anew(entry: TriggerEntry | None) -> bool:
    return entry is not None and entry.endpoint is not None


def _end(trigger_id: TriggerId) -> Follow:
    return Follow(writes=(EndpointWrite(trigger_id=trigger_id, row=None),), notes=(ENDS,))


def _changes(found: EndpointRow | None, draft: EndpointDraft) -> Iterator[Change]:
    before = _shown(found)
    after = _shown(draft.row)
    if before != after and not draft.row.generated:
        yield Change(field=KEY, before=before, after=after)


def _shown(row: EndpointRow | None) -> str | None:
    if row is None:
        return None
    return row.written or row.path or HIDDEN


def _notes(name: str, found: EndpointRow | None, draft: EndpointDraft) -> Iterator[str]:
    if found is None or found.sha256 != draft.row.sha256:
        yield TELL.format(name)
    if draft.row.unsigned and (found is None or not found.unsigned):
        yield UNSIGNED


def _with_uses(
    found: EndpointRow | None, before: Trigger | None, after: Trigger
) -> tuple[EndpointDraft, ...]:
    """Have each secret keep its last use where secrets change their places."""
    if found is None or before is None:
        return ()
    old, new = _secrets(before.config), _secrets(after.config)
    if old == new:
        return ()
    uses = dict(zip(old, found.used, strict=False))
    first, second = (*(uses.get(one) for one in new), None, None)[:2]
    return (EndpointDraft(row=replace(found, used=(first, second))),)


def _secrets(config: Json) -> list[str]:
    secret = config.get("secret")
    given = secret if isinstance(secret, list | tuple) else [secret]
    return [str(one) for one in given if one is not None]
