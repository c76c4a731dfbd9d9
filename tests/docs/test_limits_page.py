"""The numbers on the page about limits are those of the code."""

from __future__ import annotations

import pytest

from tests.docs.tables import CELLS, page
from tinyforge import model, references
from tinyforge.cli import client, completion, https, match
from tinyforge.clock import DAY, MINUTE, SECOND
from tinyforge.engine import facts as event_facts
from tinyforge.engine import headers, inbox, runlog, ticker, turning, watch
from tinyforge.engine.endpoints import Directory
from tinyforge.inbound import body, guard, standard
from tinyforge.manifest import complaints, entries, mistakes, syntax, text
from tinyforge.observe import lines, pipe, tally
from tinyforge.operations import (
    admission,
    audit,
    deliveries,
    fires,
    forecasts,
    live,
    moves,
    seats,
    sightings,
    tokens,
    waiting,
)
from tinyforge.plugins import config
from tinyforge.rules import braces, condition, globs, reading, rule
from tinyforge.schedule import crontab, spec, windows
from tinyforge.server import process
from tinyforge.settings import Settings
from tinyforge.store import arrivals, expired
from tinyforge.web import access, allowance, bodies, client_address, connection, crowd, gate
from tinyforge.workloads import facts, http

KIB, MIB = 1 << 10, 1 << 20
VALUES = {
    cells[1].strip(): cells[2].strip()
    for line in page("limits.md").splitlines()
    if len(cells := CELLS.split(line)) > 3
}
TIMES = f"{inbox.STORED_WITHIN:g} s, {inbox.Inbox.patience:g} s"


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("rows of one page of a list", "1,000"),
        ("an `Idempotency-Key`", "1 to 255"),
        ("`?wait=` of a fire", f"{waiting.LONGEST_WAIT // MINUTE} min"),
        ("streams at once", f"{seats.MOST_STREAMS}"),
        ("messages that are kept for who is behind, or comes back within 1 min", f"{live.KEPT:,}"),
        ("news of one quarter of a second", f"{moves.MOST_SHOWN:,}, read from {moves.MOST_READ:,}"),
        (
            "runs that a stream tells of to their end",
            f"{moves.MOST_OPEN:,} that are open, {moves.MOST_ENDED}",
        ),
        ("tokens that live", f"{tokens.MOST_TOKENS:,}"),
        ("names that a token is narrowed to", f"{tokens.MOST_NAMES} triggers"),
        (
            "how long a token lasts",
            f"{tokens.SHORTEST // MINUTE} min to {tokens.LONGEST // DAY:,} d",
        ),
        ("a token that is over", f"{tokens.KEPT // DAY} d"),
        ("tokens that are looked up at once", f"{admission.LOOKED_UP_AT_ONCE}"),
        ("when a token was used last", f"{admission.STORED_EACH // MINUTE} min"),
        ("a revoked token", f"{access.LOOKED_EACH} s"),
        ("`CallsRefused` in the log", f"{access.SAID_EACH // SECOND} s"),
        ("a text in the audit", f"{audit.LONGEST_TARGET} characters"),
        ("a text in the audit", f"{audit.LONGEST_TEXT:,} of before"),
        ("proxies between", f"{client_address.MOST_HOPS}"),
        ("shortest interval", f"{spec.SHORTEST // SECOND} s"),
        ("longest interval", f"{spec.LONGEST // DAY:,} d"),
        ("spread", f"with cron {spec.LONGEST_CRON_SPREAD // DAY} d"),
        ("cron", f"{crontab.LONGEST_TEXT} characters"),
        ("windows counted one by one", f"{windows.COUNTED}"),
        ("tick interval", f"{ticker.SHORTEST_TICK // SECOND} s"),
        ("tick interval", f"{ticker.LONGEST_TICK // MINUTE} min"),
        ("tolerated step back of the clock", f"{ticker.TOLERATED_STEP_BACK // SECOND} s"),
        ("one simulation", f"{forecasts.LONGEST // DAY} d"),
        ("one simulation", f"{forecasts.MOST_FIRES:,} fires"),
        ("a name", f"{entries.LONGEST_NAME} characters"),
        ("a manifest", f"{text.LARGEST // MIB} MiB"),
        ("a manifest", f"{syntax.MOST_NODES:,} values"),
        ("a manifest", f"{complaints.DEEPEST} deep"),
        ("a manifest", f"{syntax.MOST_REPEATED:,} values through aliases"),
        ("mistakes shown", f"{mistakes.MOST_SHOWN:,} of a manifest"),
        ("mistakes shown", f"{config.TOO_MANY} of a row"),
        ("what `${file:…}` reads", f"{references.LARGEST_FILE // KIB} KiB"),
        ("timeout of a run", f"{entries.TIMEOUTS[1] // DAY} d"),
        ("attempts of a run", f"{entries.MOST_ATTEMPTS}"),
        ("a pattern in a match rule", f"{globs.LONGEST} characters"),
        ("a pattern in a match rule", f"{braces.MOST} patterns"),
        ("patterns of one key of a match rule", f"{rule.MOST_PATTERNS}"),
        ("a `when` expression", f"{condition.LONGEST:,} characters"),
        ("a payload that a `when` expression names", f"{reading.DEEPEST} deep"),
        ("facts of a fire by hand", f"{fires.MOST_FACTS // KIB} KiB"),
        ("facts of a delivery's event", f"{event_facts.LARGEST // KIB} KiB"),
        ("deliveries that wait to be stored", f"{inbox.MOST_WAITING:,}"),
        ("deliveries that are stored and wait to be decided", f"{inbox.MOST_WAITING:,}"),
        ("how long the endpoint of a delivery is looked for", f"{Directory.patience:g} s"),
        ("how long a delivery waits to be stored, and then to be decided", TIMES),
        ("deliveries in one transaction", f"{inbox.TOGETHER}"),
        ("deliveries in one transaction", f"{inbox.BYTES_TOGETHER // MIB} MiB"),
        ("headers that are kept of a delivery", f"{headers.MOST}"),
        ("headers that are kept of a delivery", f"{headers.LONGEST // KIB} KiB"),
        (
            "deliveries, and the ids that they are known by",
            f"{expired.IDS_KEPT // DAY} d",
        ),
        ("decisions that are kept of one delivery, and of its event", f"{arrivals.MOST_DECISIONS}"),
        ("`DeliveriesRefused` in the log", f"{turning.SAID_EVERY // SECOND} s"),
        ("the body in `delivery show`", f"{deliveries.MOST_SHOWN // MIB} MiB"),
        ("runs that follow one another (`kind: run`)", f"{model.MOST_HOPS}"),
        ("queued runs of one workload with `queue: every`", f"{model.MOST_QUEUED:,}"),
        ("deaths in the fan-out of one event", f"{model.MOST_TRIES}"),
        ("deaths of workers in one run", f"{model.MOST_TRIES}"),
        ("a fact in an environment variable or header", f"{facts.LARGEST_TEXT // KIB} KiB"),
        ("what keeps the server from everything else", f"{watch.PATIENCE // SECOND} s"),
        ("a line of a run's log", f"{runlog.LONGEST_LINE // KIB} KiB"),
        ("the log of one run", f"{runlog.HEAD // KIB} KiB"),
        ("the log of one run", f"{runlog.TAIL // MIB} MiB"),
        ("lines of a run that are not stored yet", f"{runlog.MOST_PENDING // MIB} MiB"),
        ("a text in the server's log", f"{lines.LONGEST_TEXT:,} characters"),
        ("a list in the server's log", f"{lines.MOST_IDS} entries"),
        ("lines of the server's log that nobody takes", f"{pipe.MOST_WAITING // MIB} MiB"),
        ("triggers named in metrics", f"{tally.MOST_NAMES:,}"),
        ("an answer of a server elsewhere", f"{https.LARGEST_ANSWER // MIB} MiB"),
        ("time for a connection", f"{client.CONNECT_PATIENCE} s"),
        ("time for one answer", f"{client.PATIENCE} s"),
        ("`tinyforge match`", f"{match.LARGEST_PAYLOAD // MIB} MiB"),
        ("`tinyforge match`", f"{match.LARGEST_HEADERS // KIB} KiB"),
        ("what completion offers", f"{completion.MOST} words"),
        ("what completion offers", f"newest {completion.NEWEST} runs"),
        ("what completion waits for", f"{completion.PATIENCE} s"),
        ("calls that `doctor --url` has announced to a server", f"{sightings.MOST} at once"),
        (
            "calls that `doctor --url` has announced to a server",
            f"{sightings.KEPT // SECOND} s",
        ),
        ("a body", f"{gate.OTHER_BODY // MIB} MiB"),
        ("a body", f"a manifest {gate.MANIFEST_BODY // MIB} MiB"),
        ("time for the headers", f"{connection.HEADER_DEADLINE} s"),
        ("time for the body", f"{gate.BODY_DEADLINE} s"),
        ("a body's nesting", f"{guard.DEEPEST}"),
        ("a body's nesting", f"{guard.MOST_BRACKETS:,} objects and lists"),
        ("a body's nesting", f"{guard.MOST_KEYS:,} keys"),
        ("a signed time's distance from the server's clock", f"{standard.TOLERANCE // MINUTE} min"),
        ("a delivery's id", f"{body.LONGEST_ID} characters"),
        ("a request's line and headers", f"{connection.LONGEST_HEAD // KIB} KiB"),
        ("a body's pace", f"{connection.SLOWEST // KIB} KiB/s"),
        ("a body's pace", f"every {connection.LOOKED_AT} s"),
        (
            "connections of one address whose request is not whole",
            f"{Settings().connections_per_address}",
        ),
        ("connections on `--listen`", f"{crowd.MOST_STRANGERS:,}"),
        ("open files of the process", f"{process.MOST_FILES:,}"),
        ("requests sent behind one that is not answered", f"{connection.MOST_PIPELINED}"),
        (
            "time for the other end to take some of an answer",
            f"{connection.ANSWER_DEADLINE} s",
        ),
        (
            "all bodies that are read and not answered, of calls",
            f"{bodies.MOST_IN_FLIGHT // MIB} MiB",
        ),
        ("all bodies that are read and not answered", f"{bodies.MOST_IN_FLIGHT // MIB} MiB"),
        (
            "what is read of a body that is too large, to be heard",
            f"{bodies.MOST_DROPPED // MIB} MiB",
        ),
        ("deliveries of one endpoint", f"{Settings().deliveries_per_second}"),
        ("deliveries of one endpoint", f"{allowance.BURST} s' worth"),
        ("redirects that an `http` workload follows", f"{http.MOST_REDIRECTS},"),
    ],
)
def test_a_limit_is_what_the_page_says(limit: str, value: str) -> None:
    assert value in VALUES[limit]
