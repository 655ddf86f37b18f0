"""What this process knows about every Service, safe for threads."""

from __future__ import annotations

from cloudprovider.concurrency import Concurrency
from cloudprovider.models import Node, Service
from cloudprovider_controllers.service.decisions import ServiceState


class StateTable:
    """:class:`ServiceState` by key.

    A state belongs to the worker that has its key; only the backends (``nodes``) and ``recheck``
    are shared with the thread that watches the nodes, and are therefore set here, under a lock.
    """

    def __init__(self, concurrency: Concurrency) -> None:
        self._lock = concurrency.lock()
        self._states: dict[str, ServiceState] = {}

    def get(self, key: str) -> ServiceState | None:
        """The state of ``key``, or None."""
        with self._lock:
            return self._states.get(key)

    def of(self, service: Service) -> ServiceState:
        """The state of ``service``, a new one if there is none."""
        with self._lock:
            return self._states.setdefault(service.key, ServiceState(service))

    def drop(self, key: str) -> None:
        """Forget ``key``."""
        with self._lock:
            self._states.pop(key, None)

    def items(self) -> list[tuple[str, ServiceState]]:
        """All states, as of one moment."""
        with self._lock:
            return list(self._states.items())

    def begin_call(self, state: ServiceState) -> None:
        """The provider is about to change the backends: until it succeeded they are unknown."""
        with self._lock:
            state.nodes = None
            state.recheck = False

    def end_call(self, state: ServiceState, nodes: tuple[Node, ...]) -> bool:
        """The backends are ``nodes`` now; True if the nodes changed during the call."""
        with self._lock:
            state.nodes = nodes
            return state.recheck

    def compared(self, state: ServiceState, old: tuple[Node, ...], new: tuple[Node, ...]) -> None:
        """``new`` gives the same backends as ``old``, so it may stand for it."""
        with self._lock:
            if state.nodes is old:
                state.nodes = new

    def ask_verification(self, state: ServiceState, now: float) -> None:
        """Something of it was changed in the cloud: look at all of it in the next pass."""
        with self._lock:
            state.verify_at = now

    def ask_cleanup(self, service: Service) -> None:
        """A load balancer of ``service``, which wants none here, was found: delete it."""
        with self._lock:
            self._states.setdefault(service.key, ServiceState(service)).attempted = True

    def ask_recheck(self, state: ServiceState) -> None:
        """The nodes changed while a call for this Service may be under way."""
        with self._lock:
            state.recheck = True
