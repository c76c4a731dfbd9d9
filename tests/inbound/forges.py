"""Payloads of forges, written down by their documentation, with nothing that is not read."""

from __future__ import annotations

from tests.inbound.sending import NEW, OLD, ZEROS

Payload = dict[str, object]


def commit(name: str, *paths: str, message: str = "Mend it") -> Payload:
    return {"id": name, "message": message, "added": [], "removed": [], "modified": list(paths)}


def github_push(**other: object) -> Payload:
    return {
        "ref": "refs/heads/main",
        "before": OLD,
        "after": NEW,
        "created": False,
        "deleted": False,
        "forced": False,
        "repository": {"id": 1, "full_name": "acme/site", "default_branch": "main"},
        "pusher": {"name": "ann", "email": "ann@example.org"},
        "sender": {"login": "ann"},
        "commits": [commit("c" * 40, "docs/a.md"), commit(NEW, "site/b.css", "docs/a.md")],
        "head_commit": commit(NEW, "site/b.css"),
        **other,
    }


def github_ref(ref: str | None, kind: str) -> Payload:
    return {
        "ref": ref,
        "ref_type": kind,
        "repository": {"full_name": "acme/site"},
        "sender": {"login": "ann"},
    }


def workflow(
    conclusion: str | None = "success", fork: str = "acme/site", **other: object
) -> Payload:
    return {
        "action": "completed",
        "workflow_run": {
            "head_branch": "main",
            "head_sha": NEW,
            "conclusion": conclusion,
            "head_repository": {"full_name": fork},
            "head_commit": {"message": "Mend it"},
        },
        "repository": {"full_name": "acme/site"},
        "sender": {"login": "ann"},
        **other,
    }


def package(
    what: str = "package", tag: str = "v1", digest: str = f"sha256:{'1' * 64}", **other: object
) -> Payload:
    return {
        "action": "published",
        what: {
            "name": "Site",
            "namespace": "Acme",
            "package_type": "CONTAINER",
            "package_version": {
                "version": digest,
                "container_metadata": {
                    "tag": {"name": tag, "digest": digest},
                    "manifest": {"digest": digest},
                },
                "package_url": f"ghcr.io/acme/site:{tag}",
            },
        },
        "repository": {"full_name": "Acme/Site"},
        "sender": {"login": "ann"},
        **other,
    }


def gitlab_push(**other: object) -> Payload:
    return {
        "object_kind": "push",
        "event_name": "push",
        "before": OLD,
        "after": NEW,
        "ref": "refs/heads/main",
        "checkout_sha": NEW,
        "user_username": "ann",
        "project": {"path_with_namespace": "acme/web/site", "default_branch": "main"},
        "commits": [commit("c" * 40, "docs/a.md"), commit(NEW, "site/b.css")],
        "total_commits_count": 2,
        **other,
    }


def gitlab_pipeline(status: str = "success", **attributes: object) -> Payload:
    return {
        "object_kind": "pipeline",
        "object_attributes": {
            "ref": "main",
            "tag": False,
            "sha": NEW,
            "before_sha": OLD,
            "source": "push",
            "status": status,
            **attributes,
        },
        "merge_request": None,
        "user": {"username": "ann"},
        "project": {"path_with_namespace": "acme/web/site"},
        "commit": {"id": NEW, "message": "Mend it"},
    }


def gitlab_release(action: str = "create") -> Payload:
    return {
        "object_kind": "release",
        "action": action,
        "tag": "v1.2.0",
        "project": {"path_with_namespace": "acme/web/site"},
        "commit": {"id": NEW, "message": "Mend it"},
    }


def gitea_push(**other: object) -> Payload:
    return {
        "ref": "refs/heads/main",
        "before": OLD,
        "after": NEW,
        "commits": [commit(NEW, "site/b.css")],
        "total_commits": 1,
        "repository": {"id": 1, "full_name": "acme/site"},
        "pusher": {"login": "ann", "username": "ann"},
        "sender": {"login": "ann"},
        **other,
    }


def gogs_push() -> Payload:
    return {key: value for key, value in gitea_push().items() if key != "total_commits"}


def cloud_side(name: str, commit: str, kind: str = "branch") -> Payload:
    return {"type": kind, "name": name, "target": {"hash": commit, "message": "Mend it"}}


def cloud_push(*changes: Payload) -> Payload:
    usual: Payload = {
        "new": cloud_side("main", NEW),
        "old": cloud_side("main", OLD),
        "created": False,
        "closed": False,
        "forced": False,
        "truncated": False,
        "commits": [],
    }
    return {
        "repository": {"full_name": "acme/site"},
        "actor": {"display_name": "Ann", "account_id": "1"},
        "push": {"changes": list(changes or (usual,))},
    }


def data_center_change(
    ref: str, before: str, after: str, what: str, kind: str = "BRANCH"
) -> Payload:
    short = ref.split("/", 2)[-1]
    return {
        "ref": {"id": ref, "displayId": short, "type": kind},
        "refId": ref,
        "fromHash": before,
        "toHash": after,
        "type": what,
    }


def data_center_push(*changes: Payload) -> Payload:
    usual = data_center_change("refs/heads/main", OLD, NEW, "UPDATE")
    gone = data_center_change("refs/heads/old", OLD, ZEROS, "DELETE")
    return {
        "eventKey": "repo:refs_changed",
        "actor": {"name": "ann", "displayName": "Ann"},
        "repository": {"slug": "site", "project": {"key": "ACME"}},
        "changes": list(changes or (usual, gone)),
    }
