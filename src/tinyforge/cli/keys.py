"""What `key rotate` does: a new key for all that is sealed."""

from __future__ import annotations

from tinyforge.cli.options import DEFAULT, Shared
from tinyforge.cli.reach import Offline, reach
from tinyforge.cli.screen import screen
from tinyforge.cli.text import counted
from tinyforge.operations.answers import KeyView


def rotate(*, shared: Shared = DEFAULT) -> int:
    out = screen(shared)
    with reach(out, Offline.WRITE) as api:
        reply = api.post("/key/rotate", KeyView)
    if shared.json:
        return out.raw(reply.body)
    view = reply.read()
    out.line(f"sealed with the new key {view.key}: {counted(view.resealed, 'secret')}")
    if view.broken:
        out.hint(f"cannot be opened, so enter them again: {counted(view.broken, 'secret')}")
    for path in view.kept:
        out.hint(f"older backups open with {path}: delete it once you need them no more")
    out.hint("keep a copy of the new key file, where no backup lies")
    out.next(view.next_command)
    return 0
