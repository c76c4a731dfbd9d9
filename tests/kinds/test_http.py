from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kinds.endpoint import Endpoint, answer, endpoint
from tinyforge import __version__
from tinyforge.errors import DeployFailed
from tinyforge.outbound import close_outbound
from tinyforge.testing.kinds import Written, check_cancellation, deploy_context
from tinyforge.workloads.facts import FromEvent
from tinyforge.workloads.http import Http

TOKEN = "t0p-s3cret"


@pytest.fixture(autouse=True)
async def closed_at_the_end() -> AsyncIterator[None]:
    yield
    await close_outbound()


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOKEN", TOKEN)
    return TOKEN


@pytest.fixture
async def server() -> AsyncIterator[Endpoint]:
    async with endpoint() as one:
        yield one


async def log_of(kind: Http, facts: dict[str, object] | None = None) -> list[str]:
    log = Written()
    await kind.deploy(deploy_context(facts or {}, log=log))
    return log.lines


async def failure(
    kind: Http, facts: dict[str, object] | None = None
) -> tuple[DeployFailed, list[str]]:
    log = Written()
    with pytest.raises(DeployFailed) as caught:
        await kind.deploy(deploy_context(facts or {}, log=log))
    return caught.value, log.lines


async def test_it_posts_and_says_so(server: Endpoint) -> None:
    assert await log_of(Http(url=f"{server.url}/hook")) == [
        f"POST {server.url}/hook answered 200 OK"
    ]

    (call,) = server.calls
    assert call.line == "POST /hook HTTP/1.1"
    assert call.body == b""


async def test_every_call_carries_the_run_id_and_says_who_calls(server: Endpoint) -> None:
    await log_of(Http(url=server.url))
    await log_of(Http(url=server.url, method="GET"))

    assert [call.headers["idempotency-key"] for call in server.calls] == ["run_0000000000001"] * 2
    assert server.calls[0].headers["user-agent"] == f"tinyforge/{__version__}"


async def test_facts_come_into_headers_and_body_by_pointer(server: Endpoint) -> None:
    kind = Http(
        url=server.url,
        headers={"X-Branch": FromEvent(event="/branch"), "X-Absent": FromEvent(event="/absent")},
        body={
            "branch": {"event": "/branch"},
            "list": [{"event": "/list/0"}, {"event": "/absent"}, 3, None],
            "all": {"event": ""},
            "as it is": {"event": "push"},
            "and": {"event": "/branch", "more": 1},
        },
    )
    facts = {"branch": "main", "list": [{"a": 1}]}

    await log_of(kind, facts)

    (call,) = server.calls
    assert call.headers["x-branch"] == "main"
    assert "x-absent" not in call.headers
    assert call.headers["content-type"] == "application/json"
    assert json.loads(call.body) == {
        "branch": "main",
        "list": [{"a": 1}, None, 3, None],
        "all": facts,
        "as it is": {"event": "push"},
        "and": {"event": "/branch", "more": 1},
    }


async def test_a_text_is_sent_as_text(server: Endpoint) -> None:
    await log_of(Http(url=server.url, body="grüße"))

    assert server.calls[0].body == "grüße".encode()
    assert server.calls[0].headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_content_type_of_ones_own_wins(server: Endpoint) -> None:
    await log_of(
        Http(url=server.url, body={"a": 1}, headers={"content-type": "application/x+json"})
    )

    assert server.calls[0].headers["content-type"] == "application/x+json"


async def test_references_are_resolved_where_they_are_used(
    server: Endpoint, token: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("from-file\n")
    kind = Http(
        url=f"{server.url}/${{env:TOKEN}}",
        headers={"Authorization": "Bearer ${env:TOKEN}"},
        body={"key": f"${{file:{tmp_path}/key}}"},
    )

    lines = await log_of(kind)

    (call,) = server.calls
    assert call.line == f"POST /{token} HTTP/1.1"
    assert call.headers["authorization"] == f"Bearer {token}"
    assert json.loads(call.body) == {"key": "from-file"}
    assert lines == [f"POST {server.url}/${{env:TOKEN}} answered 200 OK"]


async def test_what_the_server_sends_back_of_a_secret_is_hidden(token: str) -> None:
    said = f"you sent Bearer {token} and {base64.b64encode(token.encode()).decode()}".encode()
    async with endpoint(answer("401 Unauthorized", said)) as server:
        problem, lines = await failure(
            Http(url=server.url, headers={"Authorization": "Bearer ${env:TOKEN}"})
        )

    assert lines == ["you sent Bearer *** and ***"]
    assert TOKEN not in str(problem)


async def test_a_login_in_the_url_is_used_and_never_shown(token: str) -> None:
    basic = base64.b64encode(f"me:{token}".encode()).decode()
    async with endpoint(answer("403 Forbidden", f"{basic} {token}".encode())) as server:
        url = server.url.replace("http://", "http://me:${env:TOKEN}@")
        problem, lines = await failure(Http(url=f"{url}/x?token=literal"))

    assert server.calls[0].headers["authorization"] == f"Basic {basic}"
    assert str(problem) == f"POST {server.url}/x?… answered 403 Forbidden"
    assert lines == ["*** ***"]


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        ("500 Internal Server Error", True),
        ("503 Service Unavailable", True),
        ("429 Too Many Requests", True),
        ("408 Request Timeout", True),
        ("400 Bad Request", False),
        ("404 Not Found", False),
        ("302 Found", False),
    ],
)
async def test_an_unexpected_status_is_a_failure(status: str, retryable: bool) -> None:
    async with endpoint(answer(status, b"why\nnot")) as server:
        problem, lines = await failure(Http(url=f"{server.url}/hook"))

    assert str(problem) == f"POST {server.url}/hook answered {status}"
    assert problem.retryable is retryable
    assert lines == ["why", "not"]


