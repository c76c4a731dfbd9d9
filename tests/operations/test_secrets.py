"""Secrets that are typed into configs: sealed, shown nowhere, and nothing changes the second time."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.operations.house import ME, House, open_house, request
from tinyforge.errors import InvalidManifest, KeyMissing, Refused
from tinyforge.operations.answers import PlanView
from tinyforge.operations.callers import Caller, Role
from tinyforge.operations.lists import Wanted
from tinyforge.operations.objects import Target
from tinyforge.references import opened_by, resolve

CANARY, OTHER = "canary-Zk4q8vN1bX7mT2cR", "canary-Yh3w9pL5dJ6sF0aE"
AFAR = Caller(actor="token:ci", role=Role.ADMIN, source="203.0.113.7")
PUSH = """
version: 1
triggers:
  push: {{kind: github, secret: {secret}}}
  image: {{kind: dockerhub}}
"""


def push(secret: str) -> str:
    return PUSH.format(secret=secret)


async def sealed_in(house: House, trigger: str = "push") -> Any:
    return (await house.doors.triggers.show(trigger, ME)).trigger.config["secret"]


async def value_of(house: House, reference: str) -> str:
    """Resolve as a kind does."""
    await house.vault.refresh()
    with opened_by(house.vault.value):
        return resolve(reference)


async def test_a_secret_that_was_typed_is_a_reference_from_then_on(house: House) -> None:
    await house.apply(push(CANARY))
    shown = await sealed_in(house)
    assert re.fullmatch(r"\$\{sealed:sec_[0-9a-z]{13}\}", shown)
    assert await value_of(house, shown) == CANARY


async def test_the_second_time_nothing_changes(house: House) -> None:
    await house.apply(push(CANARY))
    before = await sealed_in(house)
    plan = await house.doors.manifests.plan(request(push(CANARY)), ME)
    assert [one for one in plan.changes if one.fields] == []
    await house.apply(push(CANARY))
    assert await sealed_in(house) == before


async def test_a_secret_that_is_soon_guessed_is_warned_about_while_it_is_new(house: House) -> None:
    secrets = push("[correct horse battery staple, hunter2]")
    (warned,) = [one for one in (await house.apply(secrets)).warnings if "soon guessed" in one]
    assert warned.startswith("trigger push: secret is shorter than 16 characters")
    assert "hunter2" not in warned
    assert not any("soon guessed" in one for one in (await house.apply(secrets)).warnings)


async def test_another_secret_is_a_change_that_shows_neither(house: House) -> None:
    await house.apply(push(CANARY))
    before = await sealed_in(house)
    changed = await house.apply(push(OTHER))
    after = await sealed_in(house)
    fields = [(f.name, f.before, f.after) for one in changed.changes for f in one.fields]
    assert fields == [("secret", before, after)]
    assert before != after
    assert await value_of(house, after) == OTHER


async def test_a_list_of_two_keeps_the_one_that_stays(house: House) -> None:
    await house.apply(push(CANARY))
    before = await sealed_in(house)
    await house.apply(push(f"[{OTHER}, {CANARY}]"))
    new, kept = await sealed_in(house)
    assert kept == before
    assert await value_of(house, new) == OTHER


async def test_an_escaped_reference_is_a_text_like_any_other(house: House) -> None:
    await house.apply(push('"$${env:HOME}-and-more"'))
    assert await value_of(house, await sealed_in(house)) == "${env:HOME}-and-more"


async def test_references_stay_as_they_are_written(house: House) -> None:
    text = push('"${env:HOME}"')
    await house.apply(text[: text.index("  image")])
    assert await sealed_in(house) == "${env:HOME}"
    assert await house.store.secrets(0, 10) == []
    assert not house.vault.keyring.is_there, "no key is made before something is sealed"


async def test_equal_secrets_of_two_triggers_do_not_look_equal(house: House) -> None:
    twice = push(CANARY) + f"  other: {{kind: github, secret: {CANARY}}}\n"
    await house.apply(twice)
    assert await sealed_in(house) != await sealed_in(house, "other")
    rows = await house.store.secrets(0, 10)
    assert len({row.sealed[21:] for row in rows}) == 2


async def test_what_no_config_names_any_more_goes(house: House) -> None:
    await house.apply(push(CANARY))
    await house.apply(push(OTHER))
    assert len(await house.store.secrets(0, 10)) == 1
    await house.apply("version: 1\n", prune=True)
    assert await house.store.secrets(0, 10) == []


async def test_an_export_is_applied_again_and_keeps_what_is_sealed(house: House) -> None:
    await house.apply(push(CANARY))
    text = (await house.doors.manifests.export(ME, "default")).text
    assert CANARY not in text
    again = await house.apply(text)
    assert [one for one in again.changes if one.fields] == []
    assert await value_of(house, await sealed_in(house)) == CANARY


@pytest.mark.parametrize("where", ["another trigger", "another field", "nowhere"])
async def test_a_sealed_secret_belongs_to_its_field_alone(house: House, where: str) -> None:
    await house.apply(push(CANARY))
    sealed = await sealed_in(house)
    thief = {
        "another trigger": f'  thief: {{kind: github, secret: "{sealed}"}}\n',
        "another field": f"""workloads:
  thief: {{kind: http, url: "https://example.org", headers: {{X: "{sealed}"}}}}\n""",
        "nowhere": '  thief: {kind: github, secret: "${sealed:sec_0000000000001}"}\n',
    }[where]
    with pytest.raises(InvalidManifest, match="thief"):
        await house.apply(push(CANARY) + thief)


async def test_a_part_of_a_secret_cannot_be_sealed(house: House) -> None:
    await house.apply(push(CANARY))
    sealed = await sealed_in(house)
    with pytest.raises(InvalidManifest, match="write the secret itself"):
        await house.apply(push(f'"x{sealed}"'))


async def test_the_mask_is_not_taken_for_a_secret(house: House) -> None:
    with pytest.raises(InvalidManifest, match="is what a secret is shown as"):
        await house.apply(push('"***"'))


async def test_what_is_too_long_for_a_secret_is_refused(house: House) -> None:
    with pytest.raises(InvalidManifest, match="longer than 64 KiB"):
        await house.apply(push("x" * (64 * 1024 + 1)))


@pytest.mark.parametrize(
    "secret",
    [
        f"[{CANARY}, {OTHER}, {CANARY}x]",
        f"{{key: {CANARY}}}",
        f"[[{CANARY}]]",
        f"{CANARY}, signing: {CANARY}",
        f'"whsec_{CANARY}$", proof: basic',
        f"[{CANARY}, '']",
    ],
)
async def test_row_15_of_security_no_mistake_quotes_a_secret(house: House, secret: str) -> None:
    for kind in ("github", "gitlab", "webhook"):
        text = push(secret).replace("kind: github", f"kind: {kind}")
        with pytest.raises(InvalidManifest) as refused:
            await house.apply(text)
        assert CANARY not in str(refused.value)
    assert CANARY not in repr(house.happened)


async def test_a_secret_that_is_typed_into_the_api_is_sealed_as_well(house: House) -> None:
    target = Target(what="trigger", name="push")
    await house.doors.objects.put(ME, target, {"kind": "github", "secret": CANARY})
    shown = await sealed_in(house)
    assert await value_of(house, shown) == CANARY
    again = replace(target, version="*")
    await house.doors.objects.put(ME, again, {"kind": "github", "secret": shown, "enabled": False})
    assert await sealed_in(house) == shown, "what was shown means: keep it"
    with pytest.raises(InvalidManifest, match="over HTTP"):
        await house.doors.objects.put(AFAR, again, {"kind": "github", "secret": "${env:HOME}"})
    await house.doors.objects.delete(ME, again)
    assert await house.store.secrets(0, 10) == []


async def test_row_15_of_security_no_view_shows_what_a_hand_wrote_into_the_table(
    house: House,
) -> None:
    await house.apply(push('"${env:HOME}"'))
    config = json.dumps({"secret": ["pre-${env:HOME}", CANARY, 7]})
    house.by_hand("UPDATE triggers SET config = ? WHERE name = 'push'", config)
    await house.pass_time(0)
    plan = await house.doors.manifests.plan(request(push(OTHER)), ME)
    shown = [
        repr(await house.doors.triggers.show("push", ME)),
        repr(await house.doors.lists.triggers(ME, Wanted())),
        repr(plan),
        (await house.doors.manifests.export(ME)).text,
        repr(await house.doors.doctor.examine(ME)),
        repr(house.happened),
    ]
    assert [text for text in shown if CANARY in text or "pre-" in text] == []
    assert "***${env:HOME}" in shown[0]


async def test_row_14_of_security_a_stolen_database_has_no_secret_in_it(house: House) -> None:
    await house.apply(push(CANARY))
    await house.apply(push(OTHER))
    await house.store.checkpoint()
    for path in house.folder.iterdir():
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
            assert OTHER.encode() not in path.read_bytes(), path


async def test_row_14_of_security_swapped_rows_open_nothing(house: House) -> None:
    await house.apply(push(CANARY) + f"  other: {{kind: github, secret: {OTHER}}}\n")
    names = [await sealed_in(house), await sealed_in(house, "other")]
    first, second = await house.store.secrets(0, 10)
    for row, sealed in ((first, second.sealed), (second, first.sealed)):
        house.by_hand("UPDATE secrets SET sealed = ? WHERE id = ?", sealed, row.id)
    house.vault.forget()
    for name in names:
        with pytest.raises(Exception, match="stands in another's place"):
            await value_of(house, name)


async def test_a_broken_secret_is_repaired_by_writing_it_again(house: House) -> None:
    await house.apply(push(CANARY))
    house.by_hand("UPDATE secrets SET sealed = CAST(substr(sealed, 1, 50) || 'harm' AS BLOB)")
    house.vault.forget()
    await house.apply(push(CANARY))
    assert await value_of(house, await sealed_in(house)) == CANARY


async def test_row_14_of_security_without_its_key_nothing_starts(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.apply(push(CANARY))
        key_id = house.vault.keyring.key_id
    (tmp_path / "key").rename(tmp_path / "elsewhere")
    async with open_house(tmp_path) as house:
        with pytest.raises(KeyMissing, match=f"the key {key_id} is wanted"):
            await house.vault.unlock()
        assert not (tmp_path / "key").exists(), "no other key is made in its place"
        (check,) = [c for c in (await house.doors.doctor.examine(ME)).checks if c.name == "key"]
        assert (check.verdict, key_id in check.what) == ("fail", True)


async def test_with_another_key_nothing_more_is_sealed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.apply(push(CANARY))
    (tmp_path / "key").unlink()
    async with open_house(tmp_path) as house:
        with pytest.raises((Refused, KeyMissing)):
            await house.apply(push(OTHER))
        assert len(await house.store.secrets(0, 10)) == 1


# --- what comes over HTTP


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder that may be named, with a secret in it, and one beside it that may not."""
    (folder := tmp_path / "allowed").mkdir()
    (folder / "token").write_text("inside")
    (tmp_path / "outside").write_text("outside")
    (folder / "way-out").symlink_to(tmp_path / "outside")
    (folder / "turn").symlink_to("token")
    monkeypatch.setenv("A_TOKEN", "one")
    monkeypatch.setenv("B_TOKEN", "two")
    return folder


