"""What a manager calls, behind the boundary: the emulated cloud and the embedded API server."""

from __future__ import annotations

import json

import msgspec

from cloudprovider.concurrency import current
from cloudprovider.testing.harness import journals
from cloudprovider_alicloud.api.caller import CallFailed
from cloudprovider_alicloud.emulator.inprocess import EmulatorCaller
from cloudprovider_controllers.runtime.codec import decode_event, decode_head
from cloudprovider_controllers.runtime.transport import Response, TransportError
from cloudprovider_sandbox.apiserver.inprocess import InProcessTransport


class CloudFailures:
    """How the provider's adapter sees a fault."""

    def lost(self):
        return CallFailed("read timed out", sent="unknown")

    def error(self):
        return CallFailed("internal error", code="InternalError", http_status=500, sent="answered")

    def throttled(self):
        return CallFailed("flow control", code="Throttling.User", http_status=400, sent="answered")


class FaultyCaller:
    """The emulator, behind the boundary.

    ``owner`` says whose the resource is that a call is about; ``answered`` gets what the cloud said
    of instances.
    """

    def __init__(self, core, boundary, *, owner=lambda _params: "", answered=lambda _answer: None):
        self._caller = EmulatorCaller(core)
        self._core = core
        self._boundary = boundary
        self._owner = owner
        self._answered = answered

    def call(self, product, action, params, *, read_timeout):
        write = not action.startswith(("Describe", "List"))
        answer = self._boundary.cross(
            lambda: self._caller.call(product, action, params, read_timeout=read_timeout),
            CloudFailures(),
            api=product,
            op=action,
            key=self._owner(params) if write else "",
            write=write,
            pre=str(params.get("ClientToken") or ""),
        )
        if action == "DescribeInstances" and params.get("InstanceIds"):
            items = answer.get("Instances", {}).get("Instance", [])
            found = frozenset(item["InstanceId"] for item in items)
            self._answered((frozenset(json.loads(params["InstanceIds"])), found))
        return answer


class KubernetesFailures:
    """How the runtime's transport sees a fault; refusals are answers, not exceptions."""

    def lost(self):
        return TransportError("connection broken", sent=True)

    def error(self):
        return Refused(500, "InternalError")

    def throttled(self):
        return Refused(429, "TooManyRequests", {"retry-after": "1"})


class Refused(Exception):
    """The API server answers with a Status."""

    def __init__(self, status, reason, headers=None, message=""):
        super().__init__(reason)
        self.response = Response(
            status=status,
            headers={"content-type": "application/json", **(headers or {})},
            data=msgspec.json.encode(
                {
                    "kind": "Status",
                    "status": "Failure",
                    "reason": reason,
                    "code": status,
                    "message": message or f"{reason}, by the plan of faults",
                }
            ),
        )


class FaultyTransport:
    """The embedded API server, behind the boundary.

    ``watched`` gets every watch. ``admit`` is what webhooks make of the body of a request, by its
    operation and key.
    """

    def __init__(
        self,
        server,
        boundary,
        proc,
        *,
        watched=lambda _watch: None,
        admit=lambda _op, _key, body: body,
    ):
        self._inner = InProcessTransport(server, proc=proc, user_agent="manager")
        self._server = server
        self._boundary = boundary
        self._watched = watched
        self._admit = admit

    def request(self, method, path, *, query, headers, body, timeout):
        op, key = operation(method, path)
        if op == "POST events":
            key += msgspec.json.decode(body)["metadata"]["name"]
        try:
            return self._boundary.cross(
                lambda: self._inner.request(
                    method,
                    path,
                    query=query,
                    headers=headers,
                    body=self._admit(op, key, body),
                    timeout=timeout,
                ),
                KubernetesFailures(),
                api="k8s",
                op=op,
                key=key,
                write=method != "GET",
                status=lambda response: response.status,
            )
        except Refused as refused:
            return refused.response

    def stream(self, path, *, query, headers, read_timeout):
        op, _ = operation("WATCH", path)
        try:
            inner = self._boundary.cross(
                lambda: self._inner.stream(
                    path, query=query, headers=headers, read_timeout=read_timeout
                ),
                KubernetesFailures(),
                api="k8s",
                op=op,
            )
        except Refused as refused:
            return _Refusal(refused.response)
        watch = journals.Watched(
            storage=op.partition(" ")[2],
            since=int(query.get("resourceVersion") or 0),
            initial=query.get("sendInitialEvents") == "true",
        )
        self._watched(watch)
        return _Stream(inner, self._boundary, watch, read_timeout)


class _Refusal:
    """A watch that was refused, as the real transport shows it: a status, and a line."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self._data = response.data

    def lines(self):
        yield self._data

    def close(self):
        pass


class _Stream:
    """A watch whose events pass the boundary one by one."""

    def __init__(self, inner, boundary, watch, read_timeout):
        self._inner = inner
        self._boundary = boundary
        self._watch = watch
        self._read_timeout = read_timeout
        self._closed = current().event()

    @property
    def status(self):
        return self._inner.status

    @property
    def headers(self):
        return self._inner.headers

    def lines(self):
        hidden = False
        for line in self._inner.lines():
            seen = _line(line)
            kind = ""
            if hidden and seen is not None:
                continue  # nothing more until the server says that it lost track
            if seen is not None and seen.key:
                what = f"{seen.type} {self._watch.storage}"
                kind = self._boundary.deliver(op=what, key=seen.key)
            if kind == "event_cut":
                self._inner.close()
                raise TransportError("the connection broke before an event")
            if kind == "watch_silent":
                self._be_silent()
                return
            if kind == "watch_garbled":
                yield line[: len(line) // 2]
                continue
            if kind == "event_hidden":
                hidden = True
                continue
            for _ in range(2 if kind == "event_twice" else 1):
                if seen is not None:
                    self._watch.lines.append(seen)
                yield line

    def _be_silent(self):
        """Half-open: nothing comes any more, until the reader gives up or closes it."""
        self._inner.close()
        if not self._closed.wait(self._read_timeout):
            raise TransportError(f"nothing came for {self._read_timeout:g} s")

    def close(self):
        self._closed.set()
        self._inner.close()


def _line(data):
    """What a line says; None for errors and what cannot be read."""
    event = decode_event(data)
    if event.type == "ERROR":
        return None
    head = decode_head(event.object)
    end = "k8s.io/initial-events-end" in (head.metadata.annotations or {})
    key = "" if event.type == "BOOKMARK" else head.key
    return journals.Line(type=event.type, version=int(head.version), key=key, end=end)


def operation(method, path):
    """``PATCH services/status`` and ``namespace/name`` of an API path."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    resource = "/".join(parts[:1] + parts[2:])
    return f"{method} {resource}", f"{namespace}/{name}" if namespace else name
