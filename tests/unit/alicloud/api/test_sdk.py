"""The vendor's SDK against servers that misbehave: the traps of ``spec/alicloud-sdk.md`` 4."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cloudprovider_alicloud.api.caller import CallFailed, SdkCaller
from cloudprovider_alicloud.api.endpoints import Endpoint
from cloudprovider_alicloud.credentials import StaticCredentials

KEY, SECRET, TOKEN = "LTAIcanary0id", "canary0secret0value", "canary0session0token"


class RawServer:
    """Answers each connection's first request with the bytes given, then closes it.

    None: closes without an answer. A number: waits so many seconds first.
    """

    def __init__(self, *answers: bytes | float | None) -> None:
        self._answers = list(answers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10.0)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answer in self._answers:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self.requests.append(connection.recv(65536).decode("ascii", "replace"))
                if isinstance(answer, float):
                    self._closing.wait(answer)
                elif answer is not None:
                    connection.sendall(answer)

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5.0)


@pytest.fixture
def serve():
    servers = []

    def start(*answers: bytes | float | None) -> RawServer:
        servers.append(RawServer(*answers))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def caller(host: str, *, scheme: str = "http", token: str = "", **options) -> SdkCaller:
    return SdkCaller(
        dict.fromkeys(("slb", "ecs", "vpc", "nlb"), Endpoint(host, scheme)),
        region="cn-hangzhou",
        credentials=StaticCredentials(KEY, SECRET, token),
        user_agent="ack.ccm/0.1 ClusterId/c1",
        **options,
    )


def ask(host: str, *, read_timeout: float = 5.0, **options):
    return caller(host, **options).call(
        "ecs", "DescribeInstances", {"RegionId": "cn-hangzhou"}, read_timeout=read_timeout
    )


def answer(status: str, body: object, **headers: str) -> bytes:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(text)}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


ERROR = {"Code": "InvalidX", "Message": "no such x", "RequestId": "R-1", "HostId": "h"}


def test_a_good_answer_is_the_body_as_the_cloud_sent_it(serve):
    server = serve(answer("200 OK", {"RequestId": "R-1", "New": {"Field": [1, None]}}))
    assert ask(server.host) == {"RequestId": "R-1", "New": {"Field": [1, None]}}


def test_a_request_is_signed_and_names_the_product_and_us(serve):
    server = serve(answer("200 OK", {"RequestId": "R-1"}))
    ask(server.host, token=TOKEN)
    head = server.requests[0].lower()
    assert head.startswith("post /?regionid=cn-hangzhou http/1.1")
    assert "x-acs-action: describeinstances" in head
    assert "x-acs-version: 2014-05-26" in head
    assert f"credential={KEY.lower()}" in head
    assert f"x-acs-security-token: {TOKEN}" in head
    assert "ack.ccm/0.1 clusterid/c1" in head
    assert SECRET not in head


@pytest.mark.parametrize(
    ("reply", "fields"),
    [
        pytest.param(
            answer("404 Not Found", ERROR),
            {
                "code": "InvalidX",
                "http_status": 404,
                "request_id": "R-1",
                "message": "no such x",
                "sent": "answered",
                "retry_after": None,
            },
            id="4xx with a code",
        ),
        pytest.param(
            answer("400 Bad Request", {**ERROR, "Code": "Throttling.User"}),
            {"code": "Throttling.User", "sent": "answered", "retry_after": None},
            id="throttled without a hint",
        ),
        pytest.param(
            answer(
                "400 Bad Request", {**ERROR, "Code": "Throttling.User"}, x_acs_retry_after="700"
            ),
            {"code": "Throttling.User", "sent": "answered", "retry_after": 0.7},
            id="throttled with a hint in milliseconds",
        ),
        pytest.param(
            answer("503 Service Unavailable", {**ERROR, "Code": "ServiceUnavailable"}),
            {"code": "ServiceUnavailable", "http_status": 503, "sent": "answered"},
            id="5xx with a code",
        ),
        pytest.param(
            answer("400 Bad Request", {"RequestId": "R-1"}),
            {"code": "", "request_id": "R-1", "message": "HTTP status 400"},
            id="4xx without a code",
        ),
        pytest.param(
            answer("502 Bad Gateway", b"<html>bad</html>"), {"sent": "unknown"}, id="5xx of HTML"
        ),
        pytest.param(answer("502 Bad Gateway", b""), {"sent": "unknown"}, id="5xx, empty"),
        pytest.param(
            answer("400 Bad Request", ["x"]), {"sent": "unknown"}, id="4xx with a JSON list"
        ),
        pytest.param(answer("200 OK", b"<html/>"), {"sent": "unknown"}, id="200 of HTML"),
        pytest.param(answer("200 OK", b""), {"sent": "unknown"}, id="200, empty"),
        pytest.param(answer("200 OK", ["x"]), {"sent": "unknown"}, id="200 with a JSON list"),
        pytest.param(
            answer("200 OK", {"RequestId": "R-1"})[:-6], {"sent": "unknown"}, id="truncated"
        ),
        pytest.param(None, {"sent": "unknown"}, id="closed without an answer"),
    ],
)
def test_bad_answers_become_call_failed(serve, reply, fields):
    server = serve(reply)
    with pytest.raises(CallFailed) as caught:
        ask(server.host)
    assert {name: getattr(caught.value, name) for name in fields} == fields
    # Neither the SDK's exception, which holds the signed request, nor its text stays.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "http://" not in str(caught.value)


def test_a_read_timeout_is_unknown_and_comes_in_time(serve):
    server = serve(3.0)
    started = time.monotonic()
    with pytest.raises(CallFailed, match="timeout while waiting") as caught:
        ask(server.host, read_timeout=0.2)
    assert caught.value.sent == "unknown"
    assert time.monotonic() - started < 2.0


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_refused_connection_was_not_sent_and_names_the_host():
    host = closed_port()
    with pytest.raises(CallFailed, match=f"{host}: connection refused") as caught:
        ask(host)
    assert caught.value.sent == "no"


def test_a_name_that_does_not_resolve_was_not_sent():
    with pytest.raises(CallFailed, match="does not resolve") as caught:
        ask("no-such-host.invalid")
    assert caught.value.sent == "no"


def test_a_timeout_while_connecting_was_not_sent():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(address)
        with pytest.raises(CallFailed, match="timeout while connecting") as caught:
            ask(f"127.0.0.1:{address[1]}", connect_timeout=0.2)
        for client in waiting:
            client.close()
    assert caught.value.sent == "no"


def test_a_server_without_tls_is_said_to_be_one(serve):
    server = serve(b"this is no TLS\r\n\r\n")
    with pytest.raises(CallFailed, match="TLS failed"):
        ask(server.host, scheme="https")


def test_a_certificate_that_is_not_trusted_means_not_sent(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "server.pem"))
    listener = socket.create_server(("127.0.0.1", 0))

    def shake_hands() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            context.wrap_socket(connection, server_side=True)

    thread = threading.Thread(target=shake_hands, daemon=True)
    thread.start()
    with listener, pytest.raises(CallFailed, match="TLS failed") as caught:
        ask(f"127.0.0.1:{listener.getsockname()[1]}", scheme="https")
    thread.join(5.0)
    assert caught.value.sent == "no"


def self_signed(path):
    """A new key and certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_redirects_are_not_followed(serve):
    canary = serve(answer("200 OK", {"RequestId": "R-1"}))
    server = serve(answer("307 Temporary Redirect", b"", Location=f"http://{canary.host}/"))
    with pytest.raises(CallFailed, match="redirected"):
        ask(server.host)
    assert canary.requests == []