async def test_only_the_first_200_characters_of_an_unwanted_answer_are_told() -> None:
    async with endpoint(answer("500 Oops", b"\x1b[31m" + b"x" * 1_000 + b"\nmore")) as server:
        _, lines = await failure(Http(url=server.url))

    assert lines == ["x" * 200, "…"]


async def test_a_redirect_is_told_and_not_followed() -> None:
    async with endpoint(
        answer("302 Found", b"", "Location: http://169.254.169.254/x?y=z")
    ) as server:
        problem, lines = await failure(Http(url=server.url))

    assert lines == ["redirects are not followed; this one leads to http://169.254.169.254/x?…"]
    assert not problem.retryable


@pytest.mark.parametrize(
    ("expect", "status", "is_fine"),
    [
        ((200, 404), "404 Not Found", True),
        ((200, 404), "201 Created", False),
        ("200-299", "299 Odd", True),
        ("200-299", "300 Odd", False),
        ("300-399", "302 Found", True),
    ],
)
async def test_expected_statuses_are_a_list_or_a_range(
    expect: tuple[int, ...] | str, status: str, is_fine: bool
) -> None:
    async with endpoint(answer(status)) as server:
        kind = Http(url=server.url, expect=expect)
        if is_fine:
            await log_of(kind)
        else:
            await failure(kind)


async def test_a_server_that_is_down_may_be_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    problem, _ = await failure(Http(url=f"http://127.0.0.1:{port}/x"))

    assert (
        str(problem) == f"POST http://127.0.0.1:{port}/x could not be reached: Connection refused"
    )
    assert problem.retryable


async def test_a_metadata_address_is_never_called() -> None:
    problem, _ = await failure(Http(url="http://169.254.169.254/latest"))

    assert "169.254.169.254 is a link-local or metadata address, which is never called" in str(
        problem
    )
    assert not problem.retryable


async def test_a_url_from_a_reference_is_judged_when_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", "ftp://s3cret.example/")

    problem, _ = await failure(Http(url="${env:HOOK}"))

    assert str(problem) == "POST ${env:HOOK} needs a URL such as https://host/path"
    assert not problem.retryable


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "\x00", "x" * 5_000, "\ud800"])
async def test_a_fact_that_no_header_should_hold_fails_and_nothing_is_sent(
    server: Endpoint, value: str
) -> None:
    kind = Http(url=server.url, headers={"X-Branch": FromEvent(event="/branch")})

    problem, _ = await failure(kind, {"branch": value})

    assert str(problem).startswith("header X-Branch: the fact ")
    assert not problem.retryable
    assert server.calls == []


async def test_a_secret_with_a_line_break_is_not_sent_as_a_header(
    server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "a\r\nX-Evil: 1")

    problem, _ = await failure(Http(url=server.url, headers={"X-Token": "${env:TOKEN}"}))

    assert str(problem) == "header X-Token: its value holds line breaks or other control characters"
    assert server.calls == []


async def test_a_body_with_a_fact_that_is_no_json_fails(server: Endpoint) -> None:
    problem, _ = await failure(Http(url=server.url, body=[{"event": "/f"}]), {"f": "\ud800"})

    assert str(problem) == "body: a fact in it is not valid JSON"
    assert server.calls == []


async def test_a_call_can_be_cancelled() -> None:
    async with endpoint(b"") as server:
        await check_cancellation(
            Http(url=server.url), deploy_context(), lambda: len(server.calls) == 1
        )


async def test_many_calls_at_once_are_answered(server: Endpoint) -> None:
    await asyncio.gather(*(log_of(Http(url=server.url)) for _ in range(200)))

    assert len(server.calls) == 200


@pytest.mark.parametrize(
    ("config", "mistake"),
    [
        ({"url": "example.org"}, "url: must begin with http:// or https:// and a host"),
        ({"url": "http://"}, "url: must begin with"),
        ({"url": "http://a b/"}, "url: must begin with"),
        ({"url": "http://a/\nb"}, "url: must be a URL"),
        ({"url": ""}, "url: must be a URL"),
        ({"headers": {"A B": "x"}}, "headers: 'A B' cannot be the name of a header"),
        ({"headers": {"X": "a\r\nb"}}, "headers.X: must not hold line breaks"),
        ({"headers": {"Content-Length": "3"}}, "headers.Content-Length: is set by tinyforge"),
        ({"headers": {"Idempotency-Key": "3"}}, "headers.Idempotency-Key: is set by tinyforge"),
        (
            {"headers": {"Host": FromEvent(event="/h")}},
            "headers.Host: an event never chooses the host",
        ),
        ({"body": {"a": [{"event": "/~2"}]}}, "body.a[0]: '/~2' is not a JSON pointer"),
        ({"expect": "2xx"}, "expect: '2xx' is no range such as 200-299"),
        ({"expect": "299-200"}, "expect: '299-200' is no range"),
        ({"expect": ()}, "expect: must list statuses"),
        ({"expect": (20,)}, "expect: must list statuses"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(config: dict[str, object], mistake: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the text is compared below
        Http(**{"url": "http://a/", **config})  # type: ignore[arg-type]

    assert mistake in str(caught.value)
