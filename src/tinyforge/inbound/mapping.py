"""JSON that nobody knows, made into a change by pointers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from tinyforge.deliveries import Change
from tinyforge.inbound.images import is_digest
from tinyforge.inbound.refs import HEADS, TAGS, beyond, commit_of
from tinyforge.pointer import follow, is_pointer

MOST_PLACES = 100  # of a list in a sample

FIELDS = (
    "repository",
    "ref",
    "branch",
    "tag",
    "commit",
    "previous",
    "created",
    "deleted",
    "forced",
    "files",
    "message",
    "pusher",
    "image",
    "digest",
    "delivery_id",
)


def wrong_fields(fields: Mapping[str, str]) -> Iterator[str]:
    for name, pointer in fields.items():
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(FIELDS)}"
            yield f"fields: an event has no {name!r}; {hint}"
        elif not is_pointer(pointer):
            yield f"fields: {name}: {pointer!r} is not a JSON pointer such as /push/branch"


class Mapped:
    """A payload, read through the pointers of a config."""

    def __init__(self, payload: object, fields: Mapping[str, str]) -> None:
        self._payload = payload
        self._fields = fields

    def change(self, event: str) -> Change:
        """Return the change; a deletion is always `delete`, and the push of a tag `tag`."""
        ref, after, before = self.text("ref"), self.text("commit"), self.text("previous")
        branch = self.text("branch") or beyond(HEADS, ref)
        tag = self.text("tag") or beyond(TAGS, ref)
        commit, previous = commit_of(after), commit_of(before)
        created = self._is("created") or bool(before and not previous)
        deleted = self._is("deleted") or bool(after and not commit)
        forced, digest = self._is("forced"), self.text("digest")
        if event == "push" and tag and not branch:
            event = "tag"
        return Change(
            event="delete" if deleted else event,
            repository=self.text("repository"),
            ref=ref,
            branch=branch,
            tag=tag,
            commit=commit,
            previous=previous,
            created=created,
            deleted=deleted,
            forced=forced,
            files=None if created or deleted or forced else self._files(),
            message=self.text("message"),
            pusher=self.text("pusher"),
            image=self.text("image"),
            digest=digest if is_digest(digest) else "",
        )

    def text(self, name: str) -> str:
        """Return a text, or a whole number as one; anything else is absent."""
        found = self._at(name)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        return found if isinstance(found, str) else ""

    def _is(self, name: str) -> bool:
        return self._at(name) is True

    def _files(self) -> tuple[str, ...] | None:
        found = self._at("files")
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            return None
        return tuple(found) or None

    def _at(self, name: str) -> object:
        return follow(self._payload, self._fields[name]) if name in self._fields else None


def payload_of(fields: Mapping[str, str], facts: Mapping[str, object]) -> object:
    """Return JSON in which the pointers of *fields* lead to *facts*; ValueError: none can.

    A number in a pointer is taken for the place in a list.
    """
    payload: dict[str, object] = {}
    for name, pointer in fields.items():
        *way, last = pointer.split("/")[1:] or [""]
        inner = payload
        for token in way:
            found = inner.setdefault(_key(token), {})
            if not isinstance(found, dict):
                taken = f"fields: {name}: {pointer} leads through another field"
                raise ValueError(taken)  # noqa: TRY004 - the config is wrong, not a type
            inner = found
        inner[_key(last)] = facts[name]
    return _with_lists(payload)


def _key(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _with_lists(value: object) -> object:
    if not isinstance(value, dict):
        return value
    inner = {key: _with_lists(one) for key, one in value.items()}
    if not inner or not all(key.isdigit() and key.isascii() for key in inner):
        return inner
    return [inner.get(str(place)) for place in range(min(MOST_PLACES, max(map(int, inner)) + 1))]
