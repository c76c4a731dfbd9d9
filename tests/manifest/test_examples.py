from __future__ import annotations

import pytest

from tests.manifest.world import World
from tinyforge.errors import NotFound
from tinyforge.manifest import examples


def test_there_are_five_and_the_first_is_the_one_to_begin_with() -> None:
    assert examples.names() == (
        "default",
        "deploy-on-push",
        "image-on-push",
        "nightly-backup",
        "ping-and-alert",
    )


@pytest.mark.parametrize("name", examples.names())
def test_each_example_can_be_applied_as_it_is(name: str) -> None:
    text = examples.text(name, "Europe/Berlin")
    world = World()
    plan = world.apply(text)
    assert plan.warnings == ()
    assert world.plan(text).differences == []


@pytest.mark.parametrize("name", examples.names())
def test_each_example_tells_when_something_fails(name: str) -> None:
    world = World()
    world.apply(examples.text(name, "UTC"))
    assert any(row.kind == "run" and "failed" in str(row.config) for row in world.catalog.triggers)


@pytest.mark.parametrize("name", ["default", "nightly-backup"])
def test_the_calendar_is_that_of_the_machine(name: str) -> None:
    world = World()
    world.apply(examples.text(name, "America/St_Johns"))
    assert world.trigger("nightly").config["timezone"] == "America/St_Johns"


@pytest.mark.parametrize("name", examples.names())
def test_each_example_fits_a_terminal_and_explains_itself(name: str) -> None:
    lines = examples.text(name, "America/Argentina/ComodRivadavia").splitlines()
    assert max(map(len, lines)) <= 90
    assert sum(line.strip().startswith("#") for line in lines) >= 5


def test_a_name_that_does_not_exist_gets_the_nearest_one() -> None:
    with pytest.raises(NotFound, match="did you mean 'nightly-backup'"):
        examples.text("nightly-backups", "UTC")
    with pytest.raises(NotFound, match="no example named"):
        examples.text("../plan", "UTC")


@pytest.mark.parametrize("name", ["deploy-on-push", "image-on-push"])
def test_each_webhook_has_a_secret_of_its_own(name: str) -> None:
    secrets = set()
    for _ in range(2):
        world = World()
        world.apply(examples.text(name, "UTC"))
        secrets |= {
            str(row.config["secret"]) for row in world.catalog.triggers if "secret" in row.config
        }
    assert len(secrets) == 2
    assert all(len(secret) >= 43 for secret in secrets)
