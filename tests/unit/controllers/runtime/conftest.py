"""Fakes shared by the tests of the runtime: a scripted transport, a small API server, sockets."""

import json
import pathlib
import ssl
import sys
from collections import Counter

import pytest
from cryptography import x509

from cloudprovider.concurrency import current
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig
from cloudprovider_controllers.runtime.transport import HttpTransport, Response, TransportError

HERE = pathlib.Path(__file__).parent
# The modules beside this one, and the certificates of the manager's tests.
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "manager")]


class ScriptedTransport:
    """Answers requests from a list (a Response, an exception or a callable each), in order."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def request(self, method, path, *, query, headers, body, timeout):
        self.requests.append(
            {
                "method": method,
                "path": path,
                "query": dict(query),
                "headers": dict(headers),
                "body": None if body is None else json.loads(body),
                "timeout": timeout,
                "at": current().monotonic(),
            }
        )
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(self.requests[-1])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stream(self, path, *, query, headers, read_timeout):
        raise AssertionError("no streams here")


class FakeStream:
    def __init__(self, api, lines, status=200, headers=None, read_timeout=75.0):
        self.status = status
        self.headers = headers or {}
        self._api = api
        self._lines = lines
        self.closed = False
        self.read_timeout = read_timeout

    def lines(self):
        return self._lines(self)

    def close(self):
        self.closed = True
        with self._api.condition:
            self._api.condition.notify_all()


class FakeApi:
    """Nodes with versions, lists in pages, watches with bookmarks; ``fault`` breaks it."""

    def __init__(self, *, streaming=True):
        self.condition = current().condition()
        self.objects = {}
        self.history = []
        self.version = 10
        self.oldest = 0  # versions below are gone
        self.streaming = streaming
        self.fault = None
        self.requests = Counter()
        self.log = []
        self.open = set()

    # -- state -----------------------------------------------------------------------------

    def put(self, name, *, uid=None, **fields):
        with self.condition:
            self.version += 1
            old = self.objects.get(name)
            uid = uid or (old["metadata"]["uid"] if old else f"uid-{name}-{self.version}")
            meta = {"name": name, "uid": uid, "resourceVersion": str(self.version)}
            obj = {"kind": "Node", "apiVersion": "v1", "metadata": meta, **fields}
            self.objects[name] = obj
            self.history.append((self.version, "MODIFIED" if old else "ADDED", obj))
            self.condition.notify_all()

    def delete(self, name):
        with self.condition:
            self.version += 1
            obj = self.objects.pop(name)
            meta = {**obj["metadata"], "resourceVersion": str(self.version)}
            self.history.append((self.version, "DELETED", {**obj, "metadata": meta}))
            self.condition.notify_all()

    def compact(self):
        with self.condition:
            self.oldest = self.version
            self.history.clear()
            self.condition.notify_all()

    def state(self):
        return {name: obj["metadata"]["resourceVersion"] for name, obj in self.objects.items()}

    # -- transport -------------------------------------------------------------------------

    def request(self, method, path, *, query, headers, body, timeout):
        self._count("list", query)
        if self.fault is not None:
            self.fault.on_list(self, query)
        limit = int(query.get("limit", "0")) or len(self.objects) + 1
        start = int(query.get("continue", "0"))
        items = [self.objects[name] for name in sorted(self.objects)]
        page = items[start : start + limit]
        more = str(start + limit) if start + limit < len(items) else ""
        page = [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in page]
        meta = {"resourceVersion": str(self.version), "continue": more}
        return Response(200, {}, json.dumps({"metadata": meta, "items": page}).encode())

    def stream(self, path, *, query, headers, read_timeout):
        self._count("watch", query)
        assert query["allowWatchBookmarks"] == "true"
        assert 300 <= int(query["timeoutSeconds"]) <= 600
        initial = "sendInitialEvents" in query
        if self.fault is not None:
            answer = self.fault.on_watch(self, query)
            if answer is not None:
                answer.read_timeout = read_timeout
                return answer
        if initial and not self.streaming:
            return self.refuse(422, "Invalid")
        if initial:
            assert query["resourceVersionMatch"] == "NotOlderThan"
        version = None if initial else int(query["resourceVersion"])
        if version is not None and version < self.oldest:
            return self.refuse(410, "Expired")
        seconds = int(query["timeoutSeconds"])
        return FakeStream(
            self, lambda stream: self._follow(stream, version, seconds), read_timeout=read_timeout
        )

    def refuse(self, status, reason="", headers=None, message="no"):
        body = json.dumps({"kind": "Status", "code": status, "reason": reason, "message": message})
        return FakeStream(self, lambda _: iter([body.encode()]), status, headers)

    def lines(self, *lines, then=None):
        def generate(_):
            for line in lines:
                yield line if isinstance(line, bytes) else json.dumps(line).encode()
            if then is not None:
                raise then

        return FakeStream(self, generate)

    def bookmark(self, version=None, *, end=False):
        meta = {"resourceVersion": str(version or self.version)}
        if end:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        return {"type": "BOOKMARK", "object": {"kind": "Node", "metadata": meta}}

    def _count(self, kind, query):
        self.requests[kind] += 1
        self.log.append((current().monotonic(), kind, dict(query)))

    def _follow(self, stream, version, seconds):
        clock = current().monotonic
        end, beat = clock() + seconds, clock() + 60
        if version is None:
            version = self.version
            for name in sorted(self.objects):
                yield json.dumps({"type": "ADDED", "object": self.objects[name]}).encode()
            yield json.dumps(self.bookmark(end=True)).encode()
        while not stream.closed and clock() < end:
            if version < self.oldest:
                status = {"code": 410, "reason": "Expired", "message": "too old"}
                yield json.dumps({"type": "ERROR", "object": status}).encode()
                return
            fresh = [event for event in self.history if event[0] > version]
            for number, kind, obj in fresh:
                version = number
                yield json.dumps({"type": kind, "object": obj}).encode()
            if fresh:
                continue
            if clock() >= beat:
                beat += 60
                yield json.dumps(self.bookmark()).encode()
                continue
            with self.condition:
                self.condition.wait(min(end, beat) - clock())
            if self.fault is not None and self.fault.cuts:
                yield from self.fault.cut(self, version)
                return

    def silence(self):
        """A stream that never says anything."""

        def wait(stream):
            deadline = current().monotonic() + stream.read_timeout
            with self.condition:
                while not stream.closed:
                    remaining = deadline - current().monotonic()
                    if remaining <= 0:
                        raise TransportError("read timed out")
                    self.condition.wait(remaining)
            yield from ()

        return FakeStream(self, wait)


@pytest.fixture(scope="session")
def scripted():
    return ScriptedTransport


@pytest.fixture(scope="session")
def fake_api():
    return FakeApi


@pytest.fixture
def virtually():
    """Run a function on virtual time; errors of its threads fail the test."""

    def run(main, seed=None, max_steps=200_000):
        hub = VirtualConcurrency(seed=seed, max_steps=max_steps)
        hub.run(main)
        return hub

    return run


@pytest.fixture
def answer():
    """A Response with a JSON body."""

    def make(status=200, body=None, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        return Response(status, named, data)

    return make


@pytest.fixture
def refusal(answer):
    """A Response with a Status body."""

    def make(status, reason="", message="", **headers):
        body = {"kind": "Status", "code": status, "reason": reason, "message": message}
        return answer(status, body, **headers)

    return make


@pytest.fixture
def serve():
    """Start a scripted server on real sockets; all are closed after the test."""
    from transport_server import Server

    servers = []

    def start(answer, context=None):
        servers.append(Server(answer, context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connect():
    """A transport whose connections are closed after the test."""
    made = []

    def make(server, scheme="http", tokens=None, **fields):
        config = ClusterConfig(f"{scheme}://127.0.0.1:{server.port}", **fields)
        made.append(HttpTransport(config, user_agent="test/1", tokens=tokens))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


@pytest.fixture(scope="module")
def authority():
    """One that signs the certificates of a module's servers and clients."""
    import pki

    return pki.authority()


@pytest.fixture
def tls(authority, tmp_path):
    """A server context for the given names, which asks for client certificates."""

    def make(*names, issuer=None):
        sans = x509.SubjectAlternativeName(names)
        issued = (issuer or authority).issue("server", sans=sans, usage="server")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*issued.write(tmp_path, "server"))
        context.load_verify_locations(cadata=authority.pem.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    return make
