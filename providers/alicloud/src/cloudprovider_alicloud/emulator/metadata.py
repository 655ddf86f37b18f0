"""The metadata service of an instance (``spec/alicloud.md`` 1.4, ``spec/alicloud-sdk.md`` 5.3)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from cloudprovider_alicloud.emulator.actions import timestamp
from cloudprovider_alicloud.emulator.core import EmulatorCore
from cloudprovider_alicloud.emulator.resources import AccessKey, Instance
from cloudprovider_alicloud.emulator.sts import issue_key
from cloudprovider_alicloud.emulator.world import ACCOUNT

ROOT = "/latest/"
_ROLE = "ram/security-credentials/"
_TTL_HEADER = "x-aliyun-ecs-metadata-token-ttl-seconds"
_TOKEN_HEADER = "x-aliyun-ecs-metadata-token"  # noqa: S105 - a header's name

Answer = tuple[int, str, str]  # status, content type, body


class MetadataService:
    """Answers below ``/latest/`` for one instance, by default the newest one."""

    def __init__(self, core: EmulatorCore) -> None:
        self._core = core
        self._tokens: dict[str, float] = {}
        self._role_key = ""
        self.instance_id = ""  #: whose metadata; empty = the newest instance's

    def handle(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        """Status, content type and body for ``path``; ``headers`` have lower-case names."""
        if path == f"{ROOT}api/token":
            return self._token(method, headers)
        if method != "GET":
            return 405, "text/plain", "Method Not Allowed"
        if not self._may_read(headers):
            return 401, "text/plain", "Unauthorized"
        prefix = f"{ROOT}meta-data/"
        if not path.startswith(prefix):
            return _not_found()
        return self._read(path.removeprefix(prefix))

    def _token(self, method: str, headers: Mapping[str, str]) -> Answer:
        ttl = headers.get(_TTL_HEADER, "")
        if method != "PUT":
            return 405, "text/plain", "Method Not Allowed"
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21_600:
            return 400, "text/plain", "Bad Request"
        core = self._core
        with core.lock:
            text = f"{core.state.seed}/imds/{core.state.count('imds')}"
            token = hashlib.sha256(text.encode()).hexdigest()
            self._tokens[token] = core.now() + int(ttl)
        return 200, "text/plain", token

    def _may_read(self, headers: Mapping[str, str]) -> bool:
        """Version 2 with a token that is still good; version 1 without one, unless forbidden."""
        token = headers.get(_TOKEN_HEADER)
        if token is None:
            return not self._core.settings.imds_v2_only
        return self._tokens.get(token, 0.0) > self._core.now()

    def _read(self, name: str) -> Answer:
        if name.startswith(_ROLE.rstrip("/")):
            return self._role(name.removeprefix(_ROLE).strip("/"))
        with self._core.lock:
            values = self._values()
        if not name:
            return 200, "text/plain", "\n".join(sorted(values))
        value = values.get(name)
        return _not_found() if value is None else (200, "text/plain", value)

    def _values(self) -> dict[str, str]:
        """Every plain value; what the instance does not have is absent."""
        state = self._core.state
        instance = self._instance()
        vpc = state.vpcs.get(instance.vpc)
        vswitch = state.vswitches.get(instance.vswitch)
        interface = state.network_interfaces.get(instance.eni)
        address = instance.private_ips[0] if instance.private_ips else ""
        values = {
            "region-id": instance.region,
            "zone-id": instance.zone,
            "instance-id": instance.id,
            "hostname": instance.host_name,
            "image-id": "aliyun_3_x64_20G_alibase_20240528.vhd",
            "mac": interface.mac if interface is not None else "",
            "network-type": "vpc",
            "owner-account-id": ACCOUNT,
            "private-ipv4": address,
            "eipv4": state.eips[instance.eip].address if instance.eip else "",
            "serial-number": hashlib.sha256(instance.id.encode()).hexdigest()[:32],
            "source-address": "http://mirrors.cloud.aliyuncs.com",
            "vpc-id": instance.vpc,
            "vpc-cidr-block": vpc.cidr if vpc is not None else "",
            "vswitch-id": instance.vswitch,
            "vswitch-cidr-block": vswitch.cidr if vswitch is not None else "",
            "dns-conf/nameservers": "100.100.2.136\n100.100.2.138",
            "ntp-conf/ntp-servers": "ntp1.aliyun.com\nntp2.aliyun.com",
        }
        return {name: value for name, value in values.items() if value}

    def _instance(self) -> Instance:
        instances = self._core.state.instances
        chosen = instances.get(self.instance_id)
        if chosen is not None:
            return chosen
        return next(reversed(instances.values()))

    def _role(self, role: str) -> Answer:
        name = self._core.settings.role_name
        if not role:
            return (200, "text/plain", name) if name else _not_found()
        if role != name:
            return _not_found()
        with self._core.lock:
            key, now = self._role_credential(), self._core.now()
        body = {
            "Code": "Success",
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "SecurityToken": key.security_token,
            "Expiration": timestamp(key.expires),
            "LastUpdated": timestamp(now),
        }
        return 200, "application/json", json.dumps(body)

    def _role_credential(self) -> AccessKey:
        """The role's key; a new one once half of its time is over."""
        core, lifetime = self._core, self._core.settings.role_credential_seconds
        key = core.state.access_keys.get(self._role_key)
        if key is None or key.expires - core.now() < lifetime / 2:
            key = issue_key(core.state, account=ACCOUNT, expires=core.now() + lifetime)
            self._role_key = key.id
        return key


def _not_found() -> Answer:
    return 404, "text/plain", "Not Found"
