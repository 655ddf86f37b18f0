"""The health port over real sockets: TLS and plain HTTP on one port."""

import http.client
import os
import pathlib
import socket
import ssl
import time
import warnings

import pytest

from cloudprovider.concurrency import RealConcurrency
from cloudprovider_manager import certificates
from cloudprovider_manager.certificates import CertificateError, ServingCertificate
from cloudprovider_manager.endpoints import Endpoints, Page
from cloudprovider_manager.health import Health
from cloudprovider_manager.serving import HealthServer, ServingError

REAL = RealConcurrency()


@pytest.fixture(scope="module")
def context():
    return certificates.in_memory("127.0.0.1", minimum="VersionTLS12", concurrency=REAL)


@pytest.fixture(scope="module")
def server(context):
    pages = {"/metrics": Page("text/plain", lambda: b"up 1\n")}
    made = HealthServer(Endpoints(Health(), pages), host="127.0.0.1", port=0, tls=lambda: context)
    made.start()
    yield made
    made.stop()


def get(server, path, *, tls=True, context=None):
    if tls:
        trust = context or ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=trust, timeout=5)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
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


def test_a_port_without_tls_speaks_plain_http():
    made = HealthServer(Endpoints(Health(), {}), host="127.0.0.1", port=0, tls=None)
    made.start()
    try:
        assert get(made, "/healthz", tls=False) == (200, b"ok")
    finally:
        made.stop()


# Cheroot leaves the socket that it could not bind to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_taken_port_is_named(server):
    second = HealthServer(Endpoints(Health(), {}), host="127.0.0.1", port=server.port, tls=None)
    with pytest.raises(ServingError, match=f"cannot serve on 127.0.0.1:{server.port}"):
        second.start()
    second.stop()


def test_the_own_certificate_names_this_machine(context, server):
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


def test_a_folder_gets_a_pair_that_is_used_again(tmp_path):
    folder = str(tmp_path / "pki")
    paths = certificates.in_folder(folder, "127.0.0.1", concurrency=REAL)
    first = [pathlib.Path(path).read_text() for path in paths]
    assert oct(os.stat(paths[1]).st_mode & 0o777) == "0o600"
    again = certificates.in_folder(folder, "127.0.0.1", concurrency=REAL)
    assert again == paths
    assert [pathlib.Path(path).read_text() for path in again] == first
    ServingCertificate(*paths, minimum="VersionTLS13")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CertificateError, match="--cert-dir="):
        certificates.in_folder(str(tmp_path / "file" / "x"), "127.0.0.1", concurrency=REAL)


def test_files_that_change_are_read_again(tmp_path):
    paths = certificates.in_folder(str(tmp_path), "127.0.0.1", concurrency=REAL)
    serving = ServingCertificate(*paths, minimum="VersionTLS12")
    first = serving.context()
    assert serving.context() is first
    pair = certificates.self_signed("127.0.0.1", concurrency=REAL)
    for path, data in zip(paths, (pair.certificate, pair.key), strict=True):
        with open(path, "wb") as file:
            file.write(data)
        os.utime(path, ns=(1, 1))
    assert serving.context() is not first


def test_a_broken_new_pair_leaves_the_old_one_in_use(tmp_path):
    paths = certificates.in_folder(str(tmp_path), "127.0.0.1", concurrency=REAL)
    serving = ServingCertificate(*paths, minimum="VersionTLS12")
    first = serving.context()
    with open(paths[0], "w") as file:
        file.write("half")
    os.utime(paths[0], ns=(1, 1))
    assert serving.context() is first


def test_a_key_that_does_not_fit_is_named(tmp_path):
    one = certificates.in_folder(str(tmp_path / "one"), "127.0.0.1", concurrency=REAL)
    two = certificates.in_folder(str(tmp_path / "two"), "127.0.0.1", concurrency=REAL)
    with pytest.raises(CertificateError, match="KEY_VALUES_MISMATCH"):
        ServingCertificate(one[0], two[1], minimum="VersionTLS12")
