"""What a failed call means: whether to try again at once, and what to tell the controller.

Pure tables. Codes: ``spec/alicloud-sdk.md`` 3.4, 8.3; ``spec/alicloud.md`` 7.2, 7.4.
The HTTP status differs between product pages, so codes decide, never a status alone.
"""

from __future__ import annotations

import dataclasses
import enum
import fnmatch
from collections.abc import Iterable, Mapping

from cloudprovider import errors
from cloudprovider_alicloud.api.caller import CallFailed, Product


class AmbiguousOutcome(errors.CloudProviderError):
    """A write may or may not have been carried out: describe, then decide."""


class Operation(enum.Enum):
    """How a call may be repeated."""

    READ = "read"
    IDEMPOTENT_WRITE = "write with client token"
    WRITE = "write"

    @classmethod
    def of(cls, *, idempotent: bool, write: bool) -> Operation:
        """From the two facts that the caller knows."""
        if not write:
            return cls.READ
        return cls.IDEMPOTENT_WRITE if idempotent else cls.WRITE


class Failure(enum.Enum):
    """The class of a failed attempt, in the words of ``spec/alicloud-sdk.md`` 8.3."""

    THROTTLED = "throttled"
    NOT_SENT = "not sent"
    AMBIGUOUS = "ambiguous"
    BUSY = "busy"
    PERMANENT = "permanent"
    CLOCK = "clock or signature"
    CREDENTIAL = "credential"


class Retry(enum.Enum):
    """What to do about it within the call."""

    YES = "again with full jitter"
    SHORT = "again after 1 to 3 s, at most 5 times"
    ONCE = "once more"
    REFRESH = "once more with refreshed credentials"
    DESCRIBE = "ask the caller to describe, then decide"
    NO = "give up"


#: The table of ``spec/alicloud-sdk.md`` 8.3: reads, writes with a client token, writes without.
MATRIX: Mapping[Failure, Mapping[Operation, Retry]] = {
    failure: dict(zip(Operation, row, strict=True))
    for failure, row in {
        Failure.THROTTLED: (Retry.YES, Retry.YES, Retry.YES),
        Failure.NOT_SENT: (Retry.YES, Retry.YES, Retry.YES),
        Failure.AMBIGUOUS: (Retry.YES, Retry.YES, Retry.DESCRIBE),
        Failure.BUSY: (Retry.NO, Retry.SHORT, Retry.SHORT),
        Failure.PERMANENT: (Retry.NO, Retry.NO, Retry.NO),
        Failure.CLOCK: (Retry.ONCE, Retry.ONCE, Retry.ONCE),
        Failure.CREDENTIAL: (Retry.REFRESH, Retry.REFRESH, Retry.REFRESH),
    }.items()
}

_BUSY = (
    "SystemBusy",
    "OperationBusy",
    "ServiceIsStopping",
    "ServiceIsConfiguring",
    "BackendServer.configuring",
    "VServerGroupProcessing",
    "ProcessingSameRequest",
    "OperationConflict",
    "TaskConflict",
    "IncorrectStatus*",
    "Incorrect*Status",
    "InvalidStatus.RouteEntry",
    "Conflict.Lock",
    "InvalidOperation.Conflict",
)
_CLOCK = ("InvalidTimeStamp.Expired", "SignatureNonceUsed")
_CREDENTIAL = ("InvalidSecurityToken*", "InvalidAccessKeyId*")
_FORBIDDEN = (
    "Forbidden*",
    "NoPermission*",
    "Unauthorized*",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidCredentials",
    "InvalidTimeStamp.*",
    *_CREDENTIAL,
)
_QUOTA = (
    "OverQuota",
    "QuotaExceeded*",
    "QuotaInsufficient*",
    "*OverLimit",
    "*LimitExceed*",
    "TagCountLimit*",
    "VipTooManyListeners",
    "TooManyBackendServers",
    "InsufficientCapacity",
    "VSwitchAvailableIpNotExist",
    "ObtainIpFail",
)

#: The allow-list: codes that say that the thing itself is not there. A vSwitch or certificate that
#: a create names wrongly is not on it: that is no absence of the balancer.
_NOT_FOUND: Mapping[str, type[errors.NotFound]] = {
    "InvalidInstanceId.NotFound": errors.InstanceNotFound,
    "InvalidLoadBalancerId.NotFound": errors.ResourceNotFound,
    "ListenerNotFound": errors.ResourceNotFound,
    "InvalidResourceId.NotFound": errors.ResourceNotFound,
    "InvalidRouteEntry.NotFound": errors.ResourceNotFound,
    "InvalidEniId.NotFound": errors.ResourceNotFound,
    "InvalidSecurityGroupId.NotFound": errors.ResourceNotFound,
    "ResourceNotFound.loadBalancer": errors.ResourceNotFound,
    "ResourceNotFound.listener": errors.ResourceNotFound,
    "ResourceNotFound.serverGroup": errors.ResourceNotFound,
}

#: A server group that is gone answers 404 with a code that means anything elsewhere.
_GROUP_ACTIONS = frozenset(
    {
        "DescribeVServerGroupAttribute",
        "SetVServerGroupAttribute",
        "AddVServerGroupBackendServers",
        "RemoveVServerGroupBackendServers",
        "ModifyVServerGroupBackendServers",
        "DeleteVServerGroup",
    }
)

