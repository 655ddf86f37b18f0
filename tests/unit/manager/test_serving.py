"""The secure port over real sockets: TLS and plain HTTP on one port, and clients that mean harm."""

import http.client
import os
import socket
import ssl
import time
import warnings

import pytest

from cloudprovider.concurrency import RealConcurrency
from cloudprovider_manager import certificates
from cloudprovider_manager.auth.authentication import Authenticator
from cloudprovider_manager.auth.authorization import Authorizer, PublicPaths
from cloudprovider_manager.auth.trust import Trust
from cloudprovider_manager.contexts import Contexts, FixedPair
from cloudprovider_manager.endpoints import Document, Endpoints, Guard, Pages
from cloudprovider_manager.health import Health
from cloudprovider_manager.serving import HealthServer, ServingError
from cloudprovider_manager.tls_settings import TLSSettings

REAL = RealConcurrency()
PUBLIC = ("/healthz", "/livez", "/readyz", "/metrics")


def new_server(*, tls=True, host="127.0.0.1", **options):
    pages = Pages({"/metrics": Document("text/plain", lambda: b"up 1\n")})
    pair = FixedPair(certificates.self_signed("127.0.0.1", concurrency=REAL))
    contexts = Contexts(pair, TLSSettings(), concurrency=REAL)
    guard = Guard(Authenticator(Trust, None), Authorizer(PublicPaths(PUBLIC), None))
    return HealthServer(
        Endpoints(Health(), pages, guard if tls else None),
        host=host,
        port=options.pop("port", 0),
        tls=contexts.current if tls else None,
        **options,
    )


@pytest.fixture(scope="module")
def server():
    made = new_server()
    made.start()
    yield made
    made.stop()


