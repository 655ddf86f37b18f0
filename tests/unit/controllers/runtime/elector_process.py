"""A process that elects itself through one Lease, and what may happen on its way there."""

import datetime
import json

from cloudprovider.concurrency import Concurrency, current
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.elector import LeaderElector
from cloudprovider_controllers.runtime.transport import Response, TransportError

PATH = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


class LeaseStore:
    """The API server, as far as one Lease goes."""

    def __init__(self):
        self.lease = None
        self.version = 0
        self.writes = []

    def handle(self, method, body):
        if method == "GET":
            return (404, refused(404, "NotFound")) if self.lease is None else (200, self.lease)
        if method == "POST":
            if self.lease is not None:
                return 409, refused(409, "AlreadyExists")
            return self.store(body, 201)
        if self.lease is None:
            return 404, refused(404, "NotFound")
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            return 409, refused(409, "Conflict")
        return self.store(body, 200)

    def store(self, body, status=200):
        self.version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self.version), "uid": "u"}
        self.lease = {**body, "metadata": metadata}
        self.writes.append((current().monotonic(), body["spec"]["holderIdentity"]))
        return status, self.lease

    def take(self, holder, duration=15):
        """Somebody else writes the lease by hand."""
        now = current().now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": holder, "leaseDurationSeconds": duration, "renewTime": now}
        self.store({**self.lease, "spec": {**self.lease["spec"], **spec}})

    @property
    def spec(self):
        return self.lease["spec"]


def refused(code, reason):
    return {"kind": "Status", "code": code, "reason": reason, "message": reason}


class Wire:
    """One process's way to the store; ``fault(method)`` says what happens to a request."""

    def __init__(self, store):
        self.store = store
        self.fault = lambda method: "fine"
        self.requests = []

    def request(self, method, path, *, query, headers, body, timeout):
        assert path == (PATH if method == "POST" else f"{PATH}/cloud-controller-manager")
        self.requests.append((current().monotonic(), method, timeout))
        data = None if body is None else json.loads(body)
        fault = self.fault(method)
        kind, _, argument = fault.partition(" ")
        return getattr(self, f"on_{kind}")(method, data, timeout, argument)

    def on_fine(self, method, data, timeout, argument):
        status, body = self.store.handle(method, data)
        return Response(status, {}, json.dumps(body).encode())

    def on_refused(self, method, data, timeout, argument):
        raise TransportError("refused", sent=False)

    def on_frozen(self, method, data, timeout, argument):
        current().sleep(timeout)
        raise TransportError("timed out")

    def on_lost(self, method, data, timeout, argument):
        self.on_fine(method, data, timeout, argument)
        return self.on_frozen(method, data, timeout, argument)

    def on_reset(self, method, data, timeout, argument):
        self.on_fine(method, data, timeout, argument)
        raise TransportError("reset")

    def on_late(self, method, data, timeout, argument):
        """Carried out long after the client gave up."""

        def later():
            current().sleep(timeout + float(argument))
            self.on_fine(method, data, timeout, argument)

        current().start_thread(later, name="late")
        return self.on_frozen(method, data, timeout, argument)

    def on_slow(self, method, data, timeout, argument):
        seconds = float(argument)
        if seconds >= timeout:
            return self.on_lost(method, data, timeout, argument)
        current().sleep(seconds / 2)
        answer = self.on_fine(method, data, timeout, argument)
        current().sleep(seconds / 2)
        return answer

    def on_status(self, method, data, timeout, argument):
        body = refused(int(argument), {"409": "Conflict", "500": "InternalError"}.get(argument, ""))
        return Response(int(argument), {}, json.dumps(body).encode())

    def on_garbage(self, method, data, timeout, argument):
        self.on_fine(method, data, timeout, argument)
        return Response(200, {}, b"<html>")


class Process:
    """A manager, reduced to its elector. ``lost`` holds when leadership was lost."""

    def __init__(self, store, identity, *, concurrency=None, **options):
        self.wire = Wire(store)
        self.started, self.lost = [], []
        self.stop = (concurrency or current()).event()
        self.elector = LeaderElector(
            Client(self.wire, concurrency=concurrency),
            identity=identity,
            concurrency=concurrency,
            **options,
        )

    def start(self):
        def run():
            clock = current().monotonic
            self.elector.run(
                self.stop,
                lambda: self.started.append(clock()),
                lambda: self.lost.append(clock()),
            )

        self.thread = current().start_thread(run, name=self.elector.identity)
        return self


def leader(store=None):
    """A process that has just become leader."""
    process = Process(store or LeaseStore(), "me").start()
    current().sleep(0.5)
    assert process.started
    assert process.elector.is_leader()
    return process


# -- faults ----------------------------------------------------------------------------------------

ALWAYS = {
    "frozen": "frozen",
    "refused": "refused",
    "answers lost": "lost",
    "answers reset": "reset",
    "carried out late": "late 3",
    "slower than the time-out": "slow 6",
    "500": "status 500",
    "409": "status 409",
    "401": "status 401",
    "no JSON": "garbage",
}


# -- clocks --------------------------------------------------------------------------------------


class Skewed(Concurrency):
    """Another machine's clocks: the wall clock off, the monotonic one fast or slow."""

    def __init__(self, base, offset=0.0, rate=1.0):
        self.base, self.offset, self.rate = base, offset, rate
        self.random = base.random

    def now(self):
        return self.base.now() + datetime.timedelta(seconds=self.offset)

    def monotonic(self):
        return 1000 + self.base.monotonic() * self.rate

    def sleep(self, seconds):
        self.base.sleep(seconds / self.rate)

    def event(self):
        event, rate = self.base.event(), self.rate

        class Event:
            is_set, set, clear = event.is_set, event.set, event.clear

            def wait(self, timeout=None):
                return event.wait(None if timeout is None else timeout / rate)

        return Event()

    def lock(self):
        return self.base.lock()

    def rlock(self):
        return self.base.rlock()

    def condition(self, lock=None):
        return self.base.condition(lock)

    def start_thread(self, target, *, name):
        return self.base.start_thread(target, name=name)

    def thread_name(self):
        return self.base.thread_name()

    def uuid(self):
        return self.base.uuid()

    def hostname(self):
        return self.base.hostname()
