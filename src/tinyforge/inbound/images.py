"""Images, as registries tell them."""

from __future__ import annotations

import re

from tinyforge.deliveries import Change

REGISTRY_KEYS = frozenset({"events", "repository", "tag", "image"})
DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-f]{32,128}")
BY_DIGEST = "pushed by its digest, without a tag"


def pushed(host: str, repository: str, tag: str, digest: str = "", pusher: str = "") -> Change:
    """Return the push of one tag; a *digest* that is none is left out."""
    return Change(
        event="image",
        repository=repository,
        image=f"{host}/{repository}" if host else repository,
        tag=tag,
        digest=digest if is_digest(digest) else "",
        pusher=pusher,
    )


def is_digest(text: str) -> bool:
    return DIGEST.fullmatch(text) is not None
