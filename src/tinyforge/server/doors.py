"""What users can do with an engine, put together from its parts."""

from __future__ import annotations

from tinyforge.operations.door import Operations, Parts, open_door
from tinyforge.operations.endpoints import Knocks
from tinyforge.operations.serving import Serving
from tinyforge.server.assembly import Engine


def doors_of(engine: Engine, serving: Serving, knocks: Knocks | None = None) -> Operations:
    return open_door(
        Parts(
            store=engine.store,
            plugins=engine.plugins,
            plans=engine.planner,
            vault=engine.vault,
            fires=engine.intake,
            ticks=engine.ticker,
            works=engine.runner,
            clock=engine.clock,
            observe=engine.observe,
            serving=serving,
            knocks=knocks,
        )
    )
