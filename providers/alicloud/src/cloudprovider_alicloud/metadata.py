"""The metadata service of the instance that this process runs on.

Asked once at the start for what the configuration leaves open. Token mode first (IMDSv2), no proxy,
no redirect, short answers only. Source: ``spec/alicloud.md`` 1.4; ``spec/reliability.md`` 4.4.
"""

from __future__ import annotations

import dataclasses
import http.client
import logging
import re
from typing import Protocol

from cloudprovider.concurrency import Concurrency, current
from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider_alicloud.api.endpoints import parse
from cloudprovider_alicloud.config import REGION, AlicloudConfig, VSwitch

_log = logging.getLogger(__name__)

ADDRESS = "100.100.100.200"

#: Attempts, and seconds between them, where the process cannot start without the answer.
ATTEMPTS, PAUSE = 5, 0.2

#: Seconds to connect and to answer. The service is on the same host, so it answers in milliseconds
#: or, outside the cloud, never.
TIMEOUT = 0.5

_LONGEST = 64 * 1024
_VALUE = re.compile(r"[A-Za-z0-9._:/-]{1,256}")


class MetadataError(CloudProviderError):
    """The metadata service gave no usable answer."""


class Metadata(Protocol):
    """What :func:`complete` asks."""

    def get(self, path: str) -> str:
        """The value at ``path`` under ``/latest/meta-data/``.

        Raises:
            MetadataError: no usable answer.

        """


class MetadataService:
    """The service over HTTP.

    Args:
        endpoint: Host, ``host:port`` or URL; empty = the cloud's own address.
        timeout: Seconds for each exchange.

    Raises:
        InvalidConfiguration: ``endpoint`` is none.

    """

    def __init__(self, endpoint: str = "", *, timeout: float = TIMEOUT) -> None:
        address = endpoint.removesuffix("/").removesuffix("/latest/meta-data") or ADDRESS
        self.endpoint = parse(address, field="METADATA_ENDPOINT", scheme="http")
        self._timeout = timeout
        self._token: str | None = None

    def get(self, path: str) -> str:
        if self._token is None:
            self._token = self._fetch_token()
        headers = {"X-aliyun-ecs-metadata-token": self._token} if self._token else {}
        status, text = self._exchange("GET", f"/latest/meta-data/{path}", headers)
        if status != 200 or not _VALUE.fullmatch(text):
            raise MetadataError(f"the metadata service has no {path} (HTTP status {status})")
        return text

    def _fetch_token(self) -> str:
        headers = {"X-aliyun-ecs-metadata-token-ttl-seconds": "21600"}
        status, text = self._exchange("PUT", "/latest/api/token", headers)
        return text if status == 200 and text.isprintable() else ""

    def _exchange(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        kind = (
            http.client.HTTPSConnection
            if self.endpoint.scheme == "https"
            else http.client.HTTPConnection
        )
        connection = kind(self.endpoint.host, timeout=self._timeout)
        try:
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(_LONGEST).decode("ascii", "replace").strip()
        except (OSError, http.client.HTTPException) as error:
            raise MetadataError(
                f"the metadata service at {self.endpoint} does not answer ({type(error).__name__})"
            ) from error
        finally:
            connection.close()


def complete(
    config: AlicloudConfig, metadata: Metadata, *, concurrency: Concurrency | None = None
) -> AlicloudConfig:
    """``config`` with what the metadata service knows filled in.

    The region is needed, so it is asked for repeatedly. VPC, zone and vSwitch are taken only if
    this machine is in the configured region (and VPC); without an answer they stay empty.

    Raises:
        InvalidConfiguration: there is no region.

    """
    if not config.region:
        config = dataclasses.replace(
            config, region=_region(metadata, concurrency=concurrency or current())
        )
        config.endpoints()
    if config.vpc_id and config.zone_id and config.vswitches:
        return config
    try:
        return _place(config, metadata)
    except MetadataError as error:
        _log.info("%s; VPC, zone and vSwitch stay as configured", error.message)
        return config


def _place(config: AlicloudConfig, metadata: Metadata) -> AlicloudConfig:
    if metadata.get("region-id") != config.region:
        return config
    vpc_id = metadata.get("vpc-id")
    if config.vpc_id not in {"", vpc_id}:
        return config
    zone_id = metadata.get("zone-id")
    vswitches = config.vswitches or (VSwitch(metadata.get("vswitch-id"), zone_id),)
    return dataclasses.replace(
        config, vpc_id=vpc_id, zone_id=config.zone_id or zone_id, vswitches=vswitches
    )


def _region(metadata: Metadata, *, concurrency: Concurrency) -> str:
    for attempt in range(ATTEMPTS):
        if attempt:
            concurrency.sleep(PAUSE)
        try:
            region = metadata.get("region-id")
        except MetadataError as error:
            problem = error.message
        else:
            if REGION.fullmatch(region):
                return region
            problem = "the metadata service answered with no region id"
    raise InvalidConfiguration(
        f"not set, and {problem}", field="Global.region", accepted="a region id such as cn-hangzhou"
    )