async def planned_afar(house: House, reference: str, folder: Path | None) -> PlanView:
    allowed = replace(house.doors.manifests.allowance, names=frozenset({"A_TOKEN"}), folder=folder)
    manifests = house.doors.manifests
    return await type(manifests)(**{**vars(manifests), "allowance": allowed}).plan(
        request(push(f'"{reference}"')), AFAR
    )


@pytest.mark.parametrize("name", ["${env:A_TOKEN}", "${file:IN/token}", "${file:IN/turn}"])
async def test_from_afar_a_manifest_names_what_is_listed(
    house: House, named: Path, name: str
) -> None:
    plan = await planned_afar(house, name.replace("IN", str(named)), named)
    assert any(one.name == "push" for one in plan.changes)


@pytest.mark.parametrize(
    "name",
    [
        "${env:B_TOKEN}",
        "${env:NOT_SET_AT_ALL}",
        "${env:A_TOKEN}${env:HOME}",
        "${file:/etc/passwd}",
        "${file:IN/../outside}",
        "${file:IN/way-out}",
        "${file:IN}",
        "${file:IN/absent}",
        "${file:IN/./../../../../../../../etc/passwd}",
        "${file:/proc/self/environ}",
        "${file:relative}",
    ],
)
async def test_row_12_of_security_from_afar_it_names_nothing_else(
    house: House, named: Path, name: str
) -> None:
    with pytest.raises(InvalidManifest) as refused:
        await planned_afar(house, name.replace("IN", str(named)), named)
    (mistake,) = refused.value.mistakes
    assert "triggers.push.secret: " in mistake
    assert "over HTTP" in mistake
    assert all(value not in mistake for value in ("outside)", "one", "root:"))


