"""The embedded API server and kube-apiserver, in one form for tests.

Both ask for a bearer token, decide by RBAC, and keep a journal of the requests they answered.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import ssl

import urllib3
from controlplane import ADMIN_TOKEN, ControlPlane

from cloudprovider_sandbox.apiserver.auth import User
from cloudprovider_sandbox.apiserver.http import ApiServerHttp
from cloudprovider_sandbox.apiserver.rbac import RbacAuthorizer
from cloudprovider_sandbox.apiserver.server import ApiServer, Options
from cloudprovider_sandbox.rbac import built_in

#: Tokens of ordinary users, who may do what a test lets them.
USERS = {"token-of-ann": "ann", "token-of-bob": "bob"}
_GROUP = "/apis/rbac.authorization.k8s.io/v1"


@dataclasses.dataclass(frozen=True)
class Call:
    """A request that a server answered."""

    agent: str  #: User-Agent
    verb: str  #: as RBAC names it
    what: str  #: ``services/status``
    name: str
    status: int

    @property
    def writes(self):
        """Whether it can change something that is stored."""
        return self.verb in {"create", "update", "patch", "delete", "deletecollection"} and (
            not self.what.endswith(("reviews", "/token"))
        )


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self):
        return json.loads(self.text)


class Lines:
    """An answer that goes on."""

    def __init__(self, found):
        self._found = found
        self.status = found.status
        self.headers = {name.lower(): value for name, value in found.headers.items()}

    def lines(self):
        """Each line when it is whole."""
        rest = b""
        while chunk := self._found.read1():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from filter(None, whole)
        yield from filter(None, [rest])


class Server:
    """What tests need of either."""

    name: str
    url: str
    ca_file: pathlib.Path | None = None

    def request(self, method, path, body=None, *, token=ADMIN_TOKEN, timeout=20, **headers):
        """Send a request; ``body`` may be anything that JSON has, or bytes."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        sent = {"user-agent": "tester/1", "content-type": "application/json"}
        if token:
            sent["authorization"] = f"Bearer {token}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        found = self._pool.request(
            method, self.url + path, body=body, headers=sent, timeout=timeout
        )
        return Answer(
            found.status,
            {name.lower(): value for name, value in found.headers.items()},
            found.data.decode(),
        )

    @contextlib.contextmanager
    def stream(self, path, *, accept=""):
        """A watch: ``status``, ``headers``, and ``lines()`` as they come."""
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "user-agent": "tester/1"}
        headers |= {"accept": accept} if accept else {}
        timeout = urllib3.Timeout(connect=5, read=30)
        found = self._pool.request(
            "GET", self.url + path, headers=headers, preload_content=False, timeout=timeout
        )
        try:
            yield Lines(found)
        finally:
            found.close()

    def do(self, method, path, body=None, **options):
        """The decoded answer of a request that must succeed."""
        answer = self.request(method, path, body, **options)
        assert answer.status < 300, f"{self.name}: {method} {path}: {answer.text}"
        return answer.json

    def items(self, path):
        """The objects of a list."""
        return self.do("GET", path)["items"] or []

    @contextlib.contextmanager
    def _connect(self):
        context = None
        if self.ca_file is not None:
            context = ssl.create_default_context(cafile=self.ca_file)
        with urllib3.PoolManager(ssl_context=context, retries=False) as self._pool:
            yield


class EmbeddedServer(Server):
    """Ours, over plain HTTP."""

    name = "embedded"

    def __init__(self):
        masters = ("system:masters", "system:authenticated")
        tokens = {ADMIN_TOKEN: User("admin", masters, "1")}
        tokens |= {
            token: User(name, ("system:authenticated",), name) for token, name in USERS.items()
        }
        self.core = ApiServer(Options(tokens=tokens))
        self.core.authorizer = RbacAuthorizer(self.core.store)
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self._http = self._stack.enter_context(ApiServerHttp(self.core))
        self.url = self._http.url
        self._stack.enter_context(self._connect())
        # The roles that kube-apiserver brings.
        for body in built_in():
            namespace = body["metadata"].get("namespace")
            root = f"{_GROUP}/namespaces/{namespace}" if namespace else _GROUP
            self.do("POST", f"{root}/{body['kind'].lower()}s", body)
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def kubeconfig(self, token=ADMIN_TOKEN):
        return self._http.kubeconfig(token)

    def mark(self):
        """A moment, for :meth:`calls`."""
        records = self.core.journal.records()
        return records[-1].n if records else -1

    def calls(self, since):
        """The requests answered since then, but for those of these tests."""
        verbs = {"POST": "create", "PUT": "update"}
        for record in self.core.journal.records(since):
            method, _, what = record.op.partition(" ")
            verb = verbs.get(method, method.lower())
            yield Call(record.proc, verb, what, record.key.rpartition("/")[2], record.status)


class RealServer(Server):
    """kube-apiserver and etcd. Entering raises controlplane.Unavailable."""

    name = "real"

    def __init__(self, folder):
        self.plane = ControlPlane(folder, users=USERS, audit=True)
        self._stack = contextlib.ExitStack()
        self.ca_file = self.plane.ca_file

    def __enter__(self):
        self._stack.enter_context(self.plane)
        self.url = self.plane.url
        self._stack.enter_context(self._connect())
        return self

    def __exit__(self, *exc):
        self._stack.close()

    def kubeconfig(self, token=ADMIN_TOKEN):
        return self.plane.kubeconfig(token)

    def mark(self):
        return len(self.plane.audit())

    def calls(self, since):
        for event in self.plane.audit()[since:]:
            ref = event.get("objectRef", {})
            what = "/".join(filter(None, (ref.get("resource"), ref.get("subresource"))))
            status = event.get("responseStatus", {}).get("code", 0)
            agent = event.get("userAgent", "")
            yield Call(agent, event["verb"], what, ref.get("name", ""), status)
