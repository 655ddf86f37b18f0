"""The vendor's SDK: the only module that imports it. Importing this costs 45 MiB and 0.2 s of CPU.

What it does against the SDK's habits, each measured in ``spec/alicloud-sdk.md``:

- import effects (loggers at DEBUG with handlers of their own, warning filters) are undone (1);
- it reads neither proxy variables nor ``DEBUG=sdk``, which would print session tokens (4.2, 1);
- it follows no redirect (4.1);
- a write is looked at once more when it goes into the socket (:mod:`cloudprovider.toolkit.fence`);
- its exceptions become :class:`~cloudprovider_alicloud.api.caller.CallFailed`, without their texts,
  which hold URLs, and without the exceptions, which hold the signed request (4.1).
"""

from __future__ import annotations

import logging
import types
import warnings
from collections.abc import Mapping
from typing import Any

with warnings.catch_warnings():  # the imports add filters
    import requests
    import urllib3.connection
    import urllib3.connectionpool
    import urllib3.exceptions
    from alibabacloud_tea_openapi import utils_models
    from alibabacloud_tea_openapi.client import Client
    from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
    from darabonba import core
    from darabonba.exceptions import RetryError, UnretryableException
    from darabonba.runtime import RuntimeOptions

from cloudprovider.toolkit.fence import FencedConnection
from cloudprovider_alicloud.api.caller import VERSIONS, CallFailed, Product, Sent
from cloudprovider_alicloud.api.endpoints import Endpoint
from cloudprovider_alicloud.credentials import CredentialSource


class _Session(requests.Session):
    """A session that follows no redirect: a signed request is for one host only."""

    def __init__(self) -> None:
        super().__init__()
        self.max_redirects = 0


class _Http(FencedConnection, urllib3.connection.HTTPConnection):
    pass


class _Https(FencedConnection, urllib3.connection.HTTPSConnection):
    pass


