"""The flags of the secure port, as they are typed."""

import pytest

from cloudprovider_manager import validation
from cloudprovider_manager.flags import FlagError, declared, parse
from cloudprovider_manager.options import Options
from cloudprovider_manager.serving_options import NamedFiles

KNOWN = declared(Options)


def value(*arguments):
    return next(iter(parse(arguments, KNOWN).values.values()))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--tls-sni-cert-key=a.crt,a.key"], (NamedFiles("a.crt", "a.key"),)),
        (
            ["--tls-sni-cert-key=a.crt,a.key:*.foo.com, foo.com"],
            (NamedFiles("a.crt", "a.key", ("*.foo.com", "foo.com")),),
        ),
        (
            ["--tls-sni-cert-key=a.crt,a.key:x", "--tls-sni-cert-key=b.crt,b.key"],
            (NamedFiles("a.crt", "a.key", ("x",)), NamedFiles("b.crt", "b.key")),
        ),
        (["--tls-curve-preferences=23,29", "--tls-curve-preferences=24"], (23, 29, 24)),
        (["--tls-curve-preferences="], ()),
        (["--tls-min-version=VersionTLS10"], "VersionTLS10"),
        (["--tls-min-version="], ""),
        (["--secure-port=0"], 0),
        (["--authorization-always-allow-paths="], ()),
        (["--authorization-always-allow-paths=/healthz,/metrics"], ("/healthz", "/metrics")),
        (["--client-ca-file", "ca.pem"], "ca.pem"),
        (["--authentication-skip-lookup"], True),
        (["--authentication-token-webhook-cache-ttl=1m"], 60.0),
    ],
)
def test_what_is_accepted(arguments, expected):
    assert value(*arguments) == expected


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("--tls-sni-cert-key=a.crt", "expected comma separated certificate and key file paths"),
        ("--tls-sni-cert-key=a,b,c", "expected comma separated certificate and key file paths"),
        ("--tls-sni-cert-key=a,b:", "empty names list is not allowed"),
        ("--tls-curve-preferences=P256", "not whole numbers"),
        ("--tls-min-version=SSL3", 'unknown tls version "SSL3"'),
        (
            "--secure-port=65536",
            "--secure-port 65536 must be between 0 and 65535, inclusive. 0 for turning off secure "
            "port",
        ),
        ("--secure-port=-1", "--secure-port -1 must be between 0 and 65535"),
        ("--secure-port=x", "not a whole number"),
        ("--authorization-webhook-cache-authorized-ttl=10", "a duration needs a unit"),
    ],
)
def test_what_is_refused(argument, text):
    with pytest.raises(FlagError) as error:
        parse([argument], KNOWN)
    assert text in error.value.problems[0]
    assert "accepted: " in error.value.problems[0]


@pytest.mark.parametrize(
    ("flag", "default"),
    [
        ("authentication-kubeconfig", ""),
        ("authentication-skip-lookup", "false"),
        ("authentication-tolerate-lookup-failure", "false"),
        ("authentication-token-webhook-cache-ttl", "10s"),
        ("client-ca-file", ""),
        ("requestheader-allowed-names", ""),
        ("requestheader-client-ca-file", ""),
        ("requestheader-username-headers", "x-remote-user"),
        ("requestheader-group-headers", "x-remote-group"),
        ("requestheader-extra-headers-prefix", "x-remote-extra-"),
        ("requestheader-uid-headers", ""),
        ("authorization-kubeconfig", ""),
        ("authorization-always-allow-paths", "/healthz,/readyz,/livez"),
        ("authorization-webhook-cache-authorized-ttl", "10s"),
        ("authorization-webhook-cache-unauthorized-ttl", "10s"),
        ("bind-address", "0.0.0.0"),
        ("secure-port", "10258"),
        ("permit-port-sharing", "false"),
        ("tls-sni-cert-key", ""),
        ("tls-curve-preferences", ""),
    ],
)
def test_the_defaults_are_those_of_upstream(flag, default):
    assert KNOWN[flag].text(KNOWN[flag].default) == default


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("disable-http2-serving", "speaks HTTP/1.1 only"),
        ("http2-max-streams-per-connection=5", "speaks HTTP/1.1 only"),
        ("contention-profiling", "Python has no such profile"),
        ("permit-address-sharing", "always set"),
    ],
)
def test_what_has_no_effect_says_why(flag, why):
    (warning,) = parse([f"--{flag}"], KNOWN).warnings
    assert why in warning


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"requestheader_username_headers": ("x-user",)}, "standard X-Remote-User header"),
        ({"requestheader_group_headers": ("x-group",)}, "standard X-Remote-Group header"),
        (
            {"requestheader_extra_headers_prefix": ("x-extra-",)},
            "standard X-Remote-Extra- header prefix",
        ),
        ({"tls_min_version": "VersionTLS11"}, "nothing older than TLS 1.2"),
    ],
)
def test_what_will_not_do_what_was_meant_is_warned_about(fields, text):
    given = frozenset(name.replace("_", "-") for name in fields)
    chosen = Options(cloud_provider="x", configure_cloud_routes=False, given=given, **fields)
    assert [warning for warning in validation.warnings(chosen) if text in warning]


def test_several_certificates_are_shown_as_they_were_typed():
    pairs = (NamedFiles("a", "b", ("c", "d")), NamedFiles("e", "f"))
    assert KNOWN["tls-sni-cert-key"].text(pairs) == "a,b:c,d;e,f"
