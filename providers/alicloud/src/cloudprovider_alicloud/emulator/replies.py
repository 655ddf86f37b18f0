"""Answers, and what may still happen to them on the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from cloudprovider_alicloud.emulator.errors import ApiError


@dataclasses.dataclass(frozen=True)
class Reply:
    """What a call is answered with.

    ``disruption`` is a fault kind that the transport carries out: ``not_sent`` and
    ``crash_before`` (nothing happened), ``lost_answer`` and ``crash_after`` (it happened, no answer
    comes), ``malformed``, ``truncated``. ``delay`` is how long the answer is held back, in seconds.
    """

    status: int = 200
    body: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    disruption: str = ""
    delay: float = 0.0

    @property
    def code(self) -> str:
        """The error code, or an empty string."""
        return "" if self.status < 400 else str(self.body.get("Code", ""))

    @property
    def request_id(self) -> str:
        return str(self.body.get("RequestId", ""))


def success(body: Mapping[str, Any], request_id: str) -> Reply:
    """A result."""
    return Reply(body={**body, "RequestId": request_id})


def failure(error: ApiError, request_id: str) -> Reply:
    """An error body as in ``spec/alicloud-sdk.md`` 3.4; Retry-After is in milliseconds there."""
    body = {
        "RequestId": request_id,
        "HostId": "emulator.aliyuncs.com",
        "Code": error.code,
        "Message": error.message,
        "Recommend": f"https://api.aliyun.com/troubleshoot?q={error.code}",
    }
    headers = {}
    if error.retry_after > 0:
        headers["x-acs-retry-after"] = str(round(error.retry_after * 1000))
    if error.status == 403:
        body["AccessDeniedDetail"] = {"NoPermissionType": "ImplicitDeny"}  # type: ignore[assignment]
    return Reply(status=error.status, body=body, headers=headers)


def emptied(reply: Reply) -> Reply:
    """``reply`` with every list empty and every count zero."""
    if reply.status >= 400:
        return reply
    body: dict[str, Any] = _emptied(reply.body)
    if "TotalCount" in body:
        body["TotalCount"] = 0
    body.pop("NextToken", None)
    return dataclasses.replace(reply, body=body)


def _emptied(value: Any) -> Any:
    if isinstance(value, list):
        return []
    if isinstance(value, Mapping):
        return {name: _emptied(item) for name, item in value.items()}
    return value


def sparse(reply: Reply) -> Reply:
    """``reply`` without empty lists and objects, and with a field that nobody knows."""
    body = _without_empty(reply.body)
    return dataclasses.replace(reply, body={**body, "FieldOfNextYear": "x"})


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {name: _without_empty(item) for name, item in value.items()}
        return {name: item for name, item in inner.items() if item not in ([], {})}
    if isinstance(value, list):
        return [_without_empty(item) for item in value]
    return value
