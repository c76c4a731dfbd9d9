"""The Compose file: servers and PostgreSQL, from the page's first line to its last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml
from msgspec import json

from tests.deploy.conftest import ROOT, Checkout
from tests.deploy.pages import blocks
from tests.torture.served import wait_until

pytestmark = pytest.mark.slow
WITHIN = "deploy/compose"
FILE = yaml.safe_load((ROOT / WITHIN / "compose.yaml").read_text())
LIVE = "SELECT count(*) FROM servers WHERE lease_until > now()"


def test_no_service_may_more_than_it_needs() -> None:
    for service in FILE["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert not [volume for volume in service["volumes"] if ".sock" in volume]
        assert not [text for text in service["environment"].values() if "secret=" in text]


def test_the_image_is_made_in_one_way(checkout: Checkout) -> None:
    made, _, _ = blocks("deploy.md", "## A container")[0].partition("docker run")
    assert blocks("deploy.md", "## Compose")[0].startswith(made)
    recipe = (ROOT / "deploy/container/Containerfile").read_text()
    assert all(line.strip() in recipe for line in made.splitlines())


def test_the_page_is_followed_from_the_first_start_to_a_restored_copy(checkout: Checkout) -> None:
    start, reload, upgrade, copy = blocks("deploy.md", "## Compose")
    _, _, start = start.partition(f"cd {WITHIN}\n")
    with down_at_the_end(checkout):
        checkout.type(start, WITHIN)
        wait_until(lambda: count(checkout, "runs WHERE state = 4") > 0, "a run succeeded")
        assert ask(checkout, LIVE) == 2
        a_dead_replica_is_not_missed(checkout)
        checkout.type(reload, WITHIN)
        assert "every window has exactly one decision" in checkout.type(upgrade, WITHIN)
        before = count(checkout, "events")
        checkout.type(copy, WITHIN)
        wait_until(lambda: count(checkout, "events") > before, "windows fire after the restore")
        for container in replicas(checkout):
            checkout.engine.wait_until_healthy(container)


def a_dead_replica_is_not_missed(checkout: Checkout) -> None:
    first, _ = replicas(checkout)
    checkout.engine.docker("kill", first)
    fired = count(checkout, "events")
    wait_until(lambda: count(checkout, "events") > fired, "the other fires what is due")
    checkout.engine.docker("start", first)
    serves = ("exec", first, "tinyforge", "trigger", "list")
    wait_until(lambda: checkout.engine.works(*serves), "what was killed serves again")


@contextmanager
def down_at_the_end(checkout: Checkout) -> Iterator[None]:
    try:
        yield
    finally:
        checkout.type("docker compose logs; docker compose down --volumes", WITHIN)


def replicas(checkout: Checkout) -> list[str]:
    return checkout.type("docker compose ps --quiet tinyforge", WITHIN).split()


def count(checkout: Checkout, what: str) -> int:
    return ask(checkout, f"SELECT count(*) FROM {what}")


def ask(checkout: Checkout, question: str) -> int:
    label = "label=com.docker.compose.service=database"
    database = checkout.engine.docker("ps", "--quiet", "--filter", label).strip()
    psql = ("psql", "--username=tinyforge", "--no-align", "--tuples-only", "--command")
    return json.decode(checkout.engine.docker("exec", database, *psql, question), type=int)
