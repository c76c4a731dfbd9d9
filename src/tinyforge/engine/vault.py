"""Secrets that were typed into configs: sealed in the store, opened when a config is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from tinyforge.clock import Moment
from tinyforge.references import opened_by
from tinyforge.sealing import Keyring
from tinyforge.store.port import Owner, Schedules, SecretRow, Secrets, secret_context

AT_ONCE = 1_000  # rows


class VaultStore(Secrets, Schedules, Protocol):
    """The roles that this room needs."""


@dataclass
class Vault:
    """Knows the sealed secrets of the config in force."""

    keyring: Keyring
    store: VaultStore
    _generation: int | None = None
    _rows: dict[str, SecretRow] = field(default_factory=dict)

    @property
    def keys(self) -> Sequence[str]:
        """The ids of the keys that we hold, the one that seals first; a key is made if need be."""
        first = self.keyring.key_id
        return (first, *(one for one in self.keyring.ids if one != first))

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Give references their values, as long as the server lives."""
        with opened_by(self.value):
            yield

    async def unlock(self) -> None:
        """Look which keys are wanted before anything is done with them. KeyMissing names one."""
        self.keyring.need(sorted(await self.store.keys_wanted()))
        await self.refresh()

    def test(self) -> None:
        """Try the key where there is one; SealBroken where what it seals does not come out."""
        if self.keyring.is_there:
            self.keyring.test()

    async def refresh(self) -> None:
        """Read what is sealed anew where the config has changed."""
        generation = await self.store.generation()
        if generation == self._generation:
            return
        rows: dict[str, SecretRow] = {}
        last = 0
        while batch := await self.store.secrets(last, AT_ONCE):
            rows.update((row.name, row) for row in batch)
            last = batch[-1].id
        self._rows, self._generation = rows, generation

    def forget(self) -> None:
        """Read all anew at the next refresh."""
        self._generation = None

    def value(self, name: str) -> str | None:
        """Return what is sealed under *name*; None: nothing. KeyMissing, SealBroken."""
        row = self._rows.get(name)
        return None if row is None else self.keyring.open(row.sealed, row.context).decode()

    def seal(self, place: tuple[int, Owner, str, str], plain: str, now: Moment) -> SecretRow:
        """Return the row of a secret at *place*: its id, what has it, its name, the field."""
        row_id, what, owner, of_field = place
        sealed = self.keyring.seal(plain.encode(), secret_context(*place))
        return SecretRow(
            id=row_id, what=what, owner=owner, field=of_field, sealed=sealed, made_at=now
        )
