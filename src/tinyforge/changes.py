"""One shape for what changed, whatever told it. Match rules and `when:` read nothing else.

`docs/reference/event.md` describes it for users.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

EVENTS = ("push", "tag", "create", "delete", "release", "workflow", "image", "ping")


class Change(Struct, frozen=True, kw_only=True):
    """One ref, tag or image that changed. Absent text is `""`."""

    event: str  # one of EVENTS
    repository: str = ""  # owner/name as the provider writes it; of registries the image's name
    ref: str = ""  # whole: refs/heads/main
    branch: str = ""
    tag: str = ""  # of a forge or of an image
    commit: str = ""
    previous: str = ""  # commit before; "" where there was none
    created: bool = False
    deleted: bool = False
    forced: bool = False
    files: Sequence[str] | None = None  # changed paths over all commits; None: unknown
    message: str = ""  # of the newest commit
    pusher: str = ""
    image: str = ""  # host/name without a tag
    digest: str = ""  # sha256:…
