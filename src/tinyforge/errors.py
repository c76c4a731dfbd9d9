"""Every error we raise on purpose.

TinyforgeError
├── NotFound            (404)
├── Conflict            (409)
├── InvalidConfig       (422)  one field of one row
├── InvalidManifest     (422)  all mistakes of a manifest at once
├── UnknownKind         (422)
├── Refused             (409)  understood, and not allowed: says what to do instead
│   ├── Unproved        (401)  nobody knows who calls
│   ├── Forbidden       (403)  who calls may not do this
│   ├── Outdated        (412)  the row is no longer what the caller read
│   ├── Unconditional   (428)  a change of a row that does not say which version it is of
│   ├── Reused          (422)  an idempotency key that came with another body before
│   └── Crowded         (429)  there are as many of these as there may be
├── StoreUnavailable    (503)  the database cannot record
├── NewerSchema         (start-up) the database was written by a newer program
├── DataInUse           (start-up) another process serves this data folder
├── InvalidSettings     (start-up) all mistakes of environment and flags at once
├── SealFailed          (500) what is sealed in the database cannot be opened
│   ├── KeyMissing      (also start-up) the key that it wants is not there
│   └── SealBroken      it was changed, or belongs somewhere else
├── MatchFailed         (recorded as a binding's result; never reaches a transport)
├── OutboundFailed      (ends up in a DeployFailed or a log line) a call that got no answer
└── DeployFailed        (recorded on the run; never reaches a transport)
    └── Unresolved      a reference without a value
"""

from __future__ import annotations

from difflib import get_close_matches


class TinyforgeError(Exception):
    """Base of every error raised on purpose; anything else is a bug."""


class NotFound(TinyforgeError):
    def __init__(self, what: str, key: str, suggestion: str | None = None) -> None:
        hint = f"; did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"no {what} named {key!r}{hint}")
        self.what = what
        self.key = key


class Conflict(TinyforgeError):
    """The row changed since it was read."""


class InvalidConfig(TinyforgeError):
    def __init__(self, kind: str, problem: str, field: str | None = None) -> None:
        super().__init__(f"{kind}: {field}: {problem}" if field else f"{kind}: {problem}")
        self.kind = kind
        self.problem = problem
        self.field = field


class InvalidManifest(TinyforgeError):
    """All mistakes at once, each as `file:line: where: what; the fix`."""

    def __init__(self, mistakes: tuple[str, ...], source: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes
        self.source = source


class UnknownKind(TinyforgeError):
    """Not installed, or installed and unusable: then *problem* says why."""

    def __init__(
        self, role: str, kind: str, known: tuple[str, ...], problem: str | None = None
    ) -> None:
        near = get_close_matches(kind, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        absent = f"no {role} kind {kind!r}; {hint}installed: {', '.join(known) or 'none'}"
        super().__init__(f"{role} kind {kind!r} cannot be used: {problem}" if problem else absent)
        self.role = role
        self.kind = kind
        self.known = known


class Refused(TinyforgeError):
    """Understood and not done; *fix* is the next command to type."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(f"{problem}; {fix}")
        self.problem = problem
        self.fix = fix


class Unproved(Refused):
    """A call without a proof of who calls, or with a wrong one. *reason*: a word for metrics."""

    def __init__(self, reason: str, problem: str, fix: str) -> None:
        super().__init__(problem, fix)
        self.reason = reason


class Forbidden(Refused):
    """Known who calls, and not allowed."""


class Outdated(Refused):
    """The row changed since it was read."""


class Unconditional(Refused):
    """A change that would overwrite what the caller may never have read."""


class Reused(Refused):
    """The key of an earlier call, with something else to do."""


class Crowded(Refused):
    """As many as there may be at once."""


class StoreUnavailable(TinyforgeError):
    def __init__(self, problem: str) -> None:
        super().__init__(f"the database cannot record: {problem}")
        self.problem = problem


class NewerSchema(TinyforgeError):
    def __init__(self, found: int, known: int) -> None:
        super().__init__(
            f"the database has schema {found}, this program knows up to {known}:"
            " install the newer program"
        )
        self.found = found
        self.known = known


class DataInUse(TinyforgeError):
    def __init__(self, folder: str) -> None:
        super().__init__(f"another process serves {folder}; stop it, or give another --data")
        self.folder = folder


class InvalidSettings(TinyforgeError):
    """All mistakes at once, each as `VARIABLE or --flag: what; the fix`."""

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class SealFailed(TinyforgeError):
    """Something sealed stays closed. *key_id*: of the key that it wants."""

    def __init__(self, key_id: str, problem: str) -> None:
        super().__init__(problem)
        self.key_id = key_id


class KeyMissing(SealFailed):
    def __init__(self, key_id: str, path: str) -> None:
        super().__init__(
            key_id,
            f"the key {key_id} is wanted, and {path} does not hold it:"
            " put the file back that does, or give it as TINYFORGE_KEY_FILE",
        )
        self.path = path


class SealBroken(SealFailed):
    def __init__(self, key_id: str) -> None:
        named = f" with the key {key_id}" if key_id else ""
        super().__init__(
            key_id,
            f"what is sealed cannot be opened{named}: it was changed, or stands in another's place",
        )


class MatchFailed(TinyforgeError):
    """A rule had no answer: neither matched nor not. The text says what was asked of what."""


class OutboundFailed(TinyforgeError):
    """A call that got no answer. *permanent*: it will not get one next time either."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class DeployFailed(TinyforgeError):
    """A deploy that did not work. *retryable*: another attempt may help."""

    def __init__(self, reason: str, *, retryable: bool = True) -> None:
        super().__init__(reason)
        self.retryable = retryable


class Unresolved(DeployFailed):
    """A `${env:…}` or `${file:…}` has no value. Never holds the value."""

    def __init__(self, reference: str, problem: str) -> None:
        super().__init__(f"{reference}: {problem}", retryable=False)
        self.reference = reference
        self.problem = problem
