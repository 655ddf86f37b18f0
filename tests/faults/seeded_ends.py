"""What managers take for the API server and the cloud: the other ends of the wire."""

from __future__ import annotations

from seams import KubernetesFailures, Refused, operation
from seeded_judges import leases_of
from wire import CloudFailures, unsent

from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_controllers.runtime.transport import TransportError
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport


class Transport:
    """The embedded API server at the other end of the wire."""

    def __init__(self, server, wire, proc):
        self._inner = InProcessTransport(server, proc=proc, user_agent="manager")
        self._wire = wire
        self._failures = KubernetesFailures()
        self._failures.unsent = unsent

    def request(self, method, path, *, query, headers, body, timeout):
        op, key = operation(method, path)
        sent, proc = self._wire.time.monotonic(), self._wire.time.process()
        try:
            answer = self._wire.send(
                lambda: self._inner.request(
                    method, path, query=query, headers=headers, body=body, timeout=timeout
                ),
                self._failures,
                api="k8s",
                op=op,
                key=key,
                write=method != "GET",
                pre="uid" if body and b'"uid"' in body else "",
                timeout=timeout,
            )
        except Refused as refused:
            return refused.response
        if leases_of(op, body) and answer.status < 300:
            self._wire.renewals.append((proc, sent, self._wire.time.monotonic()))
        return answer

    def stream(self, path, *, query, headers, read_timeout):
        op, _ = operation("WATCH", path)
        try:
            inner = self._wire.send(
                lambda: self._inner.stream(
                    path, query=query, headers=headers, read_timeout=read_timeout
                ),
                self._failures,
                api="k8s",
                op=op,
                timeout=10.0,
            )
        except Refused as refused:
            raise TransportError(str(refused), sent=True) from refused
        return _Watch(inner, self._wire)


class _Watch:
    """A watch whose events are held while the server is frozen."""

    def __init__(self, inner, wire):
        self._inner, self._wire = inner, wire
        self.status, self.headers, self.close = inner.status, inner.headers, inner.close

    def lines(self):
        for line in self._inner.lines():
            self._wire.hold_while_frozen("k8s")
            yield line


class Caller:
    """The emulator at the other end of the wire."""

    def __init__(self, core, wire):
        self._caller = EmulatorCaller(core)
        self._wire = wire

    def call(self, product, action, params, *, read_timeout):
        return self._wire.send(
            lambda: self._caller.call(product, action, params, read_timeout=read_timeout),
            CloudFailures(),
            api=product,
            op=action,
            write=not action.startswith(("Describe", "List")),
            timeout=read_timeout,
        )
