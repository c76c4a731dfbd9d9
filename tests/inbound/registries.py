"""Payloads of registries, written down by their documentation, with nothing that is not read."""

from __future__ import annotations

DIGEST = f"sha256:{'1' * 64}"
OTHER_DIGEST = f"sha256:{'2' * 64}"
MANIFEST = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Payload = dict[str, object]


def docker_hub(tag: str = "v1", at: float = 1_767_225_600) -> Payload:
    return {
        "callback_url": "https://registry.example.org/u/acme/site/hook/abc/",
        "push_data": {"pushed_at": at, "pusher": "ann", "tag": tag, "images": []},
        "repository": {"repo_name": "acme/site", "name": "site", "namespace": "acme"},
    }


def quay(tags: object = ("v1", "latest")) -> Payload:
    return {
        "repository": "acme/site",
        "namespace": "acme",
        "name": "site",
        "docker_url": "quay.io/acme/site",
        "homepage": "https://quay.io/repository/acme/site",
        "updated_tags": list(tags) if isinstance(tags, tuple) else tags,
    }


def harbor_resource(tag: str, digest: str = DIGEST) -> Payload:
    mark = "@" if tag == digest else ":"
    url = f"registry.example.org/acme/site{mark}{tag}"
    return {"tag": tag, "digest": digest, "resource_url": url}


def harbor(*resources: Payload, kind: str = "PUSH_ARTIFACT") -> Payload:
    return {
        "type": kind,
        "occur_at": 1_767_225_600,
        "operator": "ann",
        "event_data": {
            "resources": list(resources or (harbor_resource("v1"),)),
            "repository": {"name": "site", "namespace": "acme", "repo_full_name": "acme/site"},
        },
    }


def harbor_cloud_event() -> Payload:
    plain = harbor()
    return {
        "specversion": "1.0",
        "id": "4b2f89a6-548d-4c12-9993-a1f5790b97d2",
        "source": "/projects/1/webhook/policies/1",
        "type": "harbor.artifact.pushed",
        "datacontenttype": "application/json",
        "data": plain["event_data"],
        "operator": "ann",
    }


def notice(
    action: str = "push", tag: str | None = "v1", media: str = MANIFEST, name: str = "1"
) -> Payload:
    target: Payload = {"mediaType": media, "digest": DIGEST, "repository": "acme/site"}
    return {
        "id": f"event-{name}",
        "action": action,
        "target": target | ({"tag": tag} if tag else {}),
        "request": {"host": "registry.example.org:5000", "method": "PUT"},
        "actor": {"name": "ann"},
    }


def envelope(*notices: Payload) -> Payload:
    return {"events": list(notices or (notice(),))}


def acr(action: str = "push", tag: str | None = "v1") -> Payload:
    target: Payload = {"mediaType": MANIFEST, "digest": DIGEST, "repository": "site"}
    return {
        "id": "cb8c3971-9adc-488b-bdd8-43cbb4974ff5",
        "timestamp": "2026-01-01T00:00:00Z",
        "action": action,
        "target": target | ({"tag": tag} if tag else {}),
        "request": {"id": "a", "host": "acme.azurecr.example", "method": "PUT"},
    }
