"""What a change of config makes of a schedule: its creation, its edit, its rest, its end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from tinyforge.clock import Micros, Moment, moment
from tinyforge.errors import InvalidConfig
from tinyforge.model import Trigger
from tinyforge.plugins import Plugins
from tinyforge.schedule import life
from tinyforge.schedule.decision import Decision, State
from tinyforge.schedule.spec import EARLIEST, LATEST, Spec, dump_spec, load_spec
from tinyforge.schedule.words import Words
from tinyforge.store.port import Timing, TimingWrite


@dataclass(frozen=True)
class Planner:
    plugins: Plugins
    tick_interval: Micros

    def spec_of(self, trigger: Trigger) -> Spec | None:
        """Return its windows, None for a kind without; InvalidConfig or UnknownKind: broken."""
        kind = self.plugins.trigger(trigger.kind, trigger.config)
        if not isinstance(kind, Words):
            return None
        try:
            return kind.spec(trigger.name, self.tick_interval)
        except ValueError as problem:
            raise InvalidConfig(trigger.kind, str(problem)) from problem

    def spec_in_force(self, timing: Timing | None) -> Spec | None:
        """Return the spec that made the windows so far; None: it had none, or nobody can tell."""
        if timing is None or timing.spec is None:
            return None
        try:
            return load_spec(timing.spec, self.tick_interval)
        except ValueError:
            return None

    def follow(
        self, after: Trigger | None, timing: Timing | None, now: Moment
    ) -> TimingWrite | None:
        """Follow a config that was created, edited, switched or deleted (None)."""
        spec = None if after is None or after.broken else self.spec_of(after)
        if timing is None or timing.state is None:
            return None if after is None or spec is None else self._begin(after, spec, timing, now)
        old, state = self.spec_in_force(timing), timing.state
        edited = life.edit(old, spec, state, now)
        switched = _switch(spec, edited.state, enabled=after is None or after.enabled, now=now)
        decision = edited if switched is None else _both(edited, switched)
        written = None if spec is None else dump_spec(spec)
        if decision.state == state and decision.due_at == timing.due_at and written == timing.spec:
            return None
        return _write(timing, decision, written)

    def follow_last_fired(self, after: Trigger, timing: Timing, now: Moment) -> TimingWrite | None:
        """Follow a `last_fired_at` that a hand changed, cleared, or made unreadable."""
        spec = self.spec_of(after)
        if timing.state is None or spec is None:
            return self.follow(after, timing, now)
        last = timing.state.last_fired_at
        if last is None:
            last = read_moment(timing.last_fired_by_hand)
        decision = life.set_last_fired(spec, timing.state, last, now)
        return _write(timing, decision, dump_spec(spec))

    def begin_anew(self, after: Trigger, timing: Timing, now: Moment) -> TimingWrite | None:
        """Leave what was decided, however wrong, and go on in a new epoch."""
        spec = self.spec_of(after)
        if timing.state is None or spec is None:
            return self.follow(after, timing, now)
        return _write(timing, life.edit(None, spec, timing.state, now), dump_spec(spec))

    def pause(self, timing: Timing, now: Moment) -> TimingWrite | None:
        """Rest until somebody resumes; None where it does already."""
        state = timing.state
        if state is None or state.paused_at is not None:
            return None
        return _write(timing, life.pause(self.spec_in_force(timing), state, now), timing.spec)

    def resume(self, timing: Timing, now: Moment) -> TimingWrite | None:
        """Take a person's pause back, and decide what passed; None where there is none."""
        state = timing.state
        if state is None or state.paused_at is None:
            return None
        return _write(timing, life.resume(self.spec_in_force(timing), state, now), timing.spec)

    def clock_set_back(self, timing: Timing, now: Moment) -> TimingWrite | None:
        """Begin again where waiting for the clock to return would be silence; None elsewhere."""
        state = timing.state
        if state is None or state.decided_until <= now:
            return None
        decision = life.clock_set_back(self.spec_in_force(timing), state, now)
        if decision.state == state:
            return None
        return _write(timing, decision, timing.spec)

    def skip_missed(self, timing: Timing, now: Moment) -> TimingWrite | None:
        """Decide what passed as too late; None where nothing did, or it rests."""
        spec, state = self.spec_in_force(timing), timing.state
        if spec is None or state is None or state.at_rest:
            return None
        decision = life.skip_missed(spec, state, now)
        return _write(timing, decision, timing.spec) if decision.skipped else None

    @staticmethod
    def rest(timing: Timing) -> TimingWrite:
        """Take a schedule off the clock as it is: nothing can be decided of it."""
        state = timing.state or State(since=0, base=0, decided_until=0)
        decision = Decision(epoch=state.epoch, state=state, due_at=None)
        return _write(timing, decision, timing.spec)

    def _begin(self, after: Trigger, spec: Spec, timing: Timing | None, now: Moment) -> TimingWrite:
        last = None if timing is None else read_moment(timing.last_fired_by_hand)
        decision = life.adopt(spec, last, now)
        if not after.enabled:
            resting = life.disable(spec, decision.state, now)
            decision = replace(decision, state=resting.state, due_at=None)
        return TimingWrite(
            trigger_id=after.id,
            before=None,
            decision=decision,
            spec=dump_spec(spec),
            revision_id=after.revision_id,
        )


def read_moment(value: object) -> Moment | None:
    """Read what a hand may have written: our number, or ISO text. Nonsense is never fired."""
    if isinstance(value, bytes):
        value = value[:40].decode(errors="replace")
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
            value = moment(found) if found.tzinfo else None
        except (ValueError, OverflowError):
            return None
    return value if isinstance(value, int) and EARLIEST <= value <= LATEST else None


def _switch(spec: Spec | None, state: State, *, enabled: bool, now: Moment) -> Decision | None:
    if enabled == (state.disabled_at is None):
        return None
    return life.enable(spec, state, now) if enabled else life.disable(spec, state, now)


def _both(edited: Decision, switched: Decision) -> Decision:
    """Join an edit and a switch: the edit has decided everything up to now."""
    if edited.why is None:
        return switched
    return replace(edited, state=switched.state, due_at=switched.due_at)


def _write(timing: Timing, decision: Decision, spec: str | None) -> TimingWrite:
    state = timing.state
    return TimingWrite(
        trigger_id=timing.trigger_id,
        before=None if state is None else (state.epoch, state.decided_until),
        decision=decision,
        spec=spec,
        revision_id=None,
    )
