"""Kind name -> class, found through entry points; config as written -> the kind, or its mistakes.

A kind is imported when it is first used, and one that cannot be used takes no other down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Generic, Literal, TypeAlias, TypeGuard, TypeVar

import msgspec

from tinyforge.deliveries import Receives
from tinyforge.errors import InvalidConfig, UnknownKind
from tinyforge.kinds import API, FollowsRuns, TriggerKind, WorkloadKind
from tinyforge.model import Json
from tinyforge.plugins.config import Field, Mistake, Schema

__all__ = ["Field", "Mistake", "Plugins", "Role"]

K = TypeVar("K", bound=TriggerKind | WorkloadKind)
Role: TypeAlias = Literal["trigger", "workload"]

GROUPS: Mapping[Role, str] = MappingProxyType(
    {"trigger": "tinyforge.triggers", "workload": "tinyforge.workloads"}
)
COMPILED = 10_000  # kinds kept built, by config text


class Plugins:
    def __init__(self, points: Iterable[EntryPoint]) -> None:
        found = tuple(points)
        self._triggers = _Shelf("trigger", found, _is_trigger_kind)
        self._workloads = _Shelf("workload", found, _is_workload_kind)

    @classmethod
    def discover(cls, *, also: Iterable[EntryPoint] = ()) -> Plugins:
        """Find what is installed, and *also* these, without importing any of it."""
        installed = entry_points()
        groups = (installed.select(group=group) for group in GROUPS.values())
        return cls([*(point for group in groups for point in group), *also])

    def trigger_kinds(self) -> tuple[str, ...]:
        return self._triggers.names

    def workload_kinds(self) -> tuple[str, ...]:
        return self._workloads.names

    def trigger(self, kind: str, config: Json) -> TriggerKind:
        """Return the kind of this config, built once; raise UnknownKind or InvalidConfig."""
        return self._triggers.build(kind, config)

    def workload(self, kind: str, config: Json) -> WorkloadKind:
        """Return the kind of this config, built once; raise UnknownKind or InvalidConfig."""
        return self._workloads.build(kind, config)

    def mistakes(self, role: Role, kind: str, config: Json) -> list[Mistake]:
        """Return everything that is wrong with *config*; raise UnknownKind."""
        return self._schema(role, kind).mistakes(config)

    def fields(self, role: Role, kind: str) -> tuple[Field, ...]:
        """Return the config keys of *kind*; raise UnknownKind."""
        return self._schema(role, kind).fields

    def secret_fields(self, role: Role, kind: str) -> frozenset[str]:
        """Return the config keys of *kind* that hold secrets; raise UnknownKind."""
        return self._schema(role, kind).secret_fields

    def idempotent(self, kind: str) -> bool:
        """Say whether this workload kind may run again after its worker died."""
        return self._workloads.schema(kind).cls.idempotent

    def receives(self, kind: str) -> bool:
        """Say whether triggers of this kind have an endpoint; False where it is not installed."""
        try:
            return issubclass(self._triggers.schema(kind).cls, Receives)
        except UnknownKind:
            return False

    def following_kinds(self) -> list[str]:
        """Return the installed trigger kinds that fire because a run ended."""
        return [kind for kind in self._triggers.names if self._follows_runs(kind)]

    def _follows_runs(self, kind: str) -> bool:
        try:
            return issubclass(self._triggers.schema(kind).cls, FollowsRuns)
        except UnknownKind:
            return False

    def workload_class(self, kind: str) -> type[WorkloadKind]:
        """Return the class, for what needs no config: `reap`."""
        return self._workloads.schema(kind).cls

    def _schema(self, role: Role, kind: str) -> Schema[TriggerKind] | Schema[WorkloadKind]:
        return self._triggers.schema(kind) if role == "trigger" else self._workloads.schema(kind)


class _Shelf(Generic[K]):
    """The kinds of one role."""

    def __init__(
        self,
        role: Role,
        points: Iterable[EntryPoint],
        accepts: Callable[[object], TypeGuard[type[K]]],
    ) -> None:
        self._role: Role = role
        self._accepts = accepts
        self._points: dict[str, list[EntryPoint]] = {}
        for point in points:
            if point.group == GROUPS[role]:
                self._points.setdefault(point.name, []).append(point)
        self._loaded: dict[str, Schema[K]] = {}
        self._unusable: dict[str, str] = {}
        self._built = lru_cache(COMPILED)(self._build)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._points))

    def schema(self, kind: str) -> Schema[K]:
        if kind in self._loaded:
            return self._loaded[kind]
        if kind not in self._points:
            raise UnknownKind(self._role, kind, self.names)
        if kind not in self._unusable:
            loaded = self._load(kind)
            if not isinstance(loaded, str):
                return self._loaded.setdefault(kind, loaded)
            self._unusable[kind] = loaded
        raise UnknownKind(self._role, kind, self.names, self._unusable[kind])

    def build(self, kind: str, config: Json) -> K:
        try:
            text = msgspec.json.encode(config, order="sorted")
        except (TypeError, ValueError, RecursionError) as problem:
            raise InvalidConfig(kind, f"the config cannot be kept as JSON: {problem}") from problem
        return self._built(kind, text)

    def _build(self, kind: str, text: bytes) -> K:
        schema = self.schema(kind)
        config = msgspec.json.decode(text, type=dict[str, object])
        flawless = schema.build_flawless(config)
        if flawless is not None:
            return flawless
        wrong = schema.mistakes(config)
        if not wrong:  # plugin code may refuse now and take it a moment later
            return schema.build(config)
        if len(wrong) == 1:
            raise InvalidConfig(kind, wrong[0][1], wrong[0][0])
        lines = [f"{field}: {problem}" if field else problem for field, problem in wrong]
        raise InvalidConfig(kind, f"{len(wrong)} mistakes\n" + "\n".join(lines))

    def _load(self, kind: str) -> Schema[K] | str:
        """Import the class, or say why it cannot be used and where it came from."""
        points = self._points[kind]
        origins = " and ".join(sorted({_origin(point) for point in points}))
        if len(points) > 1:
            return f"{origins} both bring it; uninstall one of them"
        try:
            loaded: object = points[0].load()
        except (Exception, SystemExit) as problem:  # noqa: BLE001 - plugin code; the others must go on
            what = f"{type(problem).__name__}: {problem}"
            return f"{origins} fails at import ({what}); repair or uninstall it"
        if not self._accepts(loaded):
            return f"{origins}: {points[0].value} is no {self._role} kind"
        refusal = refusal_of(loaded)
        if refusal:
            return f"{origins}: {refusal}"
        try:
            return Schema(loaded)
        except Exception as problem:  # noqa: BLE001 - plugin code: its annotations are evaluated
            return f"{origins}: the fields of {loaded.__name__} cannot be read: {problem}"


def _is_trigger_kind(loaded: object) -> TypeGuard[type[TriggerKind]]:
    return isinstance(loaded, type) and issubclass(loaded, TriggerKind)


def _is_workload_kind(loaded: object) -> TypeGuard[type[WorkloadKind]]:
    return isinstance(loaded, type) and issubclass(loaded, WorkloadKind)


def refusal_of(cls: type[object]) -> str | None:
    """Say why *cls* cannot be a kind of this program, or None."""
    api: object = getattr(cls, "api", None)
    if not isinstance(api, int) or api > API:
        return f"it needs plugin api {api}, this program speaks {API}; upgrade tinyforge"
    params = getattr(cls, "__dataclass_params__", None)
    if params is None or not params.frozen:
        return f"{cls.__name__} must be a frozen dataclass"
    return None


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
