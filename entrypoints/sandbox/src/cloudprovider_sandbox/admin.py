"""The sandbox's own endpoint: one place for inventory, journal, faults and instances.

======================== =====================================================================
``GET /``                what ``sandbox.json`` holds
``GET /inventory``       every resource of the cloud
``GET /journal?since=N`` calls to the cloud and to Kubernetes in one order, JSON lines
``GET /faults``          the rules and how often each fired
``POST /faults``         add a rule (:class:`cloudprovider.testing.faults.Fault`)
``DELETE /faults``       remove all rules
``GET /nodes``           instances that are nodes
``POST /nodes``          launch an instance and let it join; ``{"name": …}`` is its host name
``DELETE /nodes/NAME``   terminate it
``POST /nodes/NAME/stop`` shut it down; it still exists
``PUT /latency``         ``{"seconds": …}`` for every cloud call from now on
======================== =====================================================================

Loopback only, without authentication; requests from web pages (header ``Origin``) are refused.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.testing.emulation import EmulatedInstance, InventoryItem
from cloudprovider.testing.faults import Fault, FaultPlan
from cloudprovider.toolkit.journal import Journal, Record, to_jsonl

#: The ``api`` of calls to Kubernetes, in journal and faults.
KUBERNETES = "k8s"


class UnknownNode(Exception):
    """No node of that name runs in the sandbox."""


class MergedJournal:
    """Records of several journals in one order, numbered anew; time counts from now."""

    def __init__(
        self, sources: Iterable[Journal], *, concurrency: Concurrency | None = None
    ) -> None:
        clock = concurrency or current()
        self._lock = clock.lock()
        self._start = clock.monotonic()
        self._records: list[Record] = []
        for source in sources:
            source.listen(self._take)

    def records(self, since: int = -1) -> list[Record]:
        """The records with ``n`` greater than ``since``, oldest first."""
        with self._lock:
            return self._records[max(0, since + 1) :]

    def _take(self, record: Record) -> None:
        with self._lock:
            n, t = len(self._records), record.t - self._start
            self._records.append(msgspec.structs.replace(record, n=n, t=t))


class FaultPlans:
    """The faults of the API server and of the emulator behind one door."""

    def __init__(self, kubernetes: FaultPlan, cloud: FaultPlan) -> None:
        self._kubernetes = kubernetes
        self._cloud = cloud

    def add(self, fault: Fault) -> None:
        """Add a rule where its ``api`` says: ``k8s``, a product of the cloud, or a pattern."""
        if fnmatch.fnmatchcase(KUBERNETES, fault.api):
            self._kubernetes.add(fault)
        if fault.api != KUBERNETES:
            self._cloud.add(fault)

    def clear(self) -> None:
        """Remove all rules."""
        self._kubernetes.clear()
        self._cloud.clear()

    def list(self) -> Sequence[tuple[Fault, int]]:
        """Each rule with how often it fired."""
        return [
            pair
            for plan in (self._kubernetes, self._cloud)
            for pair in zip(plan.faults(), plan.fired(), strict=True)
        ]


class Target(Protocol):
    """What the endpoint drives."""

    journal: MergedJournal
    faults: FaultPlans

    def describe(self) -> Mapping[str, Any]:
        """What ``sandbox.json`` holds."""

    def inventory(self) -> Sequence[InventoryItem]:
        """Every resource of the cloud."""

    def nodes(self) -> Sequence[EmulatedInstance]:
        """Instances that are nodes."""

    def add_node(self, name: str = "") -> EmulatedInstance:
        """Launch an instance and let it join."""

    def remove_node(self, name: str) -> None:
        """Terminate it. Raises UnknownNode."""

    def stop_node(self, name: str) -> None:
        """Shut it down. Raises UnknownNode."""

    def set_latency(self, seconds: float) -> None:
        """Delay every cloud call."""


class AdminApp:
    """The WSGI application. See the module for its paths."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._urls = Map(
            [
                Rule("/", methods=["GET"], endpoint=self._index),
                Rule("/inventory", methods=["GET"], endpoint=self._inventory),
                Rule("/journal", methods=["GET"], endpoint=self._journal),
                Rule("/faults", methods=["GET"], endpoint=self._list_faults),
                Rule("/faults", methods=["POST"], endpoint=self._add_fault),
                Rule("/faults", methods=["DELETE"], endpoint=self._clear_faults),
                Rule("/nodes", methods=["GET"], endpoint=self._nodes),
                Rule("/nodes", methods=["POST"], endpoint=self._add_node),
                Rule("/nodes/<name>", methods=["DELETE"], endpoint=self._remove_node),
                Rule("/nodes/<name>/stop", methods=["POST"], endpoint=self._stop_node),
                Rule("/latency", methods=["PUT"], endpoint=self._set_latency),
            ]
        )

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        return self._answer(Request(environ))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        if "Origin" in request.headers:
            return _reply({"error": "not for web pages"}, status=403)
        try:
            handler, arguments = self._urls.bind_to_environ(request.environ).match()
            answer: Response = handler(request, **arguments)
        except HTTPException as error:
            return _reply({"error": error.description}, status=error.code or 500)
        except UnknownNode as error:
            return _reply({"error": str(error)}, status=404)
        except (ValueError, msgspec.DecodeError) as error:
            return _reply({"error": str(error)}, status=400)
        return answer

    def _index(self, _: Request) -> Response:
        return _reply(self._target.describe())

    def _inventory(self, _: Request) -> Response:
        return _reply(self._target.inventory())

    def _journal(self, request: Request) -> Response:
        since = int(request.args.get("since", -1))
        lines = to_jsonl(self._target.journal.records(since))
        return Response(lines, mimetype="application/jsonl")

    def _list_faults(self, _: Request) -> Response:
        return _reply([{"fault": f, "fired": n} for f, n in self._target.faults.list()])

    def _add_fault(self, request: Request) -> Response:
        self._target.faults.add(msgspec.json.decode(request.get_data(), type=Fault))
        return _reply({}, status=201)

    def _clear_faults(self, _: Request) -> Response:
        self._target.faults.clear()
        return _reply({})

    def _nodes(self, _: Request) -> Response:
        return _reply(self._target.nodes())

    def _add_node(self, request: Request) -> Response:
        body = msgspec.json.decode(request.get_data() or b"{}", type=dict[str, str])
        return _reply(self._target.add_node(body.get("name", "")), status=201)

    def _remove_node(self, _: Request, name: str) -> Response:
        self._target.remove_node(name)
        return _reply({})

    def _stop_node(self, _: Request, name: str) -> Response:
        self._target.stop_node(name)
        return _reply({})

    def _set_latency(self, request: Request) -> Response:
        body = msgspec.json.decode(request.get_data(), type=dict[str, float])
        self._target.set_latency(max(0.0, body.get("seconds", 0.0)))
        return _reply({})


def _reply(value: Any, *, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status=status, mimetype="application/json")
