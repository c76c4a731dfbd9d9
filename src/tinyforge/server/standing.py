"""What a server says of itself, and what the metrics say of all that live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tinyforge.labels import Labels, show_labels
from tinyforge.observe.tally import Seen
from tinyforge.plugins import Plugins
from tinyforge.store.port import Abilities, Replica, Strain


def abilities(labels: Labels, plugins: Plugins) -> Abilities:
    """Return what a server may be given. Kinds count by their names: none is imported for it."""
    return Abilities(
        labels=labels,
        trigger_kinds=frozenset(plugins.trigger_kinds()),
        workload_kinds=frozenset(plugins.workload_kinds()),
    )


def seen(instance: int, replicas: Sequence[Replica], strain: Strain) -> Seen | None:
    """Return what is counted of it; None where our own lease is over."""
    ours = next((one for one in replicas if one.instance == instance), None)
    if ours is None:
        return None
    oldest = strain.oldest_transaction
    return Seen(
        servers=Counter(one.version for one in replicas),
        number=ours.number,
        labels=show_labels(ours.abilities.labels) if ours.abilities else "",
        clock_off=ours.clock_off,
        oldest_transaction=oldest.age if oldest else 0 if strain.rows else None,
        live_rows={table: rows.live for table, rows in strain.rows.items()},
        dead_rows={table: rows.dead for table, rows in strain.rows.items()},
    )
