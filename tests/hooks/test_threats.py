"""What somebody tries who is no provider; each test is named after its row of the threats."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from tests.hooks.calling import Answer, ask, github, line, request
from tests.hooks.json_suite import Vector, vectors
from tests.hooks.site import KNOWN, TOKEN, UNKNOWN, Site
from tests.inbound.forges import github_push
from tests.inbound.sending import SECRET, hex_of

BEARER = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
SIGNATURE = "x-hub-signature-256"
BODY, HEADERS = github(github_push(), "always the same")
DIGITS = HEADERS[SIGNATURE].removeprefix("sha256=")


def unproved(header: str | None) -> dict[str, str]:
    """Return the headers of a delivery whose signature is *header*."""
    rest = {name: value for name, value in HEADERS.items() if name != SIGNATURE}
    return rest if header is None else {**rest, SIGNATURE: header}


def must_be_unproved(site: Site, answer: Answer) -> None:
    assert answer.status == 401
    assert DIGITS.encode() not in answer.body
    assert SECRET.encode() not in answer.body


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        f"sha256={'0' * 64}",
        f"sha256={DIGITS[:-1]}",
        f"sha256={DIGITS[:-2]}",
        f"sha256={DIGITS}00",
        f"sha256={hex_of(TOKEN, BODY)}",
    ],
)
def test_security_row_2_what_is_missing_empty_wrong_or_cut_is_refused(
    site: Site, header: str | None
) -> None:
    before = site.of("deliveries", "push")
    must_be_unproved(site, site.post("push", BODY, unproved(header)))
    assert site.of("deliveries", "push") == before


@pytest.mark.parametrize(
    "header",
    [
        DIGITS,
        f"sha256={DIGITS.upper()}",
        f"SHA256={DIGITS}",
        f"sha1={hex_of(SECRET, BODY, 'sha1')}",
        f"md5={hex_of(SECRET, BODY, 'md5')}",
        f"sha512={hex_of(SECRET, BODY, 'sha512')}",
        f"none={DIGITS}",
        f"sha256={hex_of(SECRET, BODY, 'sha1')}",
        f"sha256={DIGITS}\r\n{SIGNATURE}: sha256={'0' * 64}",
        f"sha256={'0' * 64}\r\n{SIGNATURE}: sha256={DIGITS}",
        f"sha256={DIGITS}\r\n{SIGNATURE}: sha256={DIGITS}",
    ],
)
def test_security_row_31_the_sender_chooses_neither_algorithm_nor_form(
    site: Site, header: str
) -> None:
    must_be_unproved(site, site.post("push", BODY, unproved(header)))


def test_security_row_31_an_old_signature_beside_the_right_one_changes_nothing(site: Site) -> None:
    old = {"x-hub-signature": f"sha1={hex_of(SECRET, BODY, 'sha1')}"}
    assert site.post("lone", BODY, {**HEADERS, **old}).status == 200
    must_be_unproved(site, site.post("lone", BODY, {**unproved(None), **old}))


@pytest.mark.parametrize("odd", ["sha256=é", "\xff" * 71, "sha256=" + "\xb2" * 64, "sha256=\t0"])
def test_security_row_8_odd_bytes_in_a_signature_are_refused_like_any_other(
    site: Site, odd: str
) -> None:
    must_be_unproved(site, site.post("push", BODY, unproved(odd)))


def test_security_row_8_a_method_that_needs_no_proof_answers_nothing(site: Site) -> None:
    for method in ("HEAD", "GET", "OPTIONS"):
        answer = ask(site.port, f"/hooks/{KNOWN['push']}", BODY, HEADERS, method)
        assert answer.status == 405
        assert not {"x-hub-signature-256", "etag"} & set(answer.headers)


def test_security_row_9_nothing_of_a_body_is_kept_before_it_is_proved(site: Site) -> None:
    canary = "canary-of-a-body-that-proves-nothing"
    for body in (f'{{"ref": "{canary}"}}'.encode(), f"{canary} [[[".encode()):
        for headers in (unproved("sha256=" + "0" * 64), {"x-canary": canary}):
            assert site.post("push", body, headers).status == 401
    assert canary.encode() not in site.files()


def test_security_row_9_a_body_is_not_parsed_before_it_is_proved(site: Site) -> None:
    """What is no JSON at all is refused for its signature, not for its JSON."""
    for body in (b"{", b"\xff", b"[" * 100_000):
        must_be_unproved(site, site.post("push", body, unproved(f"sha256={'0' * 64}")))


def test_security_row_12_no_spelling_of_a_path_leads_anywhere_else(site: Site) -> None:
    known = KNOWN["push"]
    for path in (
        "..%2f..%2fetc%2fpasswd",
        f"{known}%2f..%2f{known}",
        f"%2e%2e/{known}",
        f"{known}%00",
        f"{known}/../{known}",
        f".%2f{known}",
        f"{known};x=y",
        "\xe2\x80\xa5",
    ):
        answer = ask(site.port, f"/hooks/{path}", BODY, HEADERS)
        assert answer.status in {400, 404}, path
        assert known.encode() not in answer.body


def test_security_row_15_no_address_of_an_endpoint_is_ever_shown(site: Site) -> None:
    """Asked after all kinds of answers; the log is written at its most talkative level."""
    for path in (KNOWN["images"], UNKNOWN):
        for method in ("GET", "POST", "PUT"):
            answer = ask(site.port, f"/hooks/{path}?x=1", b"{", BEARER, method)
            assert path.encode() not in answer.body
    log = (site.place.folder / "server.log").read_bytes()
    assert b"DeliveryTurnedAway" in log
    for path in (*KNOWN.values(), UNKNOWN):
        assert path.encode() not in log


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> list[Vector]:
    return vectors(tmp_path_factory.mktemp("suite"))


def test_security_row_21_published_traps_of_json_are_answered_one_by_one(
    site: Site, suite: list[Vector]
) -> None:
    refused_by_us = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
    taken_by_us = {"n_structure_no_data.json"}  # who has nothing to say may still call
    assert len(suite) > 330
    with line(site.port) as one:
        for vector in suite:
            answer = one.ask(f"/hooks/{KNOWN['any']}", vector.text, BEARER)
            if vector.name in refused_by_us or (
                vector.must_fail and vector.name not in taken_by_us
            ):
                assert answer.status == 400, vector.name
            elif vector.must_pass or vector.name in taken_by_us:
                assert answer.status in {200, 202}, vector.name
            else:
                assert answer.status in {200, 202, 400}, vector.name


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 500_000,
        b"[" + b"[],".join([b""] * 200_002) + b"0]",
        b"{" + b",".join(b'"%d":0' % n for n in range(200_001)) + b"}",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b"9" * 100_000,
        b'"\\ud800"',
    ],
    ids=[str(n) for n in range(10)],
)
def test_security_row_21_what_would_eat_the_server_is_refused(site: Site, body: bytes) -> None:
    answer = site.post("any", body[: 1 << 20], BEARER)
    assert answer.status == 400
    assert len(answer.body) < 1_000


WRONG = (None, 5, -1.5, True, "", "\x00", [], [1], {}, {"x": []}, "x" * 10_000, 2**63)


def mutations(value: object) -> Iterator[object]:
    """Yield *value* with each part in turn left out or replaced by something of another type."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield {name: other for name, other in value.items() if name != key}
            for wrong in (*WRONG, *mutations(inner)):
                yield {**value, key: wrong}
    elif isinstance(value, list):
        for place, inner in enumerate(value[:1]):
            for wrong in (*WRONG, *mutations(inner)):
                yield [*value[:place], wrong, *value[place + 1 :]]


def test_security_row_21_a_body_of_wrong_types_is_never_our_fault(site: Site) -> None:
    """An address that needs no signature takes them all: no answer is a 5xx."""
    payload = {
        "push_data": {"pushed_at": 1.5, "pusher": "ann", "tag": "v1"},
        "repository": {"repo_name": "acme/site"},
    }
    headers = {"content-type": "application/json"}
    with line(site.port) as one:
        found = {
            one.ask(f"/hooks/{KNOWN['images']}", json.dumps(wrong).encode(), headers).status
            for wrong in (*WRONG, *mutations(payload))
        }
    assert found <= {200, 202, 400}


def test_security_row_22_a_request_that_is_cut_off_is_not_stored(site: Site) -> None:
    before = site.of("deliveries", "push")
    with line(site.port) as one:
        one.send(request(f"/hooks/{KNOWN['push']}", BODY, HEADERS)[:-1])
    assert site.push("push").status == 202
    assert site.of("deliveries", "push") == before + 1
