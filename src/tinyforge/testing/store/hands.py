"""Hands: rows that another program put in or changed are seen, once for each change."""

from __future__ import annotations

from typing import ClassVar

from tinyforge.store.port import ConfigChange, Store, Unplanned
from tinyforge.testing.store.site import EVERY_MINUTE, NOW, Bench, Planned, put_site

PUT = "INSERT INTO triggers(id, name, kind, config) VALUES (1, 'by-hand', 'manual', '{}')"


class HandsContract:
    notices_hands: ClassVar[bool] = True
    holds_any_type: ClassVar[bool] = True

    async def test_our_own_changes_need_no_planning(self, store: Store) -> None:
        await put_site(store, Planned(spec=EVERY_MINUTE))
        assert await store.unplanned(9) == []
        assert (await store.counts()).unplanned == 0

    async def test_a_row_put_in_by_hand_is_seen(self, store: Store, bench: Bench) -> None:
        if not self.notices_hands:
            return
        await bench.by_hand(PUT)
        assert await store.unplanned(9) == [Unplanned("trigger", 1, 0, 1)]
        (found,) = await store.inspect("trigger", [1])
        assert found.row is not None
        assert (found.row.name, found.problems, found.timing) == ("by-hand", [], None)

    async def test_every_table_of_config_is_watched(self, store: Store, bench: Bench) -> None:
        if not self.notices_hands:
            return
        site = await put_site(store, Planned(spec=EVERY_MINUTE))
        rows = {
            "triggers": ("trigger", site.trigger.id),
            "workloads": ("workload", site.workloads[0].id),
            "bindings": ("binding", site.bindings[0].id),
        }
        for table, (what, number) in rows.items():
            await bench.by_hand(f"UPDATE {table} SET managed_by = 'x' WHERE id = {number}")  # noqa: S608 - our own names
            assert [(one.what, one.row_id) for one in await store.unplanned(9)] == [(what, number)]
            await _plan(store)
            await bench.by_hand(f"DELETE FROM {table} WHERE id = {number}")  # noqa: S608 - our own names
            assert [(one.what, one.row_id) for one in await store.unplanned(9)] == [(what, number)]
            await _plan(store)

    async def test_a_schedule_changed_by_hand_is_not_due(self, store: Store, bench: Bench) -> None:
        if not self.notices_hands:
            return
        site = await put_site(store, Planned(spec=EVERY_MINUTE))
        await bench.by_hand(f"UPDATE triggers SET enabled = 0 WHERE id = {site.trigger.id}")  # noqa: S608 - a number
        assert await store.next_due_at() is None

    async def test_a_timing_changed_by_hand_is_seen(self, store: Store, bench: Bench) -> None:
        if not self.notices_hands:
            return
        site = await put_site(store, Planned(spec=EVERY_MINUTE))
        where = f"WHERE trigger_id = {site.trigger.id}"
        last_fired_at = "'soon'" if self.holds_any_type else "5"
        for changed, statement in (
            (0, f"UPDATE timing SET base = 5 {where}"),  # noqa: S608 - a number
            (1, f"UPDATE timing SET last_fired_at = {last_fired_at} {where}"),  # noqa: S608 - a number
            (0, f"DELETE FROM timing {where}"),  # noqa: S608 - a number
        ):
            await bench.by_hand(statement)
            (seen,) = await store.unplanned(9)
            assert (seen.row_id, seen.last_fired_changed) == (site.trigger.id, changed)
            assert await store.next_due_at() is None
            await _plan(store)

    async def test_what_was_planned_is_not_seen_again(self, store: Store, bench: Bench) -> None:
        if not self.notices_hands:
            return
        await bench.by_hand(PUT)
        await _plan(store)
        assert await store.unplanned(9) == []

    async def test_a_change_made_while_it_was_planned_is_seen(
        self, store: Store, bench: Bench
    ) -> None:
        if not self.notices_hands:
            return
        await bench.by_hand(PUT)
        seen = await store.unplanned(9)
        await bench.by_hand("UPDATE triggers SET kind = 'run' WHERE id = 1")
        await store.change(ConfigChange(author="test", planned=seen), NOW)
        assert [one.row_id for one in await store.unplanned(9)] == [1]

    async def test_a_binding_is_seen_again_when_what_it_lacked_comes(
        self, store: Store, bench: Bench
    ) -> None:
        if not self.notices_hands:
            return
        await bench.by_hand(
            "INSERT INTO bindings(id, name, trigger_id, workload_id, broken)"
            " VALUES (3, 'by-hand.site', 1, 2, 'no trigger has the id 1')"
        )
        await _plan(store)
        await bench.by_hand(PUT)
        seen = [(one.what, one.row_id) for one in await store.unplanned(9)]
        assert seen == [("binding", 3), ("trigger", 1)]


async def _plan(store: Store) -> None:
    await store.change(ConfigChange(author="test", planned=await store.unplanned(99)), NOW)
