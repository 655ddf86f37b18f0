"""The way between managers and the servers: calls take time on it, and things go wrong.

A call that left its process is carried out even if the process dies meanwhile, or no longer waits.
"""

from __future__ import annotations

import contextlib

import msgspec

from cloudprovider.toolkit.journal import Record
from cloudprovider_alicloud.api.caller import CallFailed
from cloudprovider_controllers.runtime.transport import TransportError

#: Of the calls during a time of lost answers, refusals or errors, this part is hit.
PART = 0.4
CLOUD = "cloud"
#: Seconds: less than the provider waits. What the cloud carries out after that cannot be told from
#: what it never will, and a server group made so late is found only by the next whole look.
SLOWEST = 18.0


class Trouble(msgspec.Struct):
    """What is wrong until when (virtual seconds), for one side."""

    down: float = 0.0
    frozen: float = 0.0
    lossy: float = 0.0
    throttle: float = 0.0
    errors: float = 0.0
    slow: float = 0.0


class Wire:
    """Carries calls and records them; ``after_effect(record)`` follows each that had one."""

    def __init__(self, time, chance, *, effects):
        self.time = time
        self._chance = chance
        self._effects = effects
        self.after_effect = lambda record: None
        self.records: list[Record] = []
        #: (process, sent, answered) of each request that took or renewed the lease.
        self.renewals: list[tuple[str, float, float]] = []
        self.trouble = {"k8s": Trouble(), CLOUD: Trouble()}
        self.met = {}  #: how many calls met each kind of trouble
        self.in_flight = {}  #: calls on the way, by process

    def send(self, call, failures, *, api, op, key="", write=False, pre="", timeout):
        """Carry ``call()`` out on the other side; its answer, or a failure as the client sees it.

        Raises:
            Exception: one that ``failures`` makes, or what ``call`` raised.

        """
        side = "k8s" if api == "k8s" else CLOUD
        record = self._record(api, op, key, write, pre)
        trouble, now = self.trouble[side], self.time.monotonic()
        if now < trouble.down:
            self._meet("down")
            raise failures.unsent()
        for kind, until in (("throttle", trouble.throttle), ("errors", trouble.errors)):
            if now < until and self._chance.random() < PART:
                self._meet(kind)
                self.time.sleep(self._latency())
                raise failures.throttled() if kind == "throttle" else failures.error()
        way = _Way(self, side, call, failures, record.n)
        with self._counted():
            self.time.start_process(way.run, process="network")
            arrived = way.done.wait(timeout)
        if not arrived or way.lost:
            raise failures.lost()
        if way.error is not None:
            raise way.error
        return way.answer

    def hold_while_frozen(self, side):
        """Nothing comes from a frozen server."""
        while (left := self.trouble[side].frozen - self.time.monotonic()) > 0:
            self._meet("frozen")
            self.time.sleep(left)

    @contextlib.contextmanager
    def _counted(self):
        process = self.time.process()
        self.in_flight[process] = self.in_flight.get(process, 0) + 1
        yield
        self.in_flight[process] -= 1

    def _record(self, api, op, key, write, pre):
        record = Record(
            n=len(self.records),
            t=self.time.monotonic(),
            api=api,
            op=op,
            key=key,
            write=write,
            pre=pre,
            proc=self.time.process(),
            thread=self.time.thread_name(),
        )
        self.records.append(record)
        return record

    def _meet(self, kind):
        self.met[kind] = self.met.get(kind, 0) + 1

    def _latency(self):
        """Mostly some milliseconds, sometimes long."""
        return self._chance.uniform(0.001, 0.08) * (1 if self._chance.random() < 0.95 else 20)

    def carry_out(self, call, number):
        """``call()``, at the server: nothing else happens meanwhile."""
        before = self._effects()
        try:
            return call()
        finally:
            if self._effects() != before:
                took = self.time.monotonic() - self.records[number].t
                record = msgspec.structs.replace(self.records[number], effect=True, seconds=took)
                self.records[number] = record
                self.after_effect(record)


class _Way:
    """One call on its way there and back, whatever becomes of its process."""

    def __init__(self, wire, side, call, failures, number):
        self._wire, self._side, self._call = wire, side, call
        self._failures = failures
        self._number = number
        self.done = wire.time.event()
        self.lost = False
        self.answer = None
        self.error = None

    def run(self):
        wire, trouble, sleep = self._wire, self._wire.trouble[self._side], self._wire.time.sleep
        sleep(wire._latency())
        if wire.time.monotonic() < trouble.slow:
            wire._meet("slow")
            sleep(wire._chance.uniform(0, SLOWEST))
        wire.hold_while_frozen(self._side)
        if wire.time.monotonic() < trouble.down:
            self._lose("down")
            return
        try:
            self.answer = wire.carry_out(self._call, self._number)
        except Exception as error:  # noqa: BLE001 - it is raised where the call came from
            self.error = error
        if wire.time.monotonic() < trouble.lossy and wire._chance.random() < PART:
            self._lose("lossy")
            return
        sleep(wire._latency())
        if wire.time.monotonic() < trouble.down:
            self._lose("down")
            return
        self.done.set()

    def _lose(self, kind):
        self._wire._meet(kind)
        self.lost = True
        self.done.set()


class CloudFailures:
    """How the provider's adapter sees what went wrong."""

    def unsent(self):
        return CallFailed("connection refused", sent="no")

    def lost(self):
        return CallFailed("read timed out", sent="unknown")

    def error(self):
        return CallFailed("internal error", code="InternalError", http_status=500, sent="answered")

    def throttled(self):
        return CallFailed("flow control", code="Throttling.User", http_status=400, sent="answered")


def unsent():
    """A connection to the API server that was refused."""
    return TransportError("connection refused", sent=False)