class _HttpPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(core._TLSAdapter):  # type: ignore[misc]
    """The SDK's own, whose connections look whether a write may still be sent."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _tame() -> None:
    for name in ("darabonba-core", "alibabacloud-tea", "credentials"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.WARNING)
    # core reads HTTP(S)_PROXY, ignoring NO_PROXY, and DEBUG at every call: it gets an empty
    # environment. Proxies are given to it where they apply (:func:`open_client`).
    core.os = types.SimpleNamespace(environ={}, getenv=lambda *_: None)
    core.Session = _Session
    core._TLSAdapter = _Adapter


_tame()


class _Credential:
    """A :class:`CredentialSource` as the SDK wants it; asked for every call."""

    def __init__(self, source: CredentialSource) -> None:
        self._source = source

    def get_credential(self) -> Any:
        credentials = self._source.get()
        token = credentials.security_token
        return types.SimpleNamespace(
            access_key_id=credentials.access_key_id.reveal(),
            access_key_secret=credentials.access_key_secret.reveal(),
            security_token=token.reveal() if token else None,
            type="sts" if token else "access_key",
            provider_name="static_sts" if token else "static_ak",
            bearer_token=None,
        )


def open_client(
    endpoint: Endpoint,
    *,
    region: str,
    credentials: CredentialSource,
    user_agent: str,
    pool_size: int,
    proxy: str,
) -> Client:
    """A client for one product. Connects at the first call.

    Args:
        endpoint: Where.
        region: Only the SDK's constructor wants it.
        credentials: Asked for every call.
        user_agent: Appended to the SDK's own.
        pool_size: Connections kept; more threads than this open extra ones.
        proxy: URL, or empty for none.

    """
    return Client(
        utils_models.Config(
            endpoint=endpoint.host,
            protocol=endpoint.scheme,
            region_id=region,
            credential=_Credential(credentials),
            user_agent=user_agent,
            max_idle_conns=pool_size,
            http_proxy=proxy or None,
            https_proxy=proxy or None,
            retry_options=None,
        )
    )


def send(
    client: Client,
    product: Product,
    action: str,
    params: tuple[Mapping[str, str], Mapping[str, str]],
    timeouts: tuple[float, float],
) -> Any:
    """One attempt; the reply's body as decoded JSON.

    Args:
        client: From :func:`open_client`.
        product: Decides the API version.
        action: E.g. ``DescribeInstances``.
        params: For the query and for the form body, flat.
        timeouts: To connect and to read, in seconds.

    Raises:
        CallFailed: see there.

    """
    query, body = params
    try:
        reply = client.call_api(
            utils_models.Params(
                action=action,
                version=VERSIONS[product],
                protocol="HTTPS",
                pathname="/",
                method="POST",
                auth_type="AK",
                style="RPC",
                req_body_type="formData",
                body_type="json",
            ),
            utils_models.OpenApiRequest(query=dict(query), body=dict(body) or None),
            RuntimeOptions(
                connect_timeout=_milliseconds(timeouts[0]), read_timeout=_milliseconds(timeouts[1])
            ),
        )
        return reply["body"]
    except Exception as error:  # noqa: BLE001 - the SDK's exceptions have no common base
        failed = translate(error)
    # Raised here so that the SDK's exception, which holds the signed request, is not its context.
    raise failed


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000.0))  # 0 would mean the SDK's default


def translate(error: Exception) -> CallFailed:
    """An exception of the SDK as :class:`CallFailed` (``spec/alicloud-sdk.md`` 4.1)."""
    if isinstance(error, AlibabaCloudException):
        return _answered(error)
    if isinstance(error, UnretryableException):
        inner = error.inner_exception
        if isinstance(inner, RetryError):
            return _network(inner.__context__)
        if isinstance(inner, CallFailed):
            return inner
        return CallFailed(f"unreadable answer ({type(inner).__name__})", sent="unknown")
    return CallFailed(f"unexpected {type(error).__name__} in the SDK", sent="unknown")


def _answered(error: AlibabaCloudException) -> CallFailed:
    data = error.data if isinstance(error.data, dict) else {}
    status = error.status_code
    retry_after = getattr(error, "retry_after", None)
    return CallFailed(
        _plain(data.get("Message") or data.get("message")) or f"HTTP status {status}",
        code=_plain(error.code),
        http_status=int(status or 0),
        request_id=_plain(error.request_id),
        # Without a status the SDK itself refused, before anything was sent.
        sent="answered" if status else "no",
        retry_after=retry_after / 1000.0 if retry_after else None,
    )


def _plain(value: object) -> str:
    """Text of an optional field; the SDK writes absent ones as the text ``None``."""
    return "" if value is None or value == "None" else str(value)


#: Parts of OpenSSL's texts that say the handshake failed, so no request was sent.
_HANDSHAKE = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "HANDSHAKE", "UNKNOWN_CA")


def _network(cause: BaseException | None) -> CallFailed:
    what, sent = _describe_network(cause)
    return CallFailed(what, sent=sent)


def _describe_network(cause: BaseException | None) -> tuple[str, Sent]:
    """What happened, and whether the request may have reached the cloud.

    ``cause`` is what ``requests`` raised. A read timeout may also be a TLS handshake that took too
    long: the two look alike, so it counts as unknown.
    """
    reason: object = getattr(cause.args[0], "reason", None) if cause and cause.args else None
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return "timeout while connecting", "no"
    if isinstance(reason, urllib3.exceptions.NameResolutionError):
        return "the host name does not resolve", "no"
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return "connection refused or no route to the host", "no"
    if isinstance(cause, requests.exceptions.ProxyError):
        return "the proxy refused", "no"
    if isinstance(cause, requests.exceptions.SSLError):
        text = str(cause).upper()
        handshake = any(part in text for part in _HANDSHAKE)
        return "TLS failed", "no" if handshake else "unknown"
    if isinstance(cause, requests.exceptions.TooManyRedirects):
        return "redirected, which is not followed", "unknown"
    if isinstance(cause, requests.exceptions.Timeout):
        return "timeout while waiting for the answer", "unknown"
    return "connection broken", "unknown"
