"""Which certificate a client is shown, and whose certificates are believed."""

import socket
import ssl

import pki
import pytest
from tls_handshake import REAL, contexts, meet, pair, shown

from cloudprovider_manager.contexts import FixedPair, NamedPair, client_certificate
from cloudprovider_manager.files import FileFault

# -- names -------------------------------------------------------------------------------------

DEFAULT, EXACT, WILD, OWN = (
    pki.server(common_name="default"),
    pki.server("unused.example.com"),
    pki.server("*.example.com"),
    pki.server("own.example.org", common_name="common"),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, DEFAULT),
        ("elsewhere.example.net", DEFAULT),
        ("a.example.com", EXACT),
        ("A.Example.COM", EXACT),
        ("b.example.com", WILD),
        ("b.c.example.com", DEFAULT),
        ("own.example.org", OWN),
        ("common", OWN),
        ("unused.example.com", WILD),  # names that are given replace those of the certificate
    ],
)
def test_a_client_is_shown_the_certificate_for_the_name_it_asks_for(name, expected):
    named = [
        NamedPair(FixedPair(pair(EXACT)), ("a.example.com",)),
        NamedPair(FixedPair(pair(WILD)), ("*.example.com",)),
        NamedPair(FixedPair(pair(OWN))),
    ]
    assert shown(contexts(DEFAULT, named=named).current(), name=name) == expected.der


def test_a_certificate_whose_names_cannot_be_read_is_not_waited_for(monkeypatch, caplog):
    def unreadable(certificate):
        raise ValueError("canary")

    monkeypatch.setattr("cloudprovider_manager.contexts.names_of", unreadable)
    named = [NamedPair(FixedPair(pair(OWN)))]
    with pytest.raises(FileFault, match="cannot be used together"):
        contexts(named=named)
    monkeypatch.undo()
    trusted = [frozenset()]
    made = contexts(DEFAULT, named=named, authorities=lambda: trusted[0])
    monkeypatch.setattr("cloudprovider_manager.contexts.names_of", unreadable)
    trusted[0] = frozenset({pki.authority().der})
    assert shown(made.current()) == DEFAULT.der
    assert "the old ones stay in use" in caplog.text


def test_names_that_are_given_win_and_so_does_the_first_pair():
    first, second, third = (pki.server("a.example.com") for _ in range(3))
    named = [
        NamedPair(FixedPair(pair(first))),
        NamedPair(FixedPair(pair(second)), ("a.example.com",)),
        NamedPair(FixedPair(pair(third)), ("a.example.com",)),
    ]
    assert shown(contexts(named=named).current(), name="a.example.com") == second.der


def test_a_client_certificate_counts_whichever_certificate_it_was_shown(tmp_path):
    ca = pki.authority()
    named = [NamedPair(FixedPair(pair(EXACT)), ("a.example.com",))]
    serving = contexts(named=named, authorities=lambda: frozenset({ca.der}))
    client = ssl._create_unverified_context()
    client.load_cert_chain(*ca.issue("joe").write(tmp_path, "joe"))
    server, _ = meet(serving.current(), client, name="a.example.com")
    found, failed = client_certificate(server)
    assert (found.common_name, failed) == ("joe", False)


# -- clients' certificates ---------------------------------------------------------------------


def certificate_of(tmp_path, issued, *authorities, extra=b"", maximum=None):
    serving = contexts(authorities=lambda: frozenset(ca.der for ca in authorities))
    client = ssl._create_unverified_context()
    if maximum:
        client.maximum_version = maximum
    paths = issued.write(tmp_path, "client")
    with open(paths[0], "ab") as file:
        file.write(extra)
    client.load_cert_chain(*paths)
    return client_certificate(meet(serving.current(), client)[0])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_names_user_groups_and_uid(tmp_path, version):
    ca, other = pki.authority(), pki.authority()
    issued = ca.issue("jöe", organizations=["a", "b, c"], uids=["7"])
    found, failed = certificate_of(tmp_path, issued, ca, other, maximum=version)
    assert not failed
    assert (found.common_name, found.organizations, found.uids) == ("jöe", ("a", "b, c"), ("7",))
    assert found.chain == (issued.der, ca.der)
    assert found.issued_under(frozenset({ca.der}))
    assert not found.issued_under(frozenset({other.der}))


def test_authorities_in_between_may_be_shown_or_be_known(tmp_path):
    root = pki.authority("root")
    middle = root.intermediate("middle")
    issued = middle.issue("joe")
    found, _ = certificate_of(tmp_path, issued, root, extra=middle.pem)
    assert found.issued_under(frozenset({root.der}))
    found, _ = certificate_of(tmp_path, issued, middle)
    assert found.issued_under(frozenset({middle.der}))
    assert not found.issued_under(frozenset({root.der}))


@pytest.mark.parametrize("wrong", ["authority", "expired", "purpose", "same name"])
def test_a_certificate_that_is_not_valid_ends_the_connection(tmp_path, wrong):
    ca = pki.authority("ca")
    issued = {
        "authority": lambda: pki.authority("other").issue("joe"),
        "same name": lambda: pki.authority("ca").issue("joe"),
        "expired": lambda: ca.issue("joe", days=-1),
        "purpose": lambda: ca.issue("joe", usage="server"),
    }[wrong]()
    with pytest.raises(ssl.SSLError):
        certificate_of(tmp_path, issued, ca)


def test_without_authorities_no_certificate_is_asked_for(tmp_path):
    assert certificate_of(tmp_path, pki.authority().issue("joe")) == (None, False)


def test_a_client_without_a_certificate_is_served():
    serving = contexts(authorities=lambda: frozenset({pki.authority().der}))
    assert client_certificate(meet(serving.current())[0]) == (None, False)


def test_while_authorities_of_one_name_are_exchanged_both_count(tmp_path):
    old, new = pki.authority("kubernetes"), pki.authority("kubernetes")
    for ca in (old, new):
        found, _ = certificate_of(tmp_path, ca.issue("joe"), old, new)
        assert found.chain[-1] == ca.der


def test_withdrawn_authorities_count_no_more(tmp_path):
    old, new = pki.authority(), pki.authority()
    trusted = [frozenset({old.der})]
    serving = contexts(authorities=lambda: trusted[0])
    client = ssl._create_unverified_context()
    client.load_cert_chain(*old.issue("joe").write(tmp_path, "joe"))
    meet(serving.current(), client)
    trusted[0] = frozenset({new.der})
    with pytest.raises(ssl.SSLError):
        meet(serving.current(), client)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_shows_no_certificate(tmp_path, version):
    """Its chain is not known again; whoever resumes one is not taken for anonymous either."""
    ca = pki.authority()
    serving = contexts(authorities=lambda: frozenset({ca.der})).current()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.maximum_version = version
    client.load_cert_chain(*ca.issue("joe").write(tmp_path, "joe"))
    listener = socket.create_server(("127.0.0.1", 0))
    session, outcomes = None, []
    for _ in range(2):
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        done = []
        thread = REAL.start_thread(
            lambda far=far, done=done: done.append(serving.wrap_socket(far, server_side=True)),
            name="server",
        )
        with client.wrap_socket(near, session=session) as sock:
            thread.join(5)
            session = sock.session
            outcomes.append(client_certificate(done[0]))
            done[0].close()
    listener.close()
    assert outcomes[0][0].common_name == "joe"
    assert outcomes[1][1] or outcomes[1][0].common_name == "joe"
