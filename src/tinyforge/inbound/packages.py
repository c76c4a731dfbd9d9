"""GitHub's container packages: of one push come events `package` and `registry_package`, or one."""

from __future__ import annotations

import hashlib

import msgspec

from tinyforge.clock import MINUTE
from tinyforge.deliveries import Change, Ignored, Refused
from tinyforge.inbound.body import shown
from tinyforge.inbound.images import BY_DIGEST, is_digest, pushed
from tinyforge.inbound.tree import at, text, without

HOST = "ghcr.io"
ACTIONS = {"published", "updated"}
CONTENT_FOR = 10 * MINUTE  # how far apart the two events of one push may come
VERSION = "package_version"
METADATA = f"{VERSION}.container_metadata"


def package(payload: object) -> Change | Ignored | Refused:
    """Read `package` or `registry_package`."""
    found = at(payload, "registry_package") or at(payload, "package")
    kind = text(found, "package_type")
    if kind.lower() != "container" and at(found, METADATA) is None:
        return Ignored(because=f"the package is a {shown(kind.lower())}, and no container")
    action = text(payload, "action")
    if action not in ACTIONS:
        return Ignored(because=f"the package was {shown(action)}; only 'published' counts")
    namespace, name = text(found, "namespace"), text(found, "name")
    refusal = without({"package.namespace": namespace, "package.name": name})
    if refusal:
        return refusal
    tag = text(found, f"{METADATA}.tag.name")
    if not tag:  # the image for one platform, or an attestation
        return Ignored(because=BY_DIGEST)
    sender = text(payload, "sender.login")
    return pushed(HOST, f"{namespace}/{name}".lower(), tag, _digest(found), sender)


def content_key(change: Change) -> str:
    """Return what both events of one push have in common, `""` where the digest is not told."""
    if not change.digest:
        return ""
    told = msgspec.json.encode((change.image, change.tag, change.digest))
    return f"package:{hashlib.sha256(told).hexdigest()}"


def _digest(found: object) -> str:
    paths = (f"{METADATA}.tag.digest", f"{METADATA}.manifest.digest", f"{VERSION}.version")
    return next((digest for path in paths if is_digest(digest := text(found, path))), "")
