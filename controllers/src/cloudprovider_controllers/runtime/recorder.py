"""Events for people: what ``kubectl describe`` shows below an object.

An event is logged, put into a queue and forgotten by its caller; a thread of its own correlates and
sends it. Source: ``spec/ccm-core.md`` 3.1.5, ``spec/kubernetes-client.md`` 4.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import logging
import re
from typing import Any, Literal

from cloudprovider.concurrency import Concurrency, Event, Thread, current
from cloudprovider.models import Object
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.correlator import Correlator, Decision, Subject
from cloudprovider_controllers.runtime.errors import ApiError, NotFound, WritesStopped
from cloudprovider_controllers.runtime.patches import timestamp
from cloudprovider_controllers.runtime.resources import EVENTS
from cloudprovider_controllers.runtime.transport import TransportError

logger = logging.getLogger(__name__)

EventType = Literal["Normal", "Warning"]

#: Events that may wait; further ones are dropped.
QUEUE = 1000
#: Tries of an event that cannot be sent, and seconds between them.
TRIES = 12
RETRY_SECONDS = 10.0
#: The API server refuses longer messages.
MAX_MESSAGE = 1024
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclasses.dataclass(frozen=True)
class _Occurrence:
    involved: dict[str, str]
    type: EventType
    reason: str
    message: str
    topic: str
    monotonic: float
    time: str
    name: str


class EventRecorder:
    """Records events of one component. Safe for threads; recording never blocks.

    Args:
        client: Writes to the API server; best one of its own, so that events delay nothing else.
        component: ``source.component``, e.g. ``service-controller``.
        host: ``source.host``.

    """

    def __init__(
        self,
        client: Client,
        *,
        component: str,
        host: str = "",
        concurrency: Concurrency | None = None,
    ) -> None:
        self._concurrency = concurrency or current()
        self._client = client
        self._component = component
        self._host = host
        self._condition = self._concurrency.condition(self._concurrency.lock())
        self._queue: collections.deque[_Occurrence] = collections.deque()
        self._busy = False
        self._closed = False
        self._last_name = 0
        self._stop: Event | None = None
        self._correlator = Correlator()
        self.dropped = 0  #: events that found the queue full

    def event(
        self,
        obj: Object,
        type: EventType,
        reason: str,
        message: str,
        *,
        kind: str = "",
        with_version: bool = True,
        topic: str = "",
    ) -> None:
        """Something happened to ``obj``.

        Args:
            obj: What it happened to.
            type: ``Normal`` or ``Warning``.
            reason: One CamelCase word, e.g. ``EnsuredLoadBalancer``.
            message: A sentence; cut after 1024 characters.
            kind: What ``obj`` is, if ``obj.kind`` is empty.
            with_version: Whether the event refers to this version of ``obj``.
            topic: What makes it a repetition of an earlier one; empty = the message itself.

        """
        involved = _reference(obj, kind, with_version=with_version)
        about = f"{involved['kind']} {obj.key}"
        logger.info("event: %s: %s %s: %s", about, type, reason, message)
        now = self._concurrency.now()
        occurrence = _Occurrence(
            involved=involved,
            type=type,
            reason=reason,
            message=message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…",
            topic=topic,
            monotonic=self._concurrency.monotonic(),
            time=timestamp(now),
            name=self._name(obj.metadata.name, self._nanoseconds(now)),
        )
        with self._condition:
            full = len(self._queue) >= QUEUE
            if full:
                self.dropped += 1
            elif not self._closed:
                self._queue.append(occurrence)
                self._condition.notify_all()
        if full:
            logger.warning("event about %s dropped: %d wait already", about, QUEUE)

    def start(self, stop: Event) -> list[Thread]:
        """Start to send, until ``stop`` is set; what waits then is tried once more by then."""
        self._stop = stop
        name = f"events-{self._component}"
        return [
            self._concurrency.start_thread(self._run, name=name),
            self._concurrency.start_thread(lambda: self._close(stop), name=f"{name}-stop"),
        ]

    def flush(self, timeout: float) -> bool:
        """Block until all that was recorded is sent or given up; False after ``timeout`` s."""
        with self._condition:
            return self._condition.wait_for(lambda: not self._queue and not self._busy, timeout)

    # -- the sending thread --------------------------------------------------------------------

    def _run(self) -> None:
        while (occurrence := self._next()) is not None:
            try:
                self._record(occurrence)
            except Exception:
                logger.exception("event %s could not be sent", occurrence.reason)
            finally:
                with self._condition:
                    self._busy = False
                    self._condition.notify_all()

    def _next(self) -> _Occurrence | None:
        with self._condition:
            self._condition.wait_for(lambda: bool(self._queue) or self._closed)
            if not self._queue:
                return None
            self._busy = True
            return self._queue.popleft()

    def _close(self, stop: Event) -> None:
        stop.wait()
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def _record(self, occurrence: _Occurrence) -> None:
        involved = occurrence.involved
        identity = "/".join(involved.get(part, "") for part in ("kind", "namespace", "name", "uid"))
        source = f"{self._component}/{self._host}"
        subject = Subject(source, identity, occurrence.type, occurrence.reason)
        decision = self._correlator.decide(
            subject,
            occurrence.message,
            now=occurrence.monotonic,
            timestamp=occurrence.time,
            topic=occurrence.topic,
        )
        if decision.verdict == "drop":
            logger.debug("event %s about %s: too many", occurrence.reason, identity)
            return
        wait = RETRY_SECONDS * self._concurrency.random.random()
        for _ in range(TRIES):
            try:
                self._send(occurrence, decision)
            except ApiError as error:
                logger.warning("event %s was refused: %s", occurrence.reason, error)
                return
            except WritesStopped:
                return  # the new leader tells of what it finds
            except TransportError as error:
                logger.info("event %s is not sent yet: %s", occurrence.reason, error)
            else:
                return
            if self._stop is None or self._stop.wait(wait):
                return
            wait = RETRY_SECONDS

    def _send(self, occurrence: _Occurrence, decision: Decision) -> None:
        series = decision.series
        namespace = occurrence.involved.get("namespace") or "default"
        if series.name:
            body = {
                "count": series.count,
                "lastTimestamp": occurrence.time,
                "message": decision.message,
            }
            try:
                self._client.patch(EVENTS, series.name, body, namespace=namespace)
            except NotFound:
                series.name = ""  # expired on the server
            else:
                return
        self._client.create(EVENTS, self._body(occurrence, decision, namespace), namespace)
        series.name = occurrence.name

    def _body(self, occurrence: _Occurrence, decision: Decision, namespace: str) -> dict[str, Any]:
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        return {
            "metadata": {"name": occurrence.name, "namespace": namespace},
            "involvedObject": occurrence.involved,
            "reason": occurrence.reason,
            "message": decision.message,
            "source": source,
            "firstTimestamp": decision.series.first,
            "lastTimestamp": occurrence.time,
            "count": decision.series.count,
            "type": occurrence.type,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

    def _nanoseconds(self, now: datetime.datetime) -> int:
        """A number that no other event gets: the clock ticks in microseconds, events may not."""
        ticks = int(now.timestamp() * 1e6) * 1000 + self._concurrency.random.randrange(1000)
        with self._condition:
            self._last_name = max(ticks, self._last_name + 1)
            return self._last_name

    def _name(self, name: str, nanoseconds: int) -> str:
        candidate = f"{name}.{nanoseconds:x}"
        if len(candidate) <= 253 and _SUBDOMAIN.fullmatch(candidate):
            return candidate
        return self._concurrency.uuid()


def _reference(obj: Object, kind: str, *, with_version: bool) -> dict[str, str]:
    meta = obj.metadata
    reference = {
        "kind": kind or obj.kind or type(obj).__name__,
        "namespace": meta.namespace,
        "name": meta.name,
        "uid": meta.uid,
        "apiVersion": obj.api_version or "v1",
        "resourceVersion": meta.resource_version if with_version else "",
    }
    return {field: value for field, value in reference.items() if value}
