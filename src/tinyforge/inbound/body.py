"""A delivery's body: its content type, the form it may be wrapped in, its JSON, its identity."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from tinyforge.clock import MINUTE, Micros
from tinyforge.deliveries import Accepted, Change, Delivery, Refused
from tinyforge.inbound.guard import parsed

JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json")
FORM_TYPE = "application/x-www-form-urlencoded"
FIELD = b"payload="
LONGEST_ID = 200
DIGEST = "sha256:"
PLAIN = re.compile(r"[\x21-\x7e]+")
SHOWN = 60  # characters of a sender's word in an answer


def is_form(delivery: Delivery) -> bool:
    return _media_type(delivery) == FORM_TYPE


def json_of(delivery: Delivery) -> object | Refused:
    """Return the body's JSON, guarded."""
    kind = _media_type(delivery)
    if not JSON_TYPE.fullmatch(kind):
        return Refused(
            status=415,
            because=f"the content type is {shown(kind)}; choose application/json at the sender",
        )
    return _json(delivery.body)


def json_or_form_of(delivery: Delivery) -> object | Refused:
    """Return the JSON that is the body, or that a form has in its field `payload`."""
    if not is_form(delivery):
        return json_of(delivery)
    payload = payload_of(delivery.body)
    return payload if isinstance(payload, Refused) else _json(payload)


def payload_of(form: bytes) -> bytes | Refused:
    """Return the bytes of a form's field `payload`."""
    found = [part for part in form.split(b"&") if part.startswith(FIELD)]
    if len(found) != 1:
        return Refused(status=400, because="the form must have exactly one field `payload`")
    return unquote_to_bytes(found[0].removeprefix(FIELD).replace(b"+", b" "))


def accepted(
    changes: Sequence[Change],
    delivery: Delivery,
    delivery_id: str,
    *,
    content_key: str = "",
    content_for: Micros = MINUTE,
) -> Accepted:
    """Return the event; without any id it is told apart by its body."""
    if not (delivery_id or content_key):
        content_key = f"{DIGEST}{hashlib.sha256(delivery.body).hexdigest()}"
    return Accepted(
        changes=changes,
        delivery_id=delivery_id,
        content_key=content_key,
        content_for=content_for,
    )


def id_of(delivery: Delivery, *names: str) -> str:
    """Return the delivery's id from the first of these headers that there is."""
    return next((short_id(found) for name in names if (found := delivery.headers.get(name))), "")


def short_id(text: str) -> str:
    """Return an id that can be stored: of one that is long, odd or like a digest, its digest."""
    is_short = len(text) <= LONGEST_ID and not text.startswith(DIGEST)
    if not text or (is_short and PLAIN.fullmatch(text)):
        return text
    return f"{DIGEST}{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def shown(word: str) -> str:
    """Return a sender's *word* in quotes, without control characters and not for ever."""
    return repr(word if len(word) <= SHOWN else f"{word[:SHOWN]}…")


def _media_type(delivery: Delivery) -> str:
    return delivery.headers.get("content-type", "").partition(";")[0].strip().lower()


def _json(body: bytes) -> object | Refused:
    try:
        return parsed(body)
    except ValueError as problem:
        return Refused(status=400, because=f"the body: {problem}")
