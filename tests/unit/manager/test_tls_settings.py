"""Versions, suites and curves of the secure port, by the names and numbers of Go."""

import ssl

import pytest
from tls_handshake import contexts, meet

from cloudprovider_manager.tls_settings import TLSSettings


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
