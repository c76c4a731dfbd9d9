"""Logs: lines of a run in chunks, in the order of their numbers."""

from __future__ import annotations

from tinyforge.model import RunId
from tinyforge.store.port import LogPart, Store
from tinyforge.testing.store.site import NOW

RUN = RunId(7)


class LogsContract:
    async def test_lines_come_back_as_they_were_written(self, store: Store) -> None:
        lines = ["first", "", "ünï\x1b[0m", "x" * 16_384]
        await store.append_log([LogPart(RUN, 0, lines)], NOW)
        (chunk,) = await store.log(RUN)
        assert (chunk.seq, chunk.at, chunk.lines) == (0, NOW, lines)

    async def test_chunks_come_in_order_from_a_number_on(self, store: Store) -> None:
        for number in (2, 0, 1):
            await store.append_log([LogPart(RUN, number, [f"line {number}"])], NOW)
        assert [chunk.seq for chunk in await store.log(RUN)] == [0, 1, 2]
        assert [chunk.seq for chunk in await store.log(RUN, after=0)] == [1, 2]

    async def test_a_log_belongs_to_its_run(self, store: Store) -> None:
        parts = [LogPart(RUN, 0, ["mine"]), LogPart(RunId(8), 0, ["yours"])]
        await store.append_log(parts, NOW)
        assert [chunk.lines for chunk in await store.log(RUN)] == [["mine"]]

    async def test_what_is_dropped_makes_room(self, store: Store) -> None:
        await store.append_log([LogPart(RUN, n, [f"line {n}"]) for n in range(4)], NOW)
        await store.append_log([LogPart(RUN, 1, ["… 2 lines were cut"], dropped=[2])], NOW)
        lines = [line for chunk in await store.log(RUN) for line in chunk.lines]
        assert lines == ["line 0", "… 2 lines were cut", "line 3"]

    async def test_a_long_log_is_read_in_parts(self, store: Store) -> None:
        long = "x" * 400_000
        await store.append_log([LogPart(RUN, n, [long]) for n in range(5)], NOW)
        seen: list[int] = []
        while chunks := await store.log(RUN, after=seen[-1] if seen else -1):
            assert sum(len(line) for chunk in chunks for line in chunk.lines) <= 1024 * 1024
            seen += [chunk.seq for chunk in chunks]
        assert seen == [0, 1, 2, 3, 4]
