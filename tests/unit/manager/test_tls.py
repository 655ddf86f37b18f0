"""Certificates and TLS of the secure port: which one is shown, whose is believed, what changes."""

import os
import pathlib
import socket
import ssl

import pki
import pytest

from cloudprovider.concurrency import RealConcurrency
from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_manager import certificates
from cloudprovider_manager.contexts import Contexts, FixedPair, NamedPair, client_certificate
from cloudprovider_manager.files import RETRY, FileFault, FromFiles, read
from cloudprovider_manager.tls_settings import TLSSettings

REAL = RealConcurrency()


def meet(server_context, client_context=None, *, name=None):
    """A handshake in this process: the server's and the client's side of the connection."""
    client_context = client_context or ssl._create_unverified_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(incoming, outgoing, server_hostname=name)
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(ours, theirs, server_side=True)
    pending = {client, server}
    for _ in range(20):
        for side in (client, server):
            if side in pending:
                try:
                    side.do_handshake()
                    pending.discard(side)
                except ssl.SSLWantReadError:
                    pass
        ours.write(outgoing.read())
        incoming.write(theirs.read())
    assert not pending
    return server, client


def shown(context, **options):
    """The certificate (DER) that a client is shown."""
    return meet(context, **options)[1].getpeercert(binary_form=True)


def pair(issued):
    return certificates.Pair(issued.pem, issued.key_pem)


def contexts(issued=None, settings=None, **options):
    source = FixedPair(pair(issued or pki.server("localhost")))
    return Contexts(source, settings or TLSSettings(), concurrency=REAL, **options)


# -- files that change -------------------------------------------------------------------------


class Volume:
    """A projected volume as the kubelet writes it: links to files in a folder that is a link."""

    def __init__(self, folder):
        self.folder = folder
        self._number = 0

    def write(self, **files):
        target = self.folder / f"..v{self._number}"
        self._number += 1
        target.mkdir()
        for name, content in files.items():
            path = target / name.replace("_", ".")
            path.write_bytes(content)
            os.utime(path, ns=(1, 1))  # as a backup or an image has them: all of one age
        fresh = self.folder / "..data_tmp"
        fresh.symlink_to(target.name)
        fresh.replace(self.folder / "..data")
        for name in files:
            link = self.folder / name.replace("_", ".")
            if not link.is_symlink():
                link.symlink_to(pathlib.Path("..data", link.name))


def test_a_folder_gets_a_pair_that_is_used_again(tmp_path):
    folder = str(tmp_path / "pki")
    paths = certificates.in_folder(folder, "127.0.0.1", concurrency=REAL)
    first = [pathlib.Path(path).read_text() for path in paths]
    assert oct(os.stat(paths[1]).st_mode & 0o777) == "0o600"
    again = certificates.in_folder(folder, "127.0.0.1", concurrency=REAL)
    assert again == paths
    assert [pathlib.Path(path).read_text() for path in again] == first
    certificates.from_files(*paths, concurrency=REAL)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileFault, match="--cert-dir="):
        certificates.in_folder(str(tmp_path / "file" / "x"), "127.0.0.1", concurrency=REAL)


def test_a_pair_written_in_place_is_shown_to_the_next_connection(tmp_path):
    old, new = pki.server("old"), pki.server("new")
    paths = old.write(tmp_path, "tls")
    source = certificates.from_files(*paths, concurrency=REAL)
    serving = Contexts(source, TLSSettings(), concurrency=REAL)
    first = serving.current()
    assert serving.current() is first
    assert shown(first) == old.der
    new.write(tmp_path, "tls")
    assert shown(serving.current()) == new.der


def test_a_replaced_link_of_a_projected_volume_is_noticed(tmp_path):
    old, new = pki.server("old"), pki.server("new")
    volume = Volume(tmp_path)
    volume.write(tls_crt=old.pem, tls_key=old.key_pem)
    paths = str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")
    serving = Contexts(
        certificates.from_files(*paths, concurrency=REAL), TLSSettings(), concurrency=REAL
    )
    assert shown(serving.current()) == old.der
    volume.write(tls_crt=new.pem, tls_key=new.key_pem)
    assert shown(serving.current()) == new.der


@pytest.mark.parametrize("missing", ["tls.crt", "tls.key", "both"])
def test_files_that_are_gone_leave_the_old_pair_in_use(tmp_path, missing):
    old = pki.server("old")
    paths = old.write(tmp_path, "tls")
    source = certificates.from_files(*paths, concurrency=REAL)
    for path in paths:
        if missing in (pathlib.Path(path).name, "both"):
            os.unlink(path)
    assert source.current().certificate == old.pem


def test_a_half_written_pair_leaves_the_old_one_in_use_until_it_is_whole(tmp_path, caplog):
    old, new = pki.server("old"), pki.server("new")
    certificate, key = old.write(tmp_path, "tls")
    source = certificates.from_files(certificate, key, concurrency=REAL)
    steps = [
        (certificate, b""),
        (certificate, new.pem[:100]),
        (certificate, new.pem),  # the key is still the old one's
        (key, new.key_pem[:50]),
    ]
    for path, content in steps:
        pathlib.Path(path).write_bytes(content)
        assert source.current().certificate == old.pem
    assert "the old content stays in use" in caplog.text
    pathlib.Path(key).write_bytes(new.key_pem)
    assert source.current().certificate == new.pem