async def test_from_afar_a_refusal_does_not_tell_what_is_there(house: House, named: Path) -> None:
    said = []
    for path in ("/etc/passwd", "/etc/not-there"):
        with pytest.raises(InvalidManifest) as refused:
            await planned_afar(house, f"${{file:{path}}}", named)
        said.append(str(refused.value).replace(path, "IT"))
    assert said[0] == said[1]


async def test_without_a_folder_no_file_is_named_from_afar(house: House, named: Path) -> None:
    with pytest.raises(InvalidManifest, match="TINYFORGE_SECRET_DIR"):
        await planned_afar(house, f"${{file:{named}/token}}", None)


async def test_from_afar_any_field_is_looked_at(house: House) -> None:
    text = """
version: 1
workloads:
  call: {kind: http, url: "https://example.org", headers: {Authorization: "Bearer ${env:HOME}"}}
triggers:
  image: {kind: dockerhub, endpoint: "${env:HOME}"}
"""
    with pytest.raises(InvalidManifest) as refused:
        await house.doors.manifests.plan(request(text), AFAR)
    assert [line.split(": ")[1] for line in refused.value.mistakes] == [
        "workloads.call.headers.Authorization",
        "triggers.image.endpoint",
    ]


async def test_on_the_socket_a_manifest_names_anything(house: House) -> None:
    assert os.environ["HOME"]
    await house.apply(push('"${env:HOME}"'))


