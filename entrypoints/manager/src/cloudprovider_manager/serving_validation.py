"""Checks of the flags of the secure port, in upstream's words where it has some.

Source: ``spec/ccm-core.md`` 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from cloudprovider_manager.auth.authorization import PublicPaths
from cloudprovider_manager.auth_options import AuthFlags
from cloudprovider_manager.options import Options
from cloudprovider_manager.tls_settings import curve_numbers, suite_names

#: Lists of names of headers, and the one that proxies of an API server send.
_HEADERS = (
    ("requestheader-username-headers", "X-Remote-User", "header"),
    ("requestheader-group-headers", "X-Remote-Group", "header"),
    ("requestheader-extra-headers-prefix", "X-Remote-Extra-", "header prefix"),
)
_UIDS = "requestheader-uid-headers"


def problems(options: Options) -> Iterator[str]:
    """Faults that forbid a start."""
    if bool(options.tls_cert_file) != bool(options.tls_private_key_file):
        yield (
            "--tls-cert-file and --tls-private-key-file belong together; accepted: both or neither"
        )
    for problem in options.tls.problems():
        suite = problem.startswith("Cipher suite")
        flag = "--tls-cipher-suites" if suite else "--tls-curve-preferences"
        accepted = suite_names() if suite else curve_numbers()
        yield f"{flag}: {problem}; accepted: {', '.join(accepted)}"
    yield from _headers(options)
    try:
        PublicPaths(options.authorization_always_allow_paths)
    except ValueError as error:
        yield (
            f"--authorization-always-allow-paths: {error}; accepted: exact paths, and beginnings "
            "of paths followed by *"
        )


def files(options: Options) -> Iterator[tuple[str, str]]:
    """Flags and the files they name, which must be readable."""
    yield "--tls-cert-file", options.tls_cert_file
    yield "--tls-private-key-file", options.tls_private_key_file
    yield "--client-ca-file", options.client_ca_file
    yield "--requestheader-client-ca-file", options.requestheader_client_ca_file
    yield "--authentication-kubeconfig", options.authentication_kubeconfig
    yield "--authorization-kubeconfig", options.authorization_kubeconfig
    for entry in options.tls_sni_cert_key:
        yield "--tls-sni-cert-key", entry.certificate
        yield "--tls-sni-cert-key", entry.key


def warnings(options: Options) -> Iterator[str]:
    """What will probably not do what was meant."""
    yield from options.tls.warnings()
    for flag, standard, what in _HEADERS:
        if flag in options.given and _values(options, flag) and not _has(options, flag, standard):
            yield (
                f"--{flag} is set without specifying the standard {standard} {what} - API "
                "aggregation will not work"
            )


def _headers(options: AuthFlags) -> Iterator[str]:
    for flag in (*(row[0] for row in _HEADERS), "requestheader-allowed-names", _UIDS):
        if any(not value.strip() for value in _values(options, flag)):
            yield f'--{flag}: empty value in "{flag}"; accepted: names separated by commas'
    if _values(options, _UIDS) and not _has(options, _UIDS, "X-Remote-Uid"):
        yield (
            f"--{_UIDS} is set without specifying the standard X-Remote-Uid header - API "
            "aggregation will not work; accepted: a list with X-Remote-Uid"
        )


def _values(options: AuthFlags, flag: str) -> tuple[str, ...]:
    values: tuple[str, ...] = getattr(options, flag.replace("-", "_"))
    return values


def _has(options: AuthFlags, flag: str, name: str) -> bool:
    return name.lower() in (value.lower() for value in _values(options, flag))
