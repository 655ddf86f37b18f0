"""The one seam to the cloud: an action, its parameters, and the reply as the cloud sent it.

:class:`SdkCaller` speaks HTTP with the vendor's SDK, generic for every product; the emulator has a
caller that answers in process. Everything above the seam is the same for both. Why generic calls:
``docs/decisions/0003-generic-calls-typed-tests.md``.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from cloudprovider.concurrency import Concurrency, current

if TYPE_CHECKING:
    from cloudprovider_alicloud.api.endpoints import Endpoint
    from cloudprovider_alicloud.credentials import CredentialSource

Product = Literal["slb", "ecs", "vpc", "nlb"]

PRODUCTS: tuple[Product, ...] = get_args(Product)

#: API version of each product (``spec/alicloud.md`` 7.1).
VERSIONS: Mapping[str, str] = {
    "slb": "2014-05-15",
    "ecs": "2014-05-26",
    "vpc": "2016-04-28",
    "nlb": "2022-04-30",
}

#: Whether the request reached the cloud. ``no``: provably not, so nothing happened. ``answered``:
#: the cloud answered with an error. ``unknown``: it may have been carried out.
Sent = Literal["no", "answered", "unknown"]


class CallFailed(Exception):
    """One attempt at one call failed. The text names no credential and no URL.

    Args:
        message: What the cloud or the transport said.
        code: The cloud's error code; empty if there was no readable answer.
        http_status: The HTTP status; 0 if unknown.
        request_id: The cloud's request id, if it gave one.
        sent: Whether the cloud may have acted.
        retry_after: Seconds that the cloud asked to wait, or None.

    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        http_status: int = 0,
        request_id: str = "",
        sent: Sent = "unknown",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.http_status = http_status
        self.request_id = request_id
        self.sent = sent
        self.retry_after = retry_after


class Caller(Protocol):
    """Carries out one attempt of one call."""

    def call(
        self,
        product: Product,
        action: str,
        params: Mapping[str, object],
        *,
        read_timeout: float,
    ) -> dict[str, Any]:
        """Send ``action`` with ``params`` and return the reply's JSON object.

        Args:
            product: Whose API.
            action: E.g. ``DescribeInstances``.
            params: By wire name. Lists and objects may be nested (:func:`flatten`).
            read_timeout: Seconds to wait for the answer.

        Raises:
            CallFailed: no good answer.

        """


def flatten(params: Mapping[str, object]) -> dict[str, str]:
    """``params`` as the wire has them: ``{"Tag": [{"Key": "a"}]}`` becomes ``Tag.1.Key=a``.

    Lists count from 1, booleans are ``true`` and ``false``, None is left out. Flat text stays as
    it is, so flattening twice changes nothing. Source: ``spec/alicloud-sdk.md`` 3.3.
    """
    return dict(_flatten("", params))


def _flatten(prefix: str, value: object) -> Iterator[tuple[str, str]]:
    if value is None:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(f"{prefix}.{key}" if prefix else str(key), item)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value, 1):
            yield from _flatten(f"{prefix}.{index}", item)
    elif isinstance(value, bool):
        yield prefix, "true" if value else "false"
    else:
        yield prefix, str(value)


def json_text(value: object) -> str:
    """``value`` as compact JSON: the form of ``InstanceIds``, ``BackendServers`` and ``Tags``."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


#: NLB sends parameters in a form body, these actions excepted (``spec/alicloud-sdk.md`` 3.3; a unit
#: test compares with the SDK). ListServerGroups has its tags in the query, the rest in the body.
_NLB_IN_QUERY = frozenset(
    {
        "GetJobStatus",
        "GetLoadBalancerAttribute",
        "ListAsynJobs",
        "ListListeners",
        "ListLoadBalancers",
    }
)


def place(
    product: Product, action: str, params: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Flat ``params`` as (query, form body)."""
    if product != "nlb" or action in _NLB_IN_QUERY:
        return dict(params), {}
    query = {
        name: value
        for name, value in params.items()
        if action == "ListServerGroups" and name.startswith("Tag.")
    }
    return query, {name: value for name, value in params.items() if name not in query}


class SdkCaller:
    """Calls over HTTP with the vendor's SDK. Safe for threads; one client for each product.

    The SDK is imported at the first call of :meth:`call` or :meth:`load`.

    Args:
        endpoints: Where each product is served.
        region: The region id.
        credentials: Asked for every call.
        user_agent: Added to the SDK's own, e.g. ``ack.ccm/0.1 ClusterId/c1``.
        connect_timeout: Seconds to connect, at most; the TLS handshake included.
        pool_size: Connections kept for each host; at least the number of calling threads.

    """

    def __init__(
        self,
        endpoints: Mapping[Product, Endpoint],
        *,
        region: str,
        credentials: CredentialSource,
        user_agent: str = "",
        connect_timeout: float = 5.0,
        pool_size: int = 128,
        concurrency: Concurrency | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._region = region
        self._credentials = credentials
        self._user_agent = user_agent
        self._connect_timeout = connect_timeout
        self._pool_size = pool_size
        self._lock = (concurrency or current()).lock()
        self._clients: dict[str, Any] = {}

    def load(self) -> None:
        """Import the SDK and make the clients now; otherwise the first call pays for it."""
        for product in self._endpoints:
            self._client(product)

    def call(
        self,
        product: Product,
        action: str,
        params: Mapping[str, object],
        *,
        read_timeout: float,
    ) -> dict[str, Any]:
        client = self._client(product)
        from cloudprovider_alicloud.api import sdk  # loaded above: nothing without a call needs it

        placed = place(product, action, flatten(params))
        timeouts = (min(self._connect_timeout, read_timeout), read_timeout)
        try:
            body = sdk.send(client, product, action, placed, timeouts)
        except CallFailed as failed:
            failed.message = self._describe(product, failed)
            failed.args = (failed.message,)
            raise
        if not isinstance(body, dict):
            raise CallFailed(f"{self._endpoints[product].host} answered with no JSON object")
        return body

    def _client(self, product: Product) -> Any:
        with self._lock:
            client = self._clients.get(product)
            if client is None:
                from cloudprovider_alicloud.api import sdk  # 45 MiB: not for those who only parse

                endpoint = self._endpoints[product]
                client = self._clients[product] = sdk.open_client(
                    endpoint,
                    region=self._region,
                    credentials=self._credentials,
                    user_agent=self._user_agent,
                    pool_size=self._pool_size,
                    proxy=proxy_for(endpoint),
                )
            return client

    def _describe(self, product: Product, failed: CallFailed) -> str:
        text = self._credentials.get().redact(failed.message)
        return text if failed.sent == "answered" else f"{self._endpoints[product].host}: {text}"


def proxy_for(endpoint: Endpoint) -> str:
    """The proxy that the environment asks for, honouring ``NO_PROXY``; empty = none.

    The SDK would ignore ``NO_PROXY`` (``spec/alicloud-sdk.md`` 4.2).
    """
    proxies = urllib.request.getproxies_environment()
    if urllib.request.proxy_bypass(endpoint.host):
        return ""
    return proxies.get(endpoint.scheme, "")
