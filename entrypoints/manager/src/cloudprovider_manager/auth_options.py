"""Flags of authentication and authorization on the secure port.

Names, defaults and meanings are upstream's. Source: ``spec/ccm-core.md`` 4.2.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from cloudprovider_manager.flags import flag
from cloudprovider_manager.values import BOOL, LIST, PATH, duration

_WHO: Final = "Who calls the secure port"
_MAY: Final = "What callers of the secure port may do"

_TTL = duration(0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AuthFlags:
    """Delegated authentication and authorization; durations in seconds."""

    authentication_kubeconfig: str = flag(
        "", PATH, "How to reach the API server that reviews bearer tokens; needs the right to "
        "create tokenreviews. Empty = as a Pod of the cluster; outside of one, every token counts "
        "as anonymous. --kubeconfig is not used for this.", group=_WHO,
    )  # fmt: skip
    authentication_skip_lookup: bool = flag(
        False, BOOL, "Do not read what is not given here from the ConfigMap "
        "kube-system/extension-apiserver-authentication.", group=_WHO,
    )  # fmt: skip
    authentication_tolerate_lookup_failure: bool = flag(
        False, BOOL, "Start although that ConfigMap cannot be read: client certificates and "
        "proxies are not believed until it can. Not given, and without "
        "--authentication-kubeconfig, it is true (upstream: false).", group=_WHO,
    )  # fmt: skip
    authentication_token_webhook_cache_ttl: float = flag(
        10.0, _TTL, "How long a review of a token is remembered; 0s = not at all.", group=_WHO
    )
    client_ca_file: str = flag(
        "", PATH, "Authorities of client certificates, PEM; re-read. Common name = user, "
        "organizations = groups. Empty = client-ca-file of the ConfigMap.", group=_WHO,
    )  # fmt: skip
    requestheader_client_ca_file: str = flag(
        "", PATH, "Authorities of proxies that name their user in headers, PEM; re-read. Given, "
        "the other --requestheader flags count; empty = all of them from the ConfigMap.",
        group=_WHO,
    )  # fmt: skip
    requestheader_allowed_names: tuple[str, ...] = flag(
        (), LIST, "Common names of proxies' certificates; empty = any of that authority.",
        group=_WHO,
    )  # fmt: skip
    requestheader_username_headers: tuple[str, ...] = flag(
        ("x-remote-user",), LIST, "Headers with the user's name; the first that is there counts.",
        group=_WHO,
    )  # fmt: skip
    requestheader_uid_headers: tuple[str, ...] = flag(
        (), LIST, "Headers with the user's uid.", group=_WHO
    )
    requestheader_group_headers: tuple[str, ...] = flag(
        ("x-remote-group",), LIST, "Headers with the user's groups.", group=_WHO
    )
    requestheader_extra_headers_prefix: tuple[str, ...] = flag(
        ("x-remote-extra-",), LIST, "Beginnings of headers with more about the user.", group=_WHO
    )
    authorization_kubeconfig: str = flag(
        "", PATH, "How to reach the API server that decides what callers may do; needs the right "
        "to create subjectaccessreviews. Empty = as a Pod of the cluster; outside of one, all but "
        "--authorization-always-allow-paths is forbidden.", group=_MAY,
    )  # fmt: skip
    authorization_always_allow_paths: tuple[str, ...] = flag(
        ("/healthz", "/readyz", "/livez"), LIST, "Paths for everyone; each exact, or a beginning "
        "followed by *.", group=_MAY,
    )  # fmt: skip
    authorization_webhook_cache_authorized_ttl: float = flag(
        10.0, _TTL, "How long a permission is remembered; 0s = not at all.", group=_MAY
    )
    authorization_webhook_cache_unauthorized_ttl: float = flag(
        10.0, _TTL, "How long a refusal is remembered; 0s = not at all.", group=_MAY
    )
