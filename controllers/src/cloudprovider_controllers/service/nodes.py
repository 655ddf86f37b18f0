"""From node events to the Services whose backends they change.

Node events come in bursts: a node group grows, a zone goes away. A burst is collected for a short
while, then each Service is asked once, without I/O, whether it is concerned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from cloudprovider.concurrency import Concurrency, Event
from cloudprovider.interface import LoadBalancer
from cloudprovider.models import Node, Service
from cloudprovider_controllers.context import ControllerOptions
from cloudprovider_controllers.provider_calls import guarded
from cloudprovider_controllers.runtime.informer import Handler
from cloudprovider_controllers.runtime.store import Store
from cloudprovider_controllers.service.decisions import (
    ServiceState,
    eligible_nodes,
    is_eligible,
    node_change_matters,
)
from cloudprovider_controllers.service.state import StateTable

logger = logging.getLogger(__name__)


class EligibleNodes:
    """The nodes that may be backends: computed once per change, shared by all Services."""

    def __init__(self, store: Store[Node], concurrency: Concurrency) -> None:
        self._store = store
        self._lock = concurrency.lock()
        self._nodes: tuple[Node, ...] | None = None
        self._changes = 0

    def current(self) -> tuple[Node, ...]:
        """The nodes by name. The same object until something that matters changes."""
        with self._lock:
            if self._nodes is not None:
                return self._nodes
            changes = self._changes
        nodes = eligible_nodes(self._store.list())
        with self._lock:
            if self._changes == changes:
                self._nodes = nodes
        return nodes

    def changed(self) -> None:
        """A node came, went or changed in a way that may matter."""
        with self._lock:
            self._nodes = None
            self._changes += 1


class NodeWatcher:
    """Collects bursts of node changes and queues the Services that they concern."""

    def __init__(
        self,
        *,
        nodes: EligibleNodes,
        states: StateTable,
        load_balancer: LoadBalancer,
        enqueue: Callable[[str], None],
        options: ControllerOptions,
        concurrency: Concurrency,
    ) -> None:
        self._nodes = nodes
        self._states = states
        self._load_balancer = load_balancer
        self._enqueue = enqueue
        self._options = options
        self._concurrency = concurrency
        # The contract's own comparison is the same for all Services: once per change is enough.
        kind = type(load_balancer)
        self._same_for_all = kind.backend_nodes_changed is LoadBalancer.backend_nodes_changed
        self._last_answer: tuple[tuple[Node, ...], tuple[Node, ...], bool] | None = None
        self._changed = concurrency.event()
        self._last_change = 0.0

    def handler(self) -> Handler:
        """What the informer of nodes is to call."""
        return Handler(self._on_add, self._on_update, self._on_delete)

    def run(self, stop: Event, observe: Callable[[float], None]) -> None:
        """Wait for bursts until ``stop`` is set; ``observe`` gets the seconds of each scan.

        Without one it looks all the same every ``node_compare_period``: whatever event was missed,
        a Service whose backends are not what the nodes ask for is found.
        """
        while not stop.is_set():
            told = self._changed.wait(self._options.node_compare_period)
            if stop.is_set():
                return
            self._changed.clear()
            if told and self._collect(stop):
                return
            if not told:
                self._nodes.changed()
            started = self._concurrency.monotonic()
            self.scan()
            observe(self._concurrency.monotonic() - started)

    def wake(self) -> None:
        """Let :meth:`run` look at its stop event."""
        self._changed.set()

    def scan(self) -> None:
        """Queue every Service whose backends differ from what was last sent to the cloud."""
        nodes = self._nodes.current()
        for key, state in self._states.items():
            if state.nodes is None:
                self._states.ask_recheck(state)
                if nodes and state.attempted_without_nodes:
                    self._enqueue(key)  # what it failed for may be there now
            elif self.backends_changed(state):
                self._enqueue(key)

    def backends_changed(self, state: ServiceState) -> bool:
        """Whether the eligible nodes give this Service other backends than it has.

        If not, they become what the next change is compared with.
        """
        old, new = state.nodes, self._nodes.current()
        if old is None or old is new:
            return old is None
        changed = self._ask(state.service, old, new)
        if not changed:
            self._states.compared(state, old, new)
        return changed

    # -- inside ----------------------------------------------------------------------------

    def _ask(self, service: Service, old: tuple[Node, ...], new: tuple[Node, ...]) -> bool:
        last = self._last_answer
        if self._same_for_all and last is not None and last[0] is old and last[1] is new:
            return last[2]
        try:
            changed = guarded(lambda: self._load_balancer.backend_nodes_changed(service, old, new))
        except Exception:
            logger.exception("backends of %s: the provider cannot compare", service.key)
            changed = True
        self._last_answer = (old, new, changed)
        return changed

    def _collect(self, stop: Event) -> bool:
        """Wait until the burst is over or lasts too long; True if ``stop`` was set."""
        window = self._options.node_burst_window
        deadline = self._concurrency.monotonic() + self._options.node_burst_limit
        while True:
            now = self._concurrency.monotonic()
            until = min(self._last_change + window, deadline)
            if until <= now:
                return stop.is_set()
            if stop.wait(until - now):
                return True

    def _touch(self) -> None:
        self._nodes.changed()
        self._last_change = self._concurrency.monotonic()
        self._changed.set()

    def _on_add(self, node: Node, initial: bool) -> None:  # noqa: ARG002 - the informer's
        if is_eligible(node):
            self._touch()

    def _on_update(self, old: Node, new: Node) -> None:
        if (is_eligible(old) or is_eligible(new)) and node_change_matters(old, new):
            self._touch()

    def _on_delete(self, node: Node) -> None:
        if is_eligible(node):
            self._touch()