def get(server, path, *, tls=True, context=None, host="127.0.0.1"):
    if tls:
        trust = context or ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(host, server.port, context=trust, timeout=5)
    else:
        connection = http.client.HTTPConnection(host, server.port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_https_answers_health_and_metrics(server):
    assert get(server, "/healthz") == (200, b"ok")
    assert get(server, "/metrics") == (200, b"up 1\n")
    assert server.url == f"https://127.0.0.1:{server.port}"


def test_a_plain_http_probe_of_the_same_port_is_answered(server):
    assert get(server, "/healthz", tls=False) == (200, b"ok")


def test_plain_http_gives_nothing_but_health(server):
    assert get(server, "/metrics", tls=False)[0] == 403


def test_a_silent_connection_keeps_nobody_waiting(server):
    silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
    try:
        started = time.monotonic()
        assert get(server, "/healthz") == (200, b"ok")
        assert time.monotonic() - started < 5
    finally:
        for sock in silent:
            sock.close()


def test_garbage_after_the_tls_byte_ends_only_that_connection(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        sock.sendall(b"\x16garbage garbage garbage")
        assert sock.recv(100)[:1] in (b"", b"\x15")  # closed, or a TLS alert first
    assert get(server, "/healthz") == (200, b"ok")


def test_old_tls_is_refused(server):
    old = ssl._create_unverified_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        get(server, "/healthz", context=old)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(
            "GET /healthz HTTP/1.1\r\nHost: x\r\nA: {long}\r\n\r\n", 413, id="long header"
        ),
        pytest.param("GET /healthz?{long} HTTP/1.1\r\n\r\n", 414, id="long line"),
        pytest.param("GET /healthz HTTP/1.1\r\n{many}\r\n", 400, id="many headers"),
        pytest.param(
            "PUT /healthz HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413, id="large body"
        ),
        pytest.param("GET /healthz\r\n\r\n", 400, id="HTTP/0.9"),
        pytest.param("GET /healthz HTTP/2.0\r\n\r\n", 505, id="HTTP/2"),
        pytest.param("GET /healthz HTTP/1.1\nHost: x\n\n", 400, id="bare line feeds"),
        pytest.param("GET /healthz HTTP/1.1\r\nA: 1\r\n 2\r\n\r\n", 400, id="continued line"),
        pytest.param("GET /healthz HTTP/1.1\r\nA : 1\r\n\r\n", 400, id="space before the colon"),
        pytest.param("GET /healthz HTTP/1.1\r\nnonsense\r\n\r\n", 400, id="no colon"),
        pytest.param(
            "GET /healthz HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            id="two lengths of the body",
        ),
        pytest.param(
            "GET /healthz HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
            400,
            id="two contradicting lengths",
        ),
        pytest.param("GET /healthz HTTP/1.1\r\nContent-Length: +3\r\n\r\n", 400, id="odd length"),
        pytest.param("GET /healthz HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, id="negative"),
        pytest.param(
            "GET /healthz HTTP/1.1\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
            400,
            id="two credentials",
        ),
        pytest.param("CONNECT example.com:443 HTTP/1.1\r\n\r\n", 405, id="CONNECT"),
        pytest.param("GET //metrics HTTP/1.1\r\n\r\n", 400, id="a host in place of a path"),
    ],
)
def test_requests_that_may_be_read_in_two_ways_are_refused(server, head, status):
    many = "".join(f"A{n}: x\r\n" for n in range(300))
    sent = head.replace("{long}", "x" * 40_000).replace("{many}", many)
    assert exchange(server, sent.encode()).startswith(b"HTTP/1.1 %d" % status)
    assert get(server, "/healthz") == (200, b"ok")


def exchange(server, data):
    """Send ``data`` over plain HTTP; everything that comes back."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
        try:
            sock.sendall(data)
            while chunk := sock.recv(65536):
                received += chunk
        except ConnectionError:
            pass  # what was not read of a refused request ends the connection
    return received


def test_of_several_requests_on_a_connection_only_the_first_is_answered(server):
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    assert exchange(server, request * 50).count(b"HTTP/1.1 200") == 1


def test_a_port_without_tls_speaks_plain_http():
    made = new_server(tls=False)
    made.start()
    try:
        assert get(made, "/healthz", tls=False) == (200, b"ok")
        assert get(made, "/metrics", tls=False)[0] == 403
    finally:
        made.stop()


# Cheroot leaves the socket that it could not bind to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_taken_port_is_named(server):
    second = new_server(tls=False, port=server.port)
    with pytest.raises(ServingError, match=f"cannot serve on 127.0.0.1:{server.port}"):
        second.start()
    second.stop()


def test_a_port_can_be_shared():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    servers = [new_server(port=port, share_port=True) for _ in range(2)]
    try:
        for made in servers:
            made.start()
        assert get(servers[0], "/healthz") == (200, b"ok")
    finally:
        for made in servers:
            made.stop()


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_unspecified_address_stands_for_all_of_both_families(host):
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    made = new_server(host=host)
    made.start()
    try:
        assert get(made, "/healthz", host="127.0.0.1") == (200, b"ok")
        assert get(made, "/healthz", host="::1") == (200, b"ok")
    finally:
        made.stop()


def test_the_own_certificate_names_this_machine():
    pair = certificates.self_signed("192.0.2.7", concurrency=REAL)
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(pair.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == [
        "127.0.0.1",
        "::1",
        "192.0.2.7",
    ]


def test_the_key_is_not_shown():
    pair = certificates.self_signed("0.0.0.0", concurrency=REAL)
    assert "PRIVATE" not in repr(pair)


@pytest.mark.parametrize("first", [b"", b"G", b"\x16"], ids=["silent", "http", "tls"])
def test_more_slow_connections_than_threads_keep_nobody_waiting(first):
    made = new_server()
    made.start()
    slow = []
    try:
        for _ in range(200):
            sock = socket.create_connection(("127.0.0.1", made.port))
            sock.sendall(first)
            slow.append(sock)
        assert get(made, "/healthz") == (200, b"ok")  # within the client's 5 s, not after 10
        assert get(made, "/healthz", tls=False) == (200, b"ok")
        assert len(os.listdir("/proc/self/task")) < 200
    finally:
        for sock in slow:
            sock.close()
        made.stop()
