"""The key that seals: what it is, whether it is there, and a new one in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tinyforge.errors import Refused, SealBroken, SealFailed
from tinyforge.operations.answers import CheckView, KeyView
from tinyforge.operations.audit import Auditor
from tinyforge.operations.callers import Caller
from tinyforge.operations.commands import command
from tinyforge.operations.roles import Vaults
from tinyforge.sealing import Keyring, key_of
from tinyforge.store.port import SEALED_TABLES, Replica, Resealed, SealedCell, SealedTable, Secrets

KEY_FACT = "key_id"
AT_ONCE = 500  # what is sealed anew in one transaction


class Store(Secrets, Protocol):
    async def set_fact(self, name: str, value: str | None) -> None: ...

    async def replicas(self) -> Sequence[Replica]: ...


@dataclass(frozen=True)
class Keys:
    store: Store
    vault: Vaults
    auditor: Auditor

    async def rotate(self, caller: Caller) -> KeyView:
        """Seal everything with a new key. Killed at any moment, the next time goes on with it.

        Refused where another server, which has not the new key, could seal or open meanwhile.
        """
        await self._refuse_others()
        keyring = self.vault.keyring
        if not keyring.is_there:
            raise Refused("there is no key: nothing is sealed yet", "there is nothing to do")
        before = await asyncio.to_thread(lambda: keyring.ids)
        key_id = await asyncio.to_thread(keyring.begin_rotation)
        await self.store.set_fact(KEY_FACT, key_id)
        done = [await self._reseal(table, keyring) for table in SEALED_TABLES]
        kept = await asyncio.to_thread(keyring.end_rotation)
        self.vault.forget()
        old = [one for one in before if one != key_id]
        await self.auditor.note(caller, "rotate", "key", ", ".join(old), key_id)
        return KeyView(
            key=key_id,
            before=old,
            resealed=sum(resealed for resealed, _ in done),
            broken=sum(broken for _, broken in done),
            kept=[str(path) for path in kept],
            next_command="tinyforge backup",
        )

    async def _refuse_others(self) -> None:
        others = len(await self.store.replicas()) - 1
        if others > 0:
            raise Refused(
                f"{others} other servers live, and would not have the new key",
                "stop them, rotate, give each the new key file, and start them",
            )

    async def _reseal(self, table: SealedTable, keyring: Keyring) -> tuple[int, int]:
        """Return how many are sealed anew, and how many nobody can open."""
        last = resealed = broken = 0
        while cells := await self.store.sealed_cells(table, last, AT_ONCE):
            last = cells[-1].row_id
            stale = [one for one in cells if not _is_with(one, keyring.key_id)]
            anew = await asyncio.to_thread(_anew, stale, keyring)
            if anew:
                await self.store.reseal(anew)
            resealed += len(anew)
            broken += len(stale) - len(anew)
        return resealed, broken


AGAIN = command("key", "rotate")


def check(keyring: Keyring, wanted: frozenset[str]) -> Iterator[CheckView]:
    """Judge the key file: whether it opens what is sealed, and whether a rotation goes on."""
    try:
        keyring.need(sorted(wanted))
        ids = keyring.ids
    except Refused as problem:
        yield _bad(problem.problem, problem.fix)
        return
    except SealFailed as problem:
        yield _bad(str(problem), f"put the key file back: {keyring.path}")
        return
    if not ids:
        yield CheckView(name="key", verdict="ok", what="nothing is sealed, and there is no key")
        return
    what = f"secrets are sealed with the key {ids[0]} in {keyring.path}"
    if len(ids) > 1 or wanted - {ids[0]}:
        older = f"{what}, and some still with an older one"
        yield CheckView(name="key", verdict="warn", what=older, fix=AGAIN)
        return
    yield CheckView(name="key", verdict="ok", what=what)


def _bad(what: str, fix: str) -> CheckView:
    return CheckView(name="key", verdict="fail", what=what, fix=fix)


def _is_with(cell: SealedCell, key_id: str) -> bool:
    try:
        return key_of(cell.sealed) == key_id
    except SealBroken:
        return False


def _anew(cells: Sequence[SealedCell], keyring: Keyring) -> list[Resealed]:
    """Leave alone what was changed by a hand: to write the secret again mends it."""
    found = []
    for cell in cells:
        try:
            plain = keyring.open(cell.sealed, cell.context)
        except SealBroken:
            continue
        sealed = keyring.seal(plain, cell.context)
        found.append(Resealed(cell.table, cell.row_id, cell.sealed, sealed))
    return found