#: Things that the user's configuration names and that do not exist.
_WRONG_REFERENCE = (
    "InvalidVpcId.NotFound",
    "InvalidVSwitchId.NotFound",
    "InvalidZoneId.NotFound",
    "InvalidResourceGroup*.NotFound",
    "CertificateNotFound",
    "InvalidServerCertificateId.NotFound",
    "InvalidRouteTableId.NotFound",
)

#: What the operator can do about a refusal of our credentials, by code.
_ADVICE: Mapping[str, str] = {
    "InvalidAccessKeyId.Inactive": "the access key is disabled: enable it or use another",
    "InvalidAccessKeyId*": (
        "the access key id is unknown to the cloud: check Global.accessKeyID in the cloud config,"
        " or ACCESS_KEY_ID, and restart the manager"
    ),
    "SignatureDoesNotMatch": (
        "the secret does not belong to the access key id: check Global.accessKeySecret in the"
        " cloud config, or ACCESS_KEY_SECRET, and restart the manager"
    ),
    "IncompleteSignature": "the request was changed on its way: check the proxy",
    "InvalidTimeStamp*": "this machine's clock is wrong by more than 15 minutes: set it",
    "InvalidSecurityToken*": "the session token has expired or is not valid",
    "InvalidCredentials": "no credentials: set Global.accessKeyID and Global.accessKeySecret",
    "*": "the RAM user or role of the access key lacks this permission: allow it in its policy",
}

BUSY_AFTER, THROTTLED_AFTER = 5.0, 10.0


@dataclasses.dataclass(frozen=True)
class Call:
    """The facts about a call that its errors need."""

    product: Product
    action: str
    operation: Operation
    region: str = ""


def classify(failed: CallFailed) -> Failure:
    """The class of ``failed``; the first that fits."""
    code = failed.code
    if "Throttling" in code or failed.retry_after is not None:
        return Failure.THROTTLED
    for patterns, failure in (
        (_BUSY, Failure.BUSY),
        (_CLOCK, Failure.CLOCK),
        (_CREDENTIAL, Failure.CREDENTIAL),
    ):
        if _matches(code, patterns):
            return failure
    if failed.sent == "no":
        return Failure.PERMANENT if code else Failure.NOT_SENT
    if failed.sent == "unknown" or failed.http_status >= 500 or not code:
        return Failure.AMBIGUOUS
    return Failure.PERMANENT


def to_error(failed: CallFailed, call: Call) -> errors.CloudProviderError:
    """What the controller is told when trying again within the call did not help."""
    failure = classify(failed)
    if failure is Failure.THROTTLED:
        return errors.Throttled(
            _text(failed, call), after=failed.retry_after or THROTTLED_AFTER, **_origin(failed)
        )
    if failure is Failure.BUSY:
        return errors.RetryLater(_text(failed, call), after=BUSY_AFTER, **_origin(failed))
    if failure is Failure.AMBIGUOUS and call.operation is not Operation.READ:
        return AmbiguousOutcome(_text(failed, call), **_origin(failed))
    if failure in {Failure.AMBIGUOUS, Failure.NOT_SENT}:
        return errors.CloudProviderError(_text(failed, call), **_origin(failed))
    return _permanent(failed, call)


def _permanent(failed: CallFailed, call: Call) -> errors.CloudProviderError:
    code = failed.code
    if found := _not_found(failed, call):
        return found(_text(failed, call), **_origin(failed))
    if _matches(code, _FORBIDDEN):
        return _unauthorized(failed, call)
    if _matches(code, _QUOTA):
        return errors.QuotaExceeded(_text(failed, call), **_origin(failed))
    if code.startswith("InvalidRegionId"):
        return errors.InvalidConfiguration(
            "the cloud does not know this region",
            field="Global.region",
            value=call.region,
            accepted="a region id such as cn-hangzhou; it is read when the manager starts",
            **_origin(failed),
        )
    if _matches(code, _WRONG_REFERENCE):
        return errors.InvalidConfiguration(_text(failed, call), **_origin(failed))
    return errors.CloudProviderError(_text(failed, call), **_origin(failed))


def _not_found(failed: CallFailed, call: Call) -> type[errors.NotFound] | None:
    if (
        failed.code == "InvalidParameter"
        and failed.http_status == 404
        and call.product == "slb"
        and call.action in _GROUP_ACTIONS
    ):
        return errors.ResourceNotFound
    return _NOT_FOUND.get(failed.code)


def _unauthorized(failed: CallFailed, call: Call) -> errors.Unauthorized:
    # The cloud's own text may quote the signed request, so it is left out.
    advice = next(text for code, text in _ADVICE.items() if fnmatch.fnmatchcase(failed.code, code))
    message = f"{call.product}:{call.action} refused: {advice}"
    return errors.Unauthorized(message, **_origin(failed))


def _text(failed: CallFailed, call: Call) -> str:
    """One line for a person, without control characters, of bounded length."""
    said = "".join(char if char.isprintable() else " " for char in failed.message)
    text = f"{call.product}:{call.action}: {said[:300]}"
    if classify(failed) is Failure.NOT_SENT:
        text += (
            f"; check Global.region ({call.region}) and Global.network (vpc or public) in the cloud"
            f" config, or set the endpoint with {call.product.upper()}_ENDPOINT"
        )
    return text


def _origin(failed: CallFailed) -> dict[str, str]:
    return {"code": failed.code, "request_id": failed.request_id}


def _matches(code: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(code, pattern) for pattern in patterns)
