"""The image: not root, nothing of it can be written, and it serves."""

from __future__ import annotations

import pytest
from msgspec import json

from tests.deploy.conftest import Checkout
from tests.deploy.pages import blocks
from tests.torture.served import wait_until

pytestmark = pytest.mark.slow
HELLO = "hello from a container"


def test_a_container_that_may_do_nothing_fires_what_is_due(checkout: Checkout) -> None:
    engine = checkout.engine
    _, _, page = blocks("deploy.md", "## A container")[0].partition("docker run")
    run, _, after = page.partition("docker exec")
    checkout.type(f"docker run{run}")
    try:
        engine.wait_until_healthy("tinyforge")
        assert "ok" in engine.read("http://127.0.0.1:8270/healthz")
        words = ("exec", "tinyforge", "tinyforge", "token", "create", "--role", "metrics")
        token = engine.docker(*words).strip()
        assert "tinyforge_ready 1.0" in engine.read("http://127.0.0.1:8270/metrics", token)
        wait_until(lambda: "succeeded" in runs(checkout), "a window fired, and its run succeeded")
        run_id = json.decode(runs(checkout))["items"][0]["id"]
        said = engine.docker("exec", "tinyforge", "tinyforge", "run", "logs", run_id)
        assert HELLO in said
        assert engine.docker("exec", "tinyforge", "id", "-u").strip() == "8270"
        assert not engine.works("exec", "tinyforge", "touch", "/opt/tinyforge/mine")
        checkout.type(f"docker exec{after}")
    finally:
        engine.docker("rm", "--force", "--volumes", "tinyforge")


def test_the_image_asks_for_no_more_than_it_says(checkout: Checkout) -> None:
    (image,) = json.decode(checkout.engine.docker("image", "inspect", "localhost/tinyforge"))
    assert image["Config"]["User"] == "8270:8270"
    assert image["Config"]["Healthcheck"]["Test"][0] == "CMD"
    assert list(image["Config"]["Volumes"]) == ["/var/lib/tinyforge"]
    assert list(image["Config"]["ExposedPorts"]) == ["8270/tcp"]


def runs(checkout: Checkout) -> str:
    words = ("exec", "tinyforge", "tinyforge", "run", "list", "--json")
    return checkout.engine.docker(*words)
