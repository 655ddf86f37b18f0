"""Where each product's API is served. Pure; no SDK, no I/O.

The SDK's own choice ignores ``network=vpc`` for most regions of CLB, so the endpoint is always
computed here and given to it (``spec/alicloud-sdk.md`` 7).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from cloudprovider.errors import InvalidConfiguration
from cloudprovider_alicloud.api.caller import PRODUCTS, Product

Network = Literal["vpc", "public"]
Scheme = Literal["https", "http"]

#: Regions without published ``-vpc`` endpoints: to be configured by hand.
NO_VPC_ENDPOINT = frozenset({"cn-hangzhou-finance", "cn-north-2-gov-1"})

_CENTRAL = (
    "cn-hangzhou cn-shanghai-finance-1 cn-shenzhen-finance-1 cn-north-2-gov-1 cn-hangzhou-finance"
)

#: Public endpoints that do not follow the pattern, as the SDK's clients know them; regions that are
#: not for customers left out. A unit test compares this with the SDK.
PUBLIC: Mapping[str, Mapping[str, str]] = {
    "slb": dict.fromkeys(
        (
            f"{_CENTRAL} cn-qingdao cn-beijing cn-shanghai cn-shenzhen cn-hongkong ap-southeast-1"
            " us-east-1 us-west-1"
        ).split(),
        "slb.aliyuncs.com",
    ),
    "vpc": dict.fromkeys(_CENTRAL.split(), "vpc.aliyuncs.com"),
    "ecs": {
        "cn-hangzhou": "ecs-cn-hangzhou.aliyuncs.com",
        "cn-shanghai-finance-1": "ecs-cn-hangzhou.aliyuncs.com",
        "cn-shenzhen-finance-1": "ecs-cn-hangzhou.aliyuncs.com",
        "cn-north-2-gov-1": "ecs.aliyuncs.com",
        "cn-hangzhou-finance": "ecs.aliyuncs.com",
    },
    "nlb": {},
}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Host, with port if it has one, and scheme."""

    host: str
    scheme: Scheme = "https"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}"


def variable(product: Product) -> str:
    """The environment variable that overrides the endpoint of ``product``."""
    return f"{product.upper()}_ENDPOINT"


def endpoints(
    region: str,
    *,
    network: Network,
    overrides: Mapping[str, str],
    scheme: Scheme,
) -> dict[Product, Endpoint]:
    """The endpoint of every product in ``region``.

    Args:
        region: E.g. ``cn-hangzhou``.
        network: ``vpc`` (reachable from inside a VPC of the region) or ``public``.
        overrides: By product: a host or URL to use instead. A URL's scheme wins.
        scheme: For hosts and computed endpoints.

    Raises:
        InvalidConfiguration: an override is no host, or the region needs one.

    """
    return {
        product: (
            parse(overrides[product], field=variable(product), scheme=scheme)
            if overrides.get(product)
            else Endpoint(_host(product, region, network), scheme)
        )
        for product in PRODUCTS
    }


def parse(value: str, *, field: str, scheme: Scheme) -> Endpoint:
    """A host, ``host:port`` or URL as an :class:`Endpoint`.

    Raises:
        InvalidConfiguration: it is none of these; names ``field``.

    """
    text = value.strip()
    error = InvalidConfiguration(
        "not an endpoint", field=field, value=text, accepted="host, host:port, http(s)://host:port"
    )
    try:
        parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
        port = parts.port
    except ValueError:
        raise error from None
    if parts.username or parts.password:
        # A password in the URL must not be shown.
        error = InvalidConfiguration("an endpoint takes no user", field=field, accepted="host:port")
        raise error
    if parts.path not in {"", "/"} or parts.query or parts.fragment or not parts.hostname:
        raise error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if parts.scheme == "http":
        return Endpoint(host if port is None else f"{host}:{port}", "http")
    if parts.scheme == "https":
        return Endpoint(host if port is None else f"{host}:{port}", "https")
    raise error


def _host(product: Product, region: str, network: Network) -> str:
    if network == "public":
        return PUBLIC[product].get(region, f"{product}.{region}.aliyuncs.com")
    if region in NO_VPC_ENDPOINT:
        raise InvalidConfiguration(
            f"region {region} has no endpoint inside the VPC",
            field=variable(product),
            accepted="the endpoint's host name, or network public",
        )
    return f"{product}-vpc.{region}.aliyuncs.com"
