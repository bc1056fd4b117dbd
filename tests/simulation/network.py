"""What lies between a thread and the store: every call passes here, and here most faults are injected."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

from tests.simulation.faults import Break, Faults
from tests.simulation.watch import Watch
from tests.simulation.world import Crash, Thread, World

from upperbound.domain.events import EventType
from upperbound.domain.run_state import RunStatus
from upperbound.errors import StoreError, StoreUnreachable
from upperbound.orchestrator.loop import LEASE_S
from upperbound.store.engine import Store

READS = frozenset({"get", "list", "after", "all", "newest", "series", "children", "resolve", "now"})
STALE_S = 2.0
"""How old a stale answer may be."""
LEASE_CALLS = frozenset({"acquire_lease", "extend_lease", "release_lease"})


@dataclass
class Network:
    """The way to the one store of a simulated run."""

    world: World
    store: Store
    faults: Faults
    watch: Watch
    broken: Break | None = None
    calls: int = 0
    launch_was_held_up: bool = False

    def link(self, thread: Thread, *, crash: float, controller: bool = False) -> Store:
        """Return the store as ``thread`` sees it; ``crash`` is how likely its process dies at a call."""
        return cast("Store", Link(self, thread, crash, controller))

    @property
    def quiet(self) -> bool:
        """Whether the time of faults is over."""
        return self.world.now_s >= self.faults.until_s

    def strikes(self, chance: float) -> bool:
        """Whether a fault of this likelihood happens now."""
        return chance > 0 and not self.quiet and self.world.rng.random() < chance


@dataclass
class Link:
    """Stands for a :class:`Store`; made for one thread."""

    network: Network
    thread: Thread
    crash: float
    controller: bool
    answers: dict[Any, tuple[float, Any]] = field(default_factory=dict)
    """The last answers to reads, by call, with their time."""

    def __getattr__(self, name: str) -> Any:
        target = getattr(self.network.store, name)
        if name in {"url", "password", "dialect"}:
            return target
        return partial(self.call, name, target) if callable(target) else Repository(self, name, target)

    def call(self, what: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Carry out one call to the store, or fail to."""
        network, world = self.network, self.network.world
        network.calls += 1
        self._hold_up()
        if what == "heartbeats.claim":
            self._hold_up_launch()
        self._maybe_crash(what)
        if network.faults.away(world.now_s):
            world.injected["outage"] += 1
            world.say(self.thread.name, f"{what}: the store is away")
            self._wait(world.rng.uniform(0.0, 1.0))
            raise StoreUnreachable("the store is away")
        if network.strikes(network.faults.lost_call):
            world.fault("lost call", self.thread.name, what)
            raise StoreUnreachable("the call was lost")
        is_read = what.rpartition(".")[2] in READS
        answer = (self._read if is_read else self._write)(what, method, args, kwargs)
        self._hold_up()
        self._maybe_crash(what)
        if network.strikes(network.faults.lost_answer):
            world.fault("lost answer", self.thread.name, what)
            raise StoreUnreachable("the answer was lost")
        return answer

    def _read(self, what: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        network, world = self.network, self.network.world
        key = (what, args, tuple(sorted(kwargs.items())))
        known = self.answers.get(key)
        if known is not None and world.now_s - known[0] <= STALE_S and network.strikes(network.faults.stale):
            world.fault("stale read", self.thread.name, f"{what}, {world.now_s - known[0]:.3f} s old")
            return known[1]
        answer = method(*args, **kwargs)
        if network.broken is Break.FORGOTTEN_STAGE and what == "events.all":
            answer = [replace(event, data={**event.data, "step_id": None}) for event in answer]
        self.answers[key] = (world.now_s, answer)
        if what == "results.children":
            network.watch.remember_reported(self.thread)
        return answer

    def _write(self, what: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        network, world = self.network, self.network.world
        carry_out = partial(self._carry_out, what, method, args, kwargs)
        # A write that is under way is nobody's any more: it must do no harm, whoever has the lease when it arrives.
        if network.strikes(network.faults.delayed):
            seconds = world.rng.choice([world.rng.uniform(0.0, 1.0), world.rng.uniform(1.0, 12.0)])
            world.fault("delayed write", self.thread.name, f"{what}, by {seconds:.3f} s")
            world.schedule(seconds, lambda: self._carry_out_late(carry_out))
            raise StoreUnreachable("no answer came in time")
        if self.controller and what.rpartition(".")[2] not in LEASE_CALLS:
            network.watch.controller_writes(self.thread, what, LEASE_S)
        answer = carry_out()
        if network.strikes(network.faults.duplicated):
            world.fault("duplicated write", self.thread.name, what)
            answer = world.rng.choice([answer, carry_out()])
        return answer

    def _carry_out(self, what: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Let the store do it, and look at what that has changed."""
        network = self.network
        if network.broken is Break.DOUBLE_COUNT and what == "results.finish_parent":
            extra = network.watch.reported_by_lost_workers()
            args = (args[0], replace(args[1], operations=args[1].operations + extra))
        answer = self._maybe_broken(what, method, args, kwargs)
        if network.world.tracing:
            network.world.say(self.thread.name, f"{what}{_shown(args, kwargs)} -> {answer!r}")
        network.watch.wrote(self.thread, what, args, kwargs)
        return answer

    def _carry_out_late(self, carry_out: Callable[[], Any]) -> None:
        if not self.network.faults.away(self.network.world.now_s):
            try:
                carry_out()
            except StoreError as error:
                self.network.world.say(self.thread.name, f"the delayed write failed: {error}")

    def _hold_up(self) -> None:
        network, world = self.network, self.network.world
        if network.strikes(network.faults.pause):
            seconds = world.rng.uniform(0.0, 0.5)
            world.fault("pause", self.thread.name, f"{seconds:.3f} s")
            self._wait(seconds)
        if network.strikes(network.faults.stall):
            seconds = world.rng.uniform(1.0, 40.0)
            world.fault("stall", self.thread.name, f"{seconds:.3f} s")
            self._wait(seconds)

    def _hold_up_launch(self) -> None:
        network, world = self.network, self.network.world
        if network.faults.held_up_launch and not network.launch_was_held_up and not network.quiet:
            network.launch_was_held_up = True
            seconds = world.rng.uniform(LEASE_S + 1.0, LEASE_S + 10.0)
            world.fault("held up launch", self.thread.name, f"{seconds:.3f} s")
            self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        self.network.world.pass_time(seconds)
        if not self.thread.process.alive:
            raise Crash

    def _maybe_crash(self, what: str) -> None:
        if self.network.strikes(self.crash):
            self.network.world.fault("crash", self.thread.name, f"at {what}")
            raise Crash

    # Deliberate faults ------------------------------------------------------------------------------------------

    def _maybe_broken(self, what: str, method: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        broken = self.network.broken
        if broken is Break.NO_LEASE and what in {"runs.acquire_lease", "runs.extend_lease"}:
            method(*args, **kwargs)
            return True
        if broken is Break.NO_CLAIM and what == "heartbeats.claim":
            method(*args, **kwargs)
            return True
        if broken is Break.NO_CAS and what == "runs.transition":
            present = self.network.store.runs.get(args[0]).status
            return method(*args, **{**kwargs, "expected": RunStatus(present), "holder": None})
        if broken is Break.SILENT_GUARDRAIL and what == "runs.set_guardrails":
            return method(*args[:3], **kwargs)
        if broken is Break.STALE_SEQUENCE and what == "events.append":
            return self._append(*args)
        if broken is Break.STALE_SEQUENCE and (event := kwargs.pop("event", None)) is not None:
            changed = method(*args, **kwargs)
            if changed:
                self._append(args[0], event.type, event.data)
            return changed
        return method(*args, **kwargs)

    def _append(self, run_id: str, event_type: EventType, data: Mapping[str, Any]) -> int:
        """Append an event as it must not be done: others may come between taking the number and inserting."""
        watch = self.network.watch
        sequence = watch.take_sequence()
        self._wait(0.2)
        watch.insert_event(sequence, event_type.value, json.dumps(dict(data)))
        return sequence


class Repository:
    """One repository of the store, seen through a link."""

    def __init__(self, link: Link, name: str, target: Any) -> None:
        self._link, self._name, self._target = link, name, target

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        # What is no method is known without asking the store.
        return partial(self._link.call, f"{self._name}.{name}", found) if callable(found) else found


def _shown(args: Any, kwargs: Any) -> str:
    """Return a call's arguments for the diary, without figures and other bulk."""
    fields = ("status", "phase", "sequence", "operations", "queries", "worker_id")
    shown = []
    for argument in args:
        if isinstance(argument, (str, int, float)):
            shown.append(str(argument))
        else:
            known = {name: getattr(argument, name) for name in fields if hasattr(argument, name)}
            shown.append(" ".join(f"{name}={value}" for name, value in known.items()))
    shown += [f"{name}={value}" for name, value in kwargs.items() if value is not None]
    return f"({', '.join(shown)})"
