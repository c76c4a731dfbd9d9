"""Commands about tokens and the audit, on the file of a server that does not run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec import json

from tests.cli.calls import Calls
from tests.operations.house import open_house
from tinyforge.operations.credentials import AuditView, TokenMade, TokenView
from tinyforge.operations.views import Page

TOKEN = re.compile(r"tft_[A-Za-z0-9_-]{43}")


@pytest.fixture
async def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Calls:
    async with open_house(tmp_path) as house:
        await house.apply()
    return Calls(capsys, tmp_path)


def tokens(call: Calls) -> list[TokenView]:
    return list(json.decode(call("token", "list", "--json").out, type=Page[TokenView]).items)


def test_a_token_is_printed_alone_so_that_a_script_can_take_it(call: Calls) -> None:
    said = call("token", "create", "--role", "admin", "--name", "root")
    assert said.code == 0
    assert TOKEN.fullmatch(said.out.strip())
    assert "root, role admin, for everything; it is shown this once:" in said.err
    assert not TOKEN.search(call("token", "list").out)
    assert not TOKEN.search(call("token", "list", "--json").out)


def test_a_token_for_named_ones_says_for_which_and_until_when(call: Calls) -> None:
    words = ["--role", "deployer", "--trigger", "button", "--trigger", "often", "--expires", "30d"]
    made = json.decode(
        call("token", "create", *words, "--workload", "site", "--json").out, type=TokenMade
    )
    assert (made.token.triggers, made.token.workloads) == (["button", "often"], ["site"])
    assert made.token.expires_at is not None
    assert "trigger button, trigger often, workload site" in call("token", "list").out


def test_a_revoked_token_is_listed_as_one(call: Calls) -> None:
    call("token", "create", "--role", "viewer", "--name", "ci")
    said = call("token", "revoke", "ci")
    assert (said.code, said.out) == (0, "ci is revoked: no server takes it any more\n")
    assert [(token.name, token.state) for token in tokens(call)] == [("ci", "revoked")]
    again = call("token", "revoke", "ci")
    assert again.code == 1
    assert "ci is revoked already, since 20" in again.err
    assert again.last.startswith("fix: tinyforge token list")
    unknown = call("token", "revoke", "cd")
    assert (unknown.code, "revoked" in unknown.err) == (1, False)


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--role", "boss"], "none of metrics, viewer, deployer, admin", 2),
        (["--role", "viewer", "--trigger", "oftn"], "did you mean 'often'", 1),
        (["--role", "viewer", "--expires", "soon"], "is not a duration", 2),
        ([], "--role", 2),
    ],
)
def test_a_token_that_cannot_be_made_says_why(
    call: Calls, words: list[str], said: str, code: int
) -> None:
    refused = call("token", "create", *words)
    assert refused.code == code
    assert said in refused.err
    assert not refused.out


def test_the_audit_tells_who_changed_what(call: Calls) -> None:
    call("token", "create", "--role", "viewer", "--name", "ci")
    call("trigger", "pause", "often")
    listed = call("audit", "list", "--limit", "2").out.splitlines()
    assert listed[0].split() == ["AT", "WHO", "FROM", "DID", "TO", "BEFORE", "AFTER"]
    assert "pause_trigger  often  active  paused" in listed[1]
    assert "create_token   ci" in listed[2]
    page = json.decode(call("audit", "list", "--json").out, type=Page[AuditView])
    assert [one.action for one in page.items] == ["pause_trigger", "create_token", "apply_manifest"]
    assert {one.source for one in page.items} == {"local"}


def test_the_audit_shows_people_no_more_of_a_hash_than_they_can_use(call: Calls) -> None:
    shown = call("audit", "list").out
    assert re.search(r"sha256:[0-9a-f]{12}…, [0-9]+ changed$", shown, re.MULTILINE)
    assert not re.search(r"[0-9a-f]{13}", shown)
    assert re.search(r"sha256:[0-9a-f]{64}", call("audit", "list", "--json").out)


def test_without_a_token_the_list_says_how_to_make_one(call: Calls) -> None:
    said = call("token", "list")
    assert said.last.startswith("next: tinyforge token create --role admin")
