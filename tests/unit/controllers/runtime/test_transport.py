"""The real transport against a scripted server on real sockets: the protocol rows, TLS, proxies.

Times are scaled down: a server that is silent for 0.2 s counts as dead here.
"""

import contextlib
import datetime
import ipaddress
import json
import re
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudprovider.concurrency import current
from cloudprovider_controllers.runtime import reflector
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.clientbuilder import http_transports
from cloudprovider_controllers.runtime.errors import WritesStopped
from cloudprovider_controllers.runtime.informer import Informer
from cloudprovider_controllers.runtime.kubeconfig import ClusterConfig, Impersonation, Pem
from cloudprovider_controllers.runtime.pool import KEEPALIVE
from cloudprovider_controllers.runtime.resources import NODES
from cloudprovider_controllers.runtime.transport import HttpTransport, TransportError

REQUEST_LINE = re.compile(rb"(\w+) (\S+) HTTP/1.1")


class Exchange:
    """One request on one connection, and ways to answer it."""

    def __init__(self, sock, head, body):
        self.sock = sock
        self.head = head.decode()
        self.body = body
        self.method, self.target = self.head.split(" ")[:2]

    def header(self, name):
        return re.findall(rf"^{name}: (.*?)\r?$", self.head, re.MULTILINE | re.IGNORECASE)

    def reply(self, status=200, body=b"{}", **headers):
        lines = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        self.raw(head.encode() + body)

    def raw(self, data):
        self.sock.sendall(data)

    def start_chunks(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

    def chunk(self, data):
        self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    def end_chunks(self):
        self.raw(b"0\r\n\r\n")

    def wait_for_close(self):
        with contextlib.suppress(OSError):
            self.sock.recv(1)


class Server:
    """Calls ``answer(exchange)`` for each request; closes the connection when that returns True."""

    def __init__(self, answer, context=None):
        self.answer = answer
        self.context = context
        self.exchanges = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()
        self.sockets = []

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.append(sock)
            thread = threading.Thread(target=self.serve, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, sock):
        with contextlib.suppress(OSError), sock:
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            with sock:
                while (exchange := self.read(sock)) is not None:
                    self.exchanges.append(exchange)
                    if self.answer(exchange):
                        return

    def read(self, sock):
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return None
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        while length and len(body) < int(length[1]):
            body += sock.recv(65536)
        return Exchange(sock, head, body)

    def close(self):
        # shutdown first: it wakes a thread that is blocked in accept.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(2)
            assert not thread.is_alive()


@pytest.fixture
def serve():
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


def get(transport, path="/x", *, method="GET", body=None, timeout=2.0, query=None):
    headers = {"accept": "application/json"}
    return transport.request(
        method, path, query=query or {}, headers=headers, body=body, timeout=timeout
    )


def stream(transport, read_timeout=2.0):
    return transport.stream("/w", query={"watch": "true"}, headers={}, read_timeout=read_timeout)


# -- requests ------------------------------------------------------------------------------------


def test_a_request_and_its_answer(serve, connect):
    server = serve(lambda e: e.reply(201, b'{"a":1}', Retry_After="3"))
    answer = get(connect(server), "/p", method="POST", body=b"{}", query={"a": "b c", "d": "é"})
    assert (answer.status, answer.data, answer.headers["retry-after"]) == (201, b'{"a":1}', "3")
    (exchange,) = server.exchanges
    assert (exchange.method, exchange.target) == ("POST", "/p?a=b+c&d=%C3%A9")
    assert exchange.body == b"{}"
    assert exchange.header("user-agent") == ["test/1"]
    assert exchange.header("accept-encoding") == ["identity"]
    assert exchange.header("authorization") == []


def test_connections_are_kept(serve, connect):
    server = serve(lambda e: e.reply())
    transport = connect(server)
    for _ in range(5):
        get(transport)
    assert len(server.sockets) == 1


def test_a_server_below_a_path(serve, connect):
    server = serve(lambda e: e.reply())
    config = ClusterConfig(f"http://127.0.0.1:{server.port}/k8s/clusters/c-1")
    transport = http_transports(config)(user_agent="x")
    get(transport, "/api")
    transport.close()
    assert server.exchanges[0].target == "/k8s/clusters/c-1/api"


def test_a_redirect_is_not_followed(serve, connect):
    server = serve(lambda e: e.reply(302, Location="http://elsewhere.invalid/"))
    assert get(connect(server)).status == 302


def test_impersonation(serve, connect):
    server = serve(lambda e: e.reply())
    whom = Impersonation("admin", "7", ("a", "b"), {"scopes/x": ("1", "2")})
    get(connect(server, impersonate=whom))
    exchange = server.exchanges[0]
    assert exchange.header("impersonate-user") == ["admin"]
    assert exchange.header("impersonate-uid") == ["7"]
    assert exchange.header("impersonate-group") == ["a", "b"]
    assert exchange.header("impersonate-extra-scopes%2Fx") == ["1", "2"]


def test_tcp_keepalive_is_on(serve, connect):
    server = serve(lambda e: e.start_chunks() or e.wait_for_close())
    open_stream = stream(connect(server))
    sock = open_stream._answer.connection.sock
    options = [socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT]
    found = tuple(sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert found == KEEPALIVE == (30, 15, 9)
    open_stream.close()


# -- failures: was it sent? ----------------------------------------------------------------------


def test_a_refused_connection_was_never_sent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = HttpTransport(ClusterConfig(f"http://127.0.0.1:{port}"), user_agent="x")
    with pytest.raises(TransportError, match=r"^GET /x: http://127.0.0.1:\d+: .*refused") as caught:
        get(transport)
    assert not caught.value.sent


@pytest.mark.parametrize(
    "answer",
    [
        lambda e: True,
        lambda e: e.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123") or True,
        lambda e: e.raw(b"nonsense\r\n\r\n") or True,
        lambda e: e.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab") or True,
    ],
    ids=["no answer", "cut off", "no HTTP", "cut off chunk"],
)
def test_a_broken_answer_may_have_been_carried_out(serve, connect, answer):
    server = serve(answer)
    with pytest.raises(TransportError) as caught:
        get(connect(server), method="POST", body=b"{}")
    assert caught.value.sent
    assert "object at" not in str(caught.value)


def test_a_frozen_server_costs_the_time_out(serve, connect):
    server = serve(lambda e: e.wait_for_close())
    started = current().monotonic()
    with pytest.raises(TransportError, match="timed out") as caught:
        get(connect(server), timeout=0.1)
    assert current().monotonic() - started < 1
    assert caught.value.sent


# -- credentials ---------------------------------------------------------------------------------


def test_a_rotated_token_is_used_at_once_when_the_old_is_refused(serve, connect, tmp_path):
    path = tmp_path / "token"
    path.write_text("old\n")

    def answer(exchange):
        good = exchange.header("authorization") == ["Bearer new"]
        exchange.reply(200 if good else 401)

    server = serve(answer)
    transport = connect(server, token_file=str(path))
    assert get(transport).status == 401
    path.write_text("new\n")
    assert get(transport).status == 200
    assert len(server.exchanges) == 3
    path.write_text("newer\n")
    assert stream(transport).status == 200


def test_no_credential_is_in_an_error(connect, serve, tmp_path):
    server = serve(lambda e: True)
    transport = connect(server, token="s3cret", proxy_url="")
    with pytest.raises(TransportError) as caught:
        get(transport)
    assert "s3cret" not in repr(caught.value)
    broken = tmp_path / "token"
    broken.write_text("s3cret\ns3cret")
    with pytest.raises(TransportError) as caught:
        get(connect(server, token_file=str(broken)))
    assert "s3cret" not in repr(caught.value)
    assert not caught.value.sent


# -- proxies -------------------------------------------------------------------------------------


def test_a_proxy_with_a_password(serve, connect):
    proxy = serve(lambda e: e.reply())
    config = ClusterConfig(
        "http://api.invalid:6443", proxy_url=f"http://u:p%40@127.0.0.1:{proxy.port}"
    )
    transport = HttpTransport(config, user_agent="x")
    assert get(transport).status == 200
    transport.close()
    exchange = proxy.exchanges[0]
    assert exchange.target == "http://api.invalid:6443/x"
    assert exchange.header("proxy-authorization") == ["Basic dTpwQA=="]


@pytest.mark.parametrize(("bypass", "through"), [("", True), ("127.0.0.1", False)])
def test_the_proxy_of_the_environment(serve, connect, monkeypatch, bypass, through):
    proxy, server = serve(lambda e: e.reply(299)), serve(lambda e: e.reply(200))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", bypass)
    assert get(connect(server)).status == (299 if through else 200)


# -- TLS -----------------------------------------------------------------------------------------


class Authority:
    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        self.certificate = self.sign(self.key, self.name, [x509.BasicConstraints(True, None)])

    def sign(self, key, subject, extensions):
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self.name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(days=1),
            not_valid_after=now + datetime.timedelta(days=1),
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, common_name, *names):
        """Certificate and key, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        extensions = [x509.SubjectAlternativeName(list(names))] if names else []
        certificate = self.sign(key, subject, extensions)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return certificate.public_bytes(serialization.Encoding.PEM), private

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def tls(authority, tmp_path):
    """A server context for the given names, which asks for client certificates."""

    def make(*names, issuer=None):
        certificate, key = (issuer or authority).issue("server", *names)
        (tmp_path / "server.pem").write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        context.load_verify_locations(cadata=authority.pem.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    return make


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def whoami(exchange):
    peer = exchange.sock.getpeercert() or {}
    subject = dict(pair[0] for pair in peer.get("subject", ()))
    exchange.reply(200, json.dumps(subject.get("commonName", "nobody")).encode())


def test_a_server_of_the_clusters_own_authority(serve, connect, tls, authority):
    server = serve(whoami, tls(LOOPBACK))
    assert get(connect(server, "https", ca=Pem(data=authority.pem))).data == b'"nobody"'


@pytest.mark.parametrize("as_file", [True, False], ids=["files", "data"])
def test_a_client_certificate(serve, connect, tls, authority, tmp_path, as_file):
    server = serve(whoami, tls(LOOPBACK))
    certificate, key = authority.issue("me")
    if as_file:
        (tmp_path / "c").write_bytes(certificate)
        (tmp_path / "k").write_bytes(key)
        pair = Pem(path=str(tmp_path / "c")), Pem(path=str(tmp_path / "k"))
    else:
        pair = Pem(data=certificate), Pem(data=key)
    transport = connect(
        server, "https", ca=Pem(data=authority.pem), client_certificate=pair[0], client_key=pair[1]
    )
    assert get(transport).data == b'"me"'


def test_a_server_nobody_vouches_for_is_refused_before_anything_is_sent(serve, connect, tls):
    server = serve(whoami, tls(LOOPBACK))
    other = Authority()
    for fields in ({}, {"ca": Pem(data=other.pem)}):
        with pytest.raises(TransportError, match="certificate verify failed") as caught:
            get(connect(server, "https", token="t", **fields))
        assert not caught.value.sent
    assert server.exchanges == []


def test_a_certificate_for_another_name_needs_the_name_to_be_given(serve, connect, tls, authority):
    server = serve(whoami, tls(x509.DNSName("kubernetes")))
    ca = Pem(data=authority.pem)
    with pytest.raises(TransportError, match="certificate verify failed"):
        get(connect(server, "https", ca=ca))
    assert get(connect(server, "https", ca=ca, tls_server_name="kubernetes")).status == 200


def test_verification_can_be_switched_off(serve, connect, tls):
    server = serve(whoami, tls(x509.DNSName("other"), issuer=Authority()))
    assert get(connect(server, "https", insecure_skip_tls_verify=True)).status == 200


def test_a_rotated_authority_is_noticed(serve, connect, tls, authority, tmp_path, monkeypatch):
    monkeypatch.setattr("cloudprovider_controllers.runtime.transport.FILES_CHECK", 0.0)
    server = serve(whoami, tls(LOOPBACK))
    path = tmp_path / "ca.crt"
    path.write_bytes(Authority().pem)
    transport = connect(server, "https", ca=Pem(path=str(path)))
    with pytest.raises(TransportError, match="certificate verify failed"):
        get(transport)
    path.write_bytes(b"half")
    with pytest.raises(TransportError, match="certificate verify failed"):
        get(transport)
    path.write_bytes(authority.pem)
    assert get(transport).status == 200


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"ca": Pem(data=b"s3cret")}, "CA certificate \\(data\\)"),
        ({"ca": Pem(path="/nowhere/ca")}, "CA certificate /nowhere/ca: No such file"),
        (
            {"client_certificate": Pem(data=b"s3cret"), "client_key": Pem(data=b"s3cret")},
            "client certificate \\(data\\)",
        ),
        (
            {"client_certificate": Pem(path="/nowhere/c"), "client_key": Pem(path="/nowhere/k")},
            "client certificate /nowhere/c: No such file",
        ),
    ],
)
def test_certificates_that_cannot_be_used(serve, connect, fields, says):
    server = serve(whoami)
    with pytest.raises(TransportError, match=says) as caught:
        get(connect(server, "https", **fields))
    assert "s3cret" not in str(caught.value)
    assert not caught.value.sent


# -- streams -------------------------------------------------------------------------------------


def test_lines_arrive_one_by_one_however_they_are_cut(serve, connect):
    received = threading.Event()

    def answer(exchange):
        exchange.start_chunks()
        exchange.chunk(b"one\ntw")
        exchange.chunk(b"o")
        exchange.chunk(b"\n")
        assert received.wait(2), "the first lines must not wait for more"
        exchange.chunk(b"\nthree\nfour")
        exchange.end_chunks()

    lines = []
    for line in stream(connect(serve(answer))).lines():
        lines.append(line)
        if line == b"two":
            received.set()
    assert lines == [b"one", b"two", b"", b"three", b"four"]


def test_a_stream_without_chunks_arrives_at_once_too(serve, connect):
    received = threading.Event()

    def answer(exchange):
        exchange.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\n")
        assert received.wait(2)
        exchange.raw(b"two\n")
        return True

    lines = []
    for line in stream(connect(serve(answer))).lines():
        lines.append(line)
        received.set()
    assert lines == [b"one", b"two"]


def test_a_very_long_line(serve, connect):
    big = b"x" * (8 * 1024 * 1024)

    def answer(exchange):
        exchange.start_chunks()
        exchange.chunk(b"a\n" + big)
        exchange.chunk(b"\nb\n")
        exchange.end_chunks()

    assert [len(line) for line in stream(connect(serve(answer))).lines()] == [1, len(big), 1]


def test_a_line_without_end_is_given_up(serve, connect, monkeypatch):
    monkeypatch.setattr("cloudprovider_controllers.runtime.transport.MAX_LINE", 1000)

    def answer(exchange):
        exchange.start_chunks()
        with contextlib.suppress(OSError):
            while True:
                exchange.chunk(b"x" * 500)

    open_stream = stream(connect(serve(answer)))
    with pytest.raises(TransportError, match="more than 1000 bytes"):
        list(open_stream.lines())
    open_stream.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda e: e.start_chunks() or e.chunk(b"one\n") or e.raw(b"9\r\nhal") or True,
        lambda e: e.start_chunks() or e.chunk(b"one\n") or True,
        lambda e: e.raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\nhal") or True,
        lambda e: e.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\none\n") or True,
        lambda e: e.start_chunks() or e.chunk(b"one\n") or e.raw(b"zz\r\n") or True,
    ],
    ids=["in a chunk", "between chunks", "no framing", "too short", "no chunk"],
)
def test_a_stream_that_breaks_is_no_clean_end(serve, connect, answer):
    open_stream = stream(connect(serve(answer)))
    lines = open_stream.lines()
    assert next(lines) == b"one"
    with pytest.raises(TransportError):
        next(lines)
    open_stream.close()


def test_silence_ends_a_stream(serve, connect):
    server = serve(lambda e: e.start_chunks() or e.chunk(b"one\n") or e.wait_for_close())
    open_stream = stream(connect(server), read_timeout=0.3)
    lines = open_stream.lines()
    assert next(lines) == b"one"
    with pytest.raises(TransportError, match="timed out"):
        next(lines)
    open_stream.close()


@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
def test_closing_a_stream_wakes_its_reader(serve, connect, tls, authority, secure):
    answer = lambda e: e.start_chunks() or e.chunk(b"one\n") or e.wait_for_close()  # noqa: E731
    if secure:
        server = serve(answer, tls(LOOPBACK))
        transport = connect(server, "https", ca=Pem(data=authority.pem))
    else:
        transport = connect(serve(answer))
    open_stream = stream(transport, read_timeout=30)
    first, result = threading.Event(), []

    def read():
        for _ in open_stream.lines():
            first.set()
        result.append("ended")

    thread = threading.Thread(target=read)
    thread.start()
    assert first.wait(2)
    open_stream.close()
    open_stream.close()
    thread.join(2)
    assert result == ["ended"]


# -- the protocol rows of the fault table, over real sockets -------------------------------------


def event(kind, name, version):
    meta = {"name": name, "uid": name, "resourceVersion": str(version)}
    return json.dumps({"type": kind, "object": {"metadata": meta}}).encode() + b"\n"


def end_of_initial(version):
    meta = {"resourceVersion": str(version), "annotations": {"k8s.io/initial-events-end": "true"}}
    return json.dumps({"type": "BOOKMARK", "object": {"metadata": meta}}).encode() + b"\n"


def status_event(code):
    return json.dumps({"type": "ERROR", "object": {"code": code, "message": "no"}}).encode() + b"\n"


def chunked(*chunks, end=True):
    def answer(exchange):
        exchange.start_chunks()
        for data in chunks:
            exchange.chunk(data)
        if end:
            exchange.end_chunks()
        return not end

    return answer


ROWS = {
    "clean end": chunked(),
    "ERROR event 410": chunked(status_event(410)),
    "ERROR event 500": chunked(status_event(500)),
    "HTTP 410": lambda e: e.reply(410, b'{"code":410,"reason":"Expired"}'),
    "HTTP 500": lambda e: e.reply(500, b"oops"),
    "HTTP 401": lambda e: e.reply(401, b"{}"),
    "HTTP 429": lambda e: e.reply(429, b"{}", Retry_After="0"),
    "closed without reply": lambda e: True,
    "dropped": chunked(event("ADDED", "a", 10), end=False),
    "truncated": chunked(b'{"type":"ADDED","obj', end=False),
    "malformed line": chunked(b"{nonsense\n"),
    "half-open": lambda e: e.start_chunks() or e.wait_for_close(),
}


@pytest.mark.parametrize("row", ROWS)
def test_an_informer_survives(serve, connect, monkeypatch, row):
    monkeypatch.setattr(reflector, "BACKOFF", (0.02, 0.05))
    monkeypatch.setattr(reflector, "SILENCE", 0.05)
    monkeypatch.setattr(reflector, "SHORT", 0.02)
    healed = threading.Event()
    watches = []

    def answer(exchange):
        if "watch=true" not in exchange.target:
            items = [{"metadata": {"name": "a", "uid": "a", "resourceVersion": "10"}}]
            body = json.dumps({"metadata": {"resourceVersion": "10"}, "items": items})
            return exchange.reply(200, body.encode())
        watches.append(exchange.target)
        if not healed.is_set():
            return ROWS[row](exchange)
        exchange.start_chunks()
        if "sendInitialEvents" in exchange.target:
            exchange.chunk(event("ADDED", "a", 10) + end_of_initial(10))
        exchange.chunk(event("ADDED", "b", 11) + event("DELETED", "a", 12))
        return exchange.wait_for_close()

    server = serve(answer)
    stop = current().event()
    informer = Informer(Client(connect(server), qps=0), NODES)
    threads = informer.start(stop)
    deadline = current().monotonic() + 10
    while len(watches) < 5:
        assert current().monotonic() < deadline, f"hung after {len(watches)} watches"
        current().sleep(0.005)
    healed.set()
    while informer.store.keys() != ["b"]:
        assert current().monotonic() < deadline, f"never healed: {informer.store.keys()}"
        current().sleep(0.005)
    assert len(server.exchanges) < 100
    stop.set()
    for thread in threads:
        thread.join(2)
        assert not thread.is_alive()


def test_a_write_is_looked_at_once_more_when_it_goes_into_the_socket(serve):
    server = serve(lambda exchange: exchange.reply(body=b'{"kind": "Node"}'))
    looks = iter([True])

    def check():
        if not next(looks, False):
            raise WritesStopped("over")

    transport = HttpTransport(ClusterConfig(f"http://127.0.0.1:{server.port}"), user_agent="test")
    client = Client(transport, check=check)
    with pytest.raises(WritesStopped):
        client.delete(NODES, "n")
    client.get(NODES, "n")
    transport.close()
    assert [exchange.method for exchange in server.exchanges] == ["GET"]
