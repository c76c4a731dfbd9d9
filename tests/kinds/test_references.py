from __future__ import annotations

import base64
import json
import os
import pickle
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyforge.errors import Unresolved
from tinyforge.references import Secret, Secrets, reads_files, redact, resolve, unresolved
from tinyforge.testing.kinds import Written

VALUE = "s3cr3t-v@lue/+x"


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TOKEN", VALUE)
    return VALUE


def test_a_variable_and_a_file_are_put_in_where_they_are_named(token: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from file\n")

    assert resolve(f"a ${{env:TOKEN}} b ${{file:{tmp_path}/key}} c") == f"a {token} b from file c"


@pytest.mark.parametrize(
    "text", ["", "plain", "$HOME ${HOME} ${VAR:-x}", "${env}", "$${", "${secret:X}"]
)
def test_any_other_text_stays_as_it_is(text: str) -> None:
    assert resolve(text) == text


def test_a_doubled_dollar_writes_the_reference_itself(token: str) -> None:
    assert resolve("$${env:TOKEN}") == "${env:TOKEN}"


def test_a_value_that_looks_like_a_reference_is_not_resolved_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OUTER", "${env:HOME}")

    assert resolve("${env:OUTER}") == "${env:HOME}"


@pytest.mark.parametrize(
    ("content", "value"),
    [(b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b"a", "a"), (b"\na\n", "\na")],
)
def test_one_line_end_of_a_file_does_not_belong_to_the_value(
    tmp_path: Path, content: bytes, value: str
) -> None:
    (tmp_path / "key").write_bytes(content)

    assert resolve(f"${{file:{tmp_path}/key}}") == value


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a\0b", "holds a NUL character"),
        (b"x" * 65_537, "is larger than 64 KiB"),
    ],
)
def test_a_file_that_cannot_be_a_value_is_refused_without_showing_it(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    (tmp_path / "key").write_bytes(content)
    reference = f"${{file:{tmp_path}/key}}"

    with pytest.raises(Unresolved) as caught:
        resolve(reference)

    assert str(caught.value) == f"{reference}: {problem}"
    assert not caught.value.retryable


def test_a_file_of_exactly_64_kib_is_a_value(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"x" * 65_536)

    assert len(resolve(f"${{file:{tmp_path}/key}}")) == 65_536


def test_a_pipe_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(Unresolved, match="is not a regular file"):
        resolve(f"${{file:{tmp_path}/pipe}}")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("${env:NO_SUCH_NAME}", "is not set in the server's environment"),
        ("${env:}", "'' is not the name of an environment variable"),
        ("${env:A B}", "'A B' is not the name of an environment variable"),
        ("${file:}", "write the whole path, from / on"),
        ("${file:key}", "write the whole path, from / on"),
        ("${file:/no/such/file}", "cannot be read: No such file or directory"),
        ("${file:/tmp}", "is not a regular file"),
    ],
)
def test_a_reference_without_a_value_says_what_is_wrong(reference: str, problem: str) -> None:
    with pytest.raises(Unresolved) as caught:
        resolve(f"before {reference} after")

    assert str(caught.value) == f"{reference}: {problem}"


def test_apply_is_told_every_reference_that_has_no_value_and_where(token: str) -> None:
    config = {
        "url": "https://x/${env:TOKEN}",
        "headers": {"A/B": "${env:GONE}", "C": ["x", "${file:rel}"]},
        "n": 3,
        "text": "$${env:GONE}",
    }

    assert unresolved(config) == [
        ("/headers/A~1B", "${env:GONE}: is not set in the server's environment"),
        ("/headers/C/1", "${file:rel}: write the whole path, from / on"),
    ]


def test_it_is_known_beforehand_whether_a_disk_is_touched() -> None:
    assert reads_files({"a": [{"b": "x ${file:/y}"}]})
    assert not reads_files({"a": "${env:X}", "b": 3})


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(VALUE)

    assert VALUE not in f"{secret} {secret!r} {[secret]} {vars(Secret)}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert secret.reveal() == VALUE


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        quote(VALUE),
        quote(VALUE, safe=""),
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode(),
        json.dumps({"a": VALUE}),
    ],
)
def test_a_value_is_hidden_also_in_its_usual_disguises(form: str) -> None:
    hidden = redact(f"<{form}>", [VALUE])

    assert VALUE not in hidden
    assert form not in hidden
    assert hidden.startswith("<")
    assert hidden.endswith(">")


def test_each_line_of_a_long_value_is_hidden() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----"

    assert redact("x MIIEvQIBADANBg y", [key]) == "x *** y"


def test_what_was_resolved_is_hidden_from_then_on(token: str) -> None:
    secrets = Secrets()
    log = Written()
    guarded = secrets.guard(log)

    guarded.write(f"before: {token}")
    secrets.resolve("${env:TOKEN}")
    guarded.write(f"after: {token}")

    assert log.lines == [f"before: {token}", "after: ***"]


def test_a_value_of_less_than_four_characters_does_not_tear_holes_into_the_log() -> None:
    assert redact("banana", ["a"]) == "banana"


@given(st.lists(st.text(min_size=4), min_size=1, max_size=4), st.text(), st.text())
def test_no_secret_of_several_is_left_in_any_text(
    values: list[str], before: str, after: str
) -> None:
    hidden = redact(before + "".join(values) + after, values)

    assert not any(value in hidden for value in values if "*" not in value)
