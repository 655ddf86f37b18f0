"""Certificates of servers and clients: whose are believed, which are shown."""

import pki
import pytest
from cryptography import x509
from transport_server import LOOPBACK, get, whoami

from cloudprovider_controllers.runtime.kubeconfig import Pem
from cloudprovider_controllers.runtime.transport import TransportError


def test_a_server_of_the_clusters_own_authority(serve, connect, tls, authority):
    server = serve(whoami, tls(LOOPBACK))
    assert get(connect(server, "https", ca=Pem(data=authority.pem))).data == b'"nobody"'


@pytest.mark.parametrize("as_file", [True, False], ids=["files", "data"])
def test_a_client_certificate(serve, connect, tls, authority, tmp_path, as_file):
    server = serve(whoami, tls(LOOPBACK))
    issued = authority.issue("me")
    if as_file:
        certificate, key = (Pem(path=path) for path in issued.write(tmp_path, "me"))
    else:
        certificate, key = Pem(data=issued.pem), Pem(data=issued.key_pem)
    transport = connect(
        server, "https", ca=Pem(data=authority.pem), client_certificate=certificate, client_key=key
    )
    assert get(transport).data == b'"me"'


def test_a_server_nobody_vouches_for_is_refused_before_anything_is_sent(serve, connect, tls):
    server = serve(whoami, tls(LOOPBACK))
    other = pki.authority()
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
    server = serve(whoami, tls(x509.DNSName("other"), issuer=pki.authority()))
    assert get(connect(server, "https", insecure_skip_tls_verify=True)).status == 200


def test_a_rotated_authority_is_noticed(serve, connect, tls, authority, tmp_path, monkeypatch):
    monkeypatch.setattr("cloudprovider_controllers.runtime.transport.FILES_CHECK", 0.0)
    server = serve(whoami, tls(LOOPBACK))
    path = tmp_path / "ca.crt"
    path.write_bytes(pki.authority().pem)
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
