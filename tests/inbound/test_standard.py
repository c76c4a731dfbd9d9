"""Standard Webhooks: the published vector, and what must not pass."""

from __future__ import annotations

import base64

import pytest

from tests.inbound.sending import NOW, base64_of, refused, sent
from tinyforge.clock import SECOND, Moment
from tinyforge.deliveries import Delivery, Refused, Verified
from tinyforge.errors import Unresolved
from tinyforge.triggers.webhook import Webhook

PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = b"0123456789abcdef0123456789abcdef"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
BODY = b'{"branch": "main"}'
SECONDS = NOW // SECOND


def signed(
    *, name: str = "id1", time: int | str = SECONDS, key: bytes = KEY, at: Moment = NOW
) -> Delivery:
    headers = {
        "webhook-id": name,
        "webhook-timestamp": str(time),
        "webhook-signature": f"v1,{base64_of(key, f'{name}.{time}.'.encode() + BODY)}",
    }
    return sent(body=BODY, headers=headers, at=at)


def with_signature(value: str) -> Delivery:
    headers = {**signed().headers, "webhook-signature": value}
    return sent(body=BODY, headers=headers)


def verify(delivery: Delivery, secret: str | tuple[str, ...] = SECRET) -> Verified | Refused:
    return Webhook(secret=secret).verify(delivery)


def test_the_published_vector_is_proved() -> None:
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    delivery = sent(body=b'{"test": 2432232314}', headers=headers, at=1_614_265_330 * SECOND)
    assert verify(delivery, PUBLISHED) == Verified(secret=0)


def test_one_of_several_signatures_is_enough() -> None:
    right = signed().headers["webhook-signature"]
    assert verify(with_signature(f"v1,AAAA v1a,AAAA {right}")) == Verified(secret=0)


def test_of_two_secrets_either_proves_it_and_is_named() -> None:
    both = (SECRET, PUBLISHED)
    key = base64.b64decode(PUBLISHED.removeprefix("whsec_"))
    assert verify(signed(), both) == Verified(secret=0)
    assert verify(signed(key=key), both) == Verified(secret=1)


@pytest.mark.parametrize("secret", ["plain words", base64.b64encode(KEY).decode()])
def test_a_secret_without_its_prefix_is_itself_or_base64(secret: str) -> None:
    assert verify(signed(key=secret.encode()), secret) == Verified(secret=0)
    as_base64 = verify(signed(), secret)
    assert isinstance(as_base64, Verified) == (secret != "plain words")


@pytest.mark.parametrize(
    "value",
    ["", " ", "v1,", "v1", "v1,!!!!", "v1a,{sha}", "v2,{sha}", "{sha}", "V1,{sha}", "v1,{sha}x"],
)
def test_security_row_31_other_versions_and_empty_signatures_are_no_pass(value: str) -> None:
    right = signed().headers["webhook-signature"].removeprefix("v1,")
    assert refused(verify(with_signature(value.format(sha=right))))[0] == 401


@pytest.mark.parametrize("away", [-300, -1, 0, 1, 300])
def test_security_row_11_five_minutes_either_way_are_taken(away: int) -> None:
    assert verify(signed(at=NOW + away * SECOND)) == Verified(secret=0)


@pytest.mark.parametrize(("away", "way"), [(301, "301 s old"), (-301, "301 s ahead")])
def test_security_row_11_an_older_or_later_delivery_is_refused(away: int, way: str) -> None:
    status, because = refused(verify(signed(at=NOW + away * SECOND)))
    assert (status, way in because) == (401, True)


@pytest.mark.parametrize(
    "time", ["", f"{SECONDS}.0", f" {SECONDS}", f"+{SECONDS}", "-1", "1e9", "9" * 13, "١٧٦٧٢٢٥٦٠٠"]
)
def test_security_row_11_only_whole_seconds_are_a_time(time: str) -> None:
    status, because = refused(verify(signed(time=time)))
    assert (status, "whole number" in because) == (401, True)


def test_security_row_30_an_id_cannot_run_into_the_time() -> None:
    honest = signed(name=f"a.{SECONDS}")
    shifted = {**honest.headers, "webhook-id": "a", "webhook-timestamp": str(SECONDS)}
    moved = sent(body=f"{SECONDS}.".encode() + BODY, headers=shifted)
    assert refused(verify(honest))[0] == 401
    assert refused(verify(signed(name="")))[0] == 401
    assert verify(moved) == Verified(secret=0)  # so the id with the dot must not have passed


def test_a_key_that_is_no_base64_is_nobodys_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="secret: what stands behind whsec_ is no base64"):
        Webhook(secret="whsec_!!!")  # noqa: S106 - what is refused
    with pytest.raises(ValueError, match="secret: what stands behind whsec_ is no base64"):
        Webhook(secret="whsec_")  # noqa: S106 - what is refused
    monkeypatch.setenv("KEY", "whsec_!!!")
    with pytest.raises(Unresolved, match="no base64"):
        verify(signed(), "${env:KEY}")
