"""What proves a sender, and what never does."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinyforge
from tests.inbound.sending import SECRET, hex_of, refused, sent
from tinyforge.deliveries import Delivery, Receives, Verified
from tinyforge.errors import Unresolved
from tinyforge.inbound.proof import SecretConfig
from tinyforge.triggers.acr import Acr
from tinyforge.triggers.bitbucket import Bitbucket
from tinyforge.triggers.distribution import Distribution
from tinyforge.triggers.ghcr import Ghcr
from tinyforge.triggers.gitea import Gitea
from tinyforge.triggers.github import GitHub
from tinyforge.triggers.gitlab import GitLab
from tinyforge.triggers.harbor import Harbor
from tinyforge.triggers.webhook import Webhook

BODY = b'{"not": "read yet'
HOUSE = Path(tinyforge.__file__).parent

Proof = Callable[[str], dict[str, str]]
SIGNED: dict[type[Receives], tuple[str, str]] = {
    GitHub: ("x-hub-signature-256", "sha256="),
    Ghcr: ("x-hub-signature-256", "sha256="),
    Gitea: ("x-gitea-signature", ""),
    Bitbucket: ("x-hub-signature", "sha256="),
}
TOKENS: dict[type[Receives], str] = {
    GitLab: "x-gitlab-token",
    Harbor: "authorization",
    Distribution: "authorization",
    Acr: "authorization",
}
MAKERS: dict[type[Receives], Callable[[SecretConfig], Receives]] = {
    GitHub: lambda secret: GitHub(secret=secret),
    Ghcr: lambda secret: Ghcr(secret=secret),
    Gitea: lambda secret: Gitea(secret=secret),
    Bitbucket: lambda secret: Bitbucket(secret=secret),
    GitLab: lambda secret: GitLab(secret=secret),
    Harbor: lambda secret: Harbor(secret=secret),
    Distribution: lambda secret: Distribution(secret=secret),
    Acr: lambda secret: Acr(secret=secret),
    Webhook: lambda secret: Webhook(secret=secret),
}
KINDS = pytest.mark.parametrize("cls", [*SIGNED, *TOKENS], ids=lambda cls: cls.__name__)


def proof_of(cls: type[Receives], secret: str, body: bytes = BODY) -> dict[str, str]:
    """Return the header by which a sender that has *secret* proves it."""
    if cls in TOKENS:
        return {TOKENS[cls]: secret}
    header, prefix = SIGNED[cls]
    return {header: prefix + hex_of(secret, body)}


def delivery(headers: dict[str, str]) -> Delivery:
    return sent(body=BODY, headers=headers)


def test_githubs_published_vector_is_proved() -> None:
    signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    kind = GitHub(secret="It's a Secret to Everybody")  # noqa: S106 - the published one
    headers = {"x-hub-signature-256": f"sha256={signature}"}
    assert kind.verify(sent(body=b"Hello, World!", headers=headers)) == Verified(secret=0)


@KINDS
def test_security_row_9_the_raw_bytes_are_verified_whatever_they_say(cls: type[Receives]) -> None:
    kind = MAKERS[cls](SECRET)
    assert kind.verify(delivery(proof_of(cls, SECRET))) == Verified(secret=0)
    assert refused(kind.read(delivery({})))[0] in {400, 415}


@KINDS
def test_security_row_2_missing_empty_wrong_and_truncated_proofs_are_no_pass(
    cls: type[Receives],
) -> None:
    kind = MAKERS[cls](SECRET)
    ((name, right),) = proof_of(cls, SECRET).items()
    for value in ("", " ", right[:-1], f"{right}0", right[1:], f"{right},{right}", "sha256="):
        assert refused(kind.verify(delivery({name: value})))[0] == 401, value
    assert refused(kind.verify(delivery({})))[0] == 401
    assert refused(kind.verify(delivery(proof_of(cls, "another secret"))))[0] == 401


@pytest.mark.parametrize("cls", MAKERS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("secret", ["", "  ", (), ("a", ""), ("a", "b", "c")])
def test_security_row_2_an_empty_secret_is_refused_at_creation(
    cls: type[Receives], secret: SecretConfig
) -> None:
    with pytest.raises(ValueError, match=r"^secret: "):
        MAKERS[cls](secret)


@pytest.mark.parametrize("value", [None, ""])
def test_security_row_2_a_secret_without_a_value_is_nobodys_proof(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("ABSENT", value)
    for cls in (*SIGNED, *TOKENS):
        kind = MAKERS[cls]("${env:ABSENT}")
        given = {TOKENS.get(cls, ""): "x"} if cls in TOKENS else proof_of(cls, "x")
        with pytest.raises(Unresolved, match="ABSENT"):
            kind.verify(delivery(given))


@KINDS
def test_security_row_2_a_value_of_spaces_is_nobodys_proof(
    cls: type[Receives], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLANK", "  ")
    kind = MAKERS[cls]("${env:BLANK}")
    assert refused(kind.verify(delivery(proof_of(cls, "  "))))[0] == 401


@KINDS
def test_of_two_secrets_either_proves_it_and_is_named(
    cls: type[Receives], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEW_SECRET", "the new one")
    kind = MAKERS[cls](("the old one", "${env:NEW_SECRET}"))
    assert kind.verify(delivery(proof_of(cls, "the old one"))) == Verified(secret=0)
    assert kind.verify(delivery(proof_of(cls, "the new one"))) == Verified(secret=1)
    assert refused(kind.verify(delivery(proof_of(cls, "a third"))))[0] == 401


@KINDS
def test_one_secret_still_proves_it_while_the_other_has_no_value(cls: type[Receives]) -> None:
    kind = MAKERS[cls](("${env:ABSENT}", "the new one"))
    assert kind.verify(delivery(proof_of(cls, "the new one"))) == Verified(secret=1)


def test_a_secret_is_read_where_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("the old one\n")
    kind = GitHub(secret=f"${{file:{path}}}")
    assert kind.verify(delivery(proof_of(GitHub, "the old one"))) == Verified(secret=0)
    path.write_text("the new one\n")
    assert kind.verify(delivery(proof_of(GitHub, "the new one"))) == Verified(secret=0)


@KINDS
@given(value=st.text())
def test_security_row_8_any_text_in_a_header_is_refused_and_not_an_error(
    cls: type[Receives], value: str
) -> None:
    name = TOKENS.get(cls) or SIGNED[cls][0]
    assert refused(MAKERS[cls](SECRET).verify(delivery({name: value})))[0] == 401


def test_security_row_8_a_secret_beyond_ascii_is_compared_as_the_bytes_that_came() -> None:
    kind = GitLab(secret="gehäuse")  # noqa: S106 - what is sent
    came = "gehäuse".encode().decode("latin-1")
    assert kind.verify(delivery({"x-gitlab-token": came})) == Verified(secret=0)
    assert refused(kind.verify(delivery({"x-gitlab-token": "gehäuse"})))[0] == 401


@pytest.mark.parametrize(
    "path",
    sorted([*(HOUSE / "inbound").glob("*.py"), *(HOUSE / "triggers").glob("*.py")]),
    ids=lambda path: path.name,
)
def test_security_row_8_no_proof_is_compared_with_equals(path: Path) -> None:
    secret_words = ("signature", "token", "digest", "secret", "expected", "mac")
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
            sides = [node.left, *node.comparators]
            names = [side.id for side in sides if isinstance(side, ast.Name)]
            assert not [name for name in names if name.endswith(secret_words)], node.lineno


@pytest.mark.parametrize(
    "written",
    ["sha1={sha1}", "md5={sha256}", "none", "{sha256}", "SHA256={sha256}", "sha256={upper}"],
)
def test_security_row_31_the_sender_does_not_choose_the_scheme(written: str) -> None:
    right = hex_of(SECRET, BODY)
    value = written.format(sha1=hex_of(SECRET, BODY, "sha1"), sha256=right, upper=right.upper())
    for header in ("x-hub-signature-256", "x-hub-signature"):
        assert refused(GitHub(secret=SECRET).verify(delivery({header: value})))[0] == 401


@KINDS
def test_another_secret_is_refused_with_what_to_do_at_the_sender(cls: type[Receives]) -> None:
    headers = proof_of(cls, "another secret")
    (name,) = headers
    _, because = refused(MAKERS[cls](SECRET).verify(delivery(headers)))
    assert because == f"{name} does not fit the trigger's secret; enter that at the sender"


def test_a_refusal_holds_neither_the_secret_nor_what_would_have_fitted() -> None:
    for cls in (*SIGNED, *TOKENS):
        kind = MAKERS[cls](SECRET)
        _, because = refused(kind.verify(delivery(proof_of(cls, "another secret"))))
        assert SECRET not in because + repr(kind)
        assert hex_of(SECRET, BODY) not in because