def test_a_reading_that_failed_is_repeated_though_nothing_seems_to_change(tmp_path):
    """The pair may be exchanged between the look at the files and their reading."""
    time = VirtualConcurrency()
    path = tmp_path / "file"
    path.write_text("good")
    broken = []

    def make():
        if broken:
            raise FileFault("half")
        return path.read_text()

    def script():
        source = FromFiles([str(path)], make, concurrency=time)
        path.write_text("better")
        broken.append(True)
        assert source.current() == "good"
        broken.clear()
        assert source.current() == "good"  # not at every connection
        time.sleep(RETRY)
        assert source.current() == "better"

    time.run(script)


def test_a_key_that_does_not_fit_is_named(tmp_path):
    one, two = (pki.server(name).write(tmp_path, name) for name in ("one", "two"))
    with pytest.raises(FileFault, match=r"one\.crt with key .*two\.key: KEY_VALUES_MISMATCH"):
        certificates.from_files(one[0], two[1], concurrency=REAL)


def test_a_key_with_a_password_is_refused_without_asking_for_it(tmp_path):
    from cryptography.hazmat.primitives import serialization

    issued = pki.server("a")
    paths = issued.write(tmp_path, "tls")
    secret = serialization.BestAvailableEncryption(b"secret")
    form = serialization.PrivateFormat.PKCS8
    encrypted = issued.key.private_bytes(serialization.Encoding.PEM, form, secret)
    pathlib.Path(paths[1]).write_bytes(encrypted)
    with pytest.raises(FileFault, match=r"tls\.key"):
        certificates.from_files(*paths, concurrency=REAL)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileFault, match=r"client CA .*none: No such file"):
        read(str(tmp_path / "none"), "client CA")


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


# -- what is spoken ----------------------------------------------------------------------------


def cipher(settings, **client):
    context = ssl._create_unverified_context()
    context.set_ciphers("ALL")
    for name, value in client.items():
        if callable(getattr(context, name)):
            getattr(context, name)(value)
        else:
            setattr(context, name, value)
    return meet(contexts(settings=settings).current(), context)[0].cipher()[0]


TLS12 = {"maximum_version": ssl.TLSVersion.TLSv1_2}


@pytest.mark.parametrize(
    ("suites", "used"),
    [
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"),
    ],
)
def test_suites_go_by_the_names_of_go(suites, used):
    assert cipher(TLSSettings(suites=(suites,)), **TLS12) == used


def test_by_default_only_authenticated_encryption_is_spoken():
    context = TLSSettings().new_context()
    names = [each["name"] for each in context.get_ciphers()]
    assert [name for name in names if "GCM" not in name and "CHACHA20" not in name] == []
    assert [name for name in names if not name.startswith(("ECDHE", "TLS_"))] == []
    with pytest.raises(ssl.SSLError):
        cipher(TLSSettings(), set_ciphers="ECDHE-ECDSA-AES128-SHA256", **TLS12)


@pytest.mark.parametrize(
    "settings",
    [
        TLSSettings(minimum="VersionTLS13"),
        TLSSettings(suites=("TLS_AES_128_GCM_SHA256",)),  # of 1.3 alone, so 1.2 has none
    ],
)
def test_only_the_newest_version_where_that_is_asked_for(settings):
    assert cipher(settings).startswith("TLS_")
    with pytest.raises(ssl.SSLError):
        cipher(settings, **TLS12)


@pytest.mark.parametrize(
    ("curves", "client", "works"),
    [
        ((23,), "prime256v1", True),
        ((29,), "X25519", True),
        ((29,), "prime256v1", False),
        ((24, 23), "prime256v1", True),
        ((24, 25), "secp384r1", True),
        ((24, 25), "prime256v1", False),
    ],
)
def test_curves_go_by_the_numbers_of_go(curves, client, works):
    settings = TLSSettings(curves=curves)
    assert list(settings.problems()) == []
    if works:
        assert cipher(settings, set_ecdh_curve=client)
    else:
        with pytest.raises(ssl.SSLError):
            cipher(settings, set_ecdh_curve=client)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (TLSSettings(suites=("TLS_NONE",)), "Cipher suite TLS_NONE not supported or doesn't exist"),
        (
            TLSSettings(suites=("TLS_RSA_WITH_RC4_128_SHA",)),
            "Cipher suite TLS_RSA_WITH_RC4_128_SHA not supported or doesn't exist",
        ),
        (TLSSettings(curves=(0,)), "curve preference 0 is out of range (must be 1-65535)"),
        (TLSSettings(curves=(-1,)), "curve preference -1 is out of range (must be 1-65535)"),
        (TLSSettings(curves=(65536,)), "curve preference 65536 is out of range (must be 1-65535)"),
        (TLSSettings(curves=(23, 23)), "duplicate curve preference 23"),
        (TLSSettings(curves=(999,)), "curve preference 999 is not supported by this OpenSSL"),
    ],
)
def test_what_is_not_known_is_refused_in_the_words_of_upstream(settings, problem):
    assert [text.partition(";")[0] for text in settings.problems()] == [problem]


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        (TLSSettings(minimum="VersionTLS10"), "nothing older than TLS 1.2 is spoken"),
        (TLSSettings(suites=("TLS_RSA_WITH_AES_128_CBC_SHA",)), "TLS_RSA_WITH_AES_128_CBC_SHA"),
        (TLSSettings(curves=(24, 29)), "of those given, X25519 is used"),
        (TLSSettings(curves=(24,), suites=("TLS_AES_128_GCM_SHA256",)), ""),
    ],
)
def test_what_is_not_done_to_the_letter_is_said(settings, warning):
    assert warning in "".join(settings.warnings())
    assert bool(list(settings.warnings())) == bool(warning)