# --- rotation


async def test_a_rotation_changes_no_config_and_opens_with_the_new_key_alone(
    house: House,
) -> None:
    await house.apply(push(CANARY))
    before, generation = await sealed_in(house), await house.store.generation()
    old = house.vault.keyring.key_id
    view = await house.doors.keys.rotate(ME)
    assert (view.before, view.resealed) == ([old], 2), "the secret, and an unsigned endpoint"
    assert await house.store.keys_wanted() == {view.key}
    assert await house.store.fact("key_id") == view.key
    assert (await sealed_in(house), await house.store.generation()) == (before, generation)
    (kept,) = view.kept
    Path(kept).unlink()
    assert await value_of(house, before) == CANARY
    assert (await house.doors.audit.find(ME)).items[0].action == "rotate"


async def test_a_rotation_that_was_cut_off_is_brought_to_its_end(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        await house.apply(push(CANARY))
        old, new = house.vault.keyring.key_id, house.vault.keyring.begin_rotation()
    async with open_house(tmp_path) as house:
        await house.vault.unlock()
        (check,) = [c for c in (await house.doors.doctor.examine(ME)).checks if c.name == "key"]
        assert (check.verdict, check.fix) == ("warn", "tinyforge key rotate")
        view = await house.doors.keys.rotate(ME)
        assert (view.key, view.before) == (new, [old])
        assert house.vault.keyring.ids == (new,)
        assert await value_of(house, await sealed_in(house)) == CANARY


async def test_what_nobody_can_open_does_not_hold_a_rotation_up(house: House) -> None:
    await house.apply(push(CANARY) + f"  other: {{kind: github, secret: {OTHER}}}\n")
    house.by_hand("UPDATE secrets SET sealed = x'01' WHERE owner = 'other'")
    view = await house.doors.keys.rotate(ME)
    assert (view.resealed, view.broken) == (2, 1)
    assert await value_of(house, await sealed_in(house)) == CANARY
    assert await house.store.keys_wanted() == {view.key}


async def test_without_a_key_there_is_nothing_to_rotate(house: House) -> None:
    with pytest.raises(Refused, match="nothing is sealed yet"):
        await house.doors.keys.rotate(ME)