def test_a_proxy_is_used_where_the_environment_asks_for_it(serve, monkeypatch):
    proxy = serve(answer("200 OK", {"RequestId": "R-1"}))
    monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
    ask("ecs.example.com")
    assert proxy.requests[0].startswith("POST http://ecs.example.com/?RegionId=cn-hangzhou")


def test_no_proxy_holds(serve, monkeypatch):
    server = serve(answer("200 OK", {"RequestId": "R-1"}))
    monkeypatch.setenv("HTTP_PROXY", f"http://{closed_port()}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert ask(server.host) == {"RequestId": "R-1"}


def test_debug_in_the_environment_prints_no_request(serve, monkeypatch, capfd, caplog):
    server = serve(answer("200 OK", {"RequestId": "R-1"}))
    monkeypatch.setenv("DEBUG", "sdk")
    caplog.set_level(logging.DEBUG)
    ask(server.host, token=TOKEN)
    out, err = capfd.readouterr()
    said = out + err + caplog.text
    assert TOKEN not in said
    assert "Authorization" not in said


def test_the_import_leaves_loggers_and_warnings_alone():
    script = """
import logging, warnings
before = list(warnings.filters)
import cloudprovider_alicloud.api.sdk
assert warnings.filters == before, warnings.filters
assert not logging.root.handlers
for name in ("darabonba-core", "alibabacloud-tea", "credentials"):
    logger = logging.getLogger(name)
    assert not logger.handlers and logger.level == logging.WARNING, name
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_typed_client_is_loaded_in_production():
    script = """
import sys
import cloudprovider_alicloud.provider, cloudprovider_alicloud.api.sdk
found = [name for name in sys.modules if name.startswith("alibabacloud_") and "2" in name]
print(sorted({name.split(".")[0] for name in found}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_credentials_that_the_cloud_repeats_are_taken_out(serve):
    text = f"key {KEY} with {SECRET} and {TOKEN}"
    server = serve(answer("400 Bad Request", {**ERROR, "Message": text}))
    with pytest.raises(CallFailed) as caught:
        ask(server.host, token=TOKEN)
    for secret in (KEY, SECRET, TOKEN):
        assert secret not in f"{caught.value!r} {caught.value} {caught.value.message}"
