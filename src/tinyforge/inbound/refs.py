"""Branches, tags, commits and paths, as forges tell them."""

from __future__ import annotations

from collections.abc import Sequence

from tinyforge.deliveries import Change
from tinyforge.inbound.tree import at

HEADS, TAGS = "refs/heads/", "refs/tags/"
FORGE_KEYS = frozenset({"events", "repository", "branch", "tag", "skip_markers"})
PATH_KEYS = frozenset({"paths", "paths_ignore"})
PREFIXES = {"branch": HEADS, "tag": TAGS}


def moved(ref: str, *, before: str, after: str) -> Change | None:
    """Return what became of a whole *ref*; None: it is neither a branch nor a tag."""
    branch, tag = beyond(HEADS, ref), beyond(TAGS, ref)
    if not branch and not tag:
        return None
    commit, previous = commit_of(after), commit_of(before)
    return Change(
        event="delete" if not commit else "tag" if tag else "push",
        ref=ref,
        branch=branch,
        tag=tag,
        commit=commit,
        previous=previous,
        created=not previous,
        deleted=not commit,
    )


def named(kind: str, name: str, *, deleted: bool, commit: str = "") -> Change | None:
    """Return what became of the branch or tag (*kind*) of a bare *name*; None: it is neither."""
    if kind not in PREFIXES:
        return None
    return Change(
        event="delete" if deleted else "create",
        ref=PREFIXES[kind] + name,
        branch=name if kind == "branch" else "",
        tag=name if kind == "tag" else "",
        commit=commit_of(commit),
        created=not deleted,
        deleted=deleted,
    )


def commit_of(text: str) -> str:
    """Return the commit, `""` for the zeros that stand for none."""
    return text if text.strip("0") else ""


def files_of(commits: Sequence[object], total: int) -> tuple[str, ...] | None:
    """Return the paths of all commits, each once; None where some of *total* are not told."""
    if len(commits) < total:
        return None
    found: list[object] = []
    for commit in commits:
        for change in ("added", "removed", "modified"):
            paths = at(commit, change)
            if not isinstance(paths, list):
                return None
            found += paths
    named = [one for one in found if isinstance(one, str)]
    return tuple(dict.fromkeys(named)) or None if len(named) == len(found) else None


def beyond(prefix: str, ref: str) -> str:
    """Return the rest of a *ref* that begins with *prefix*, else `""`."""
    return ref.removeprefix(prefix) if ref.startswith(prefix) else ""
