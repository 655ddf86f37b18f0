"""A refusal to create a load balancer in the words of whoever has to correct it. Pure.

The cloud names its own parameter at best; a user knows the annotation, an operator the key of the
cloud config. Codes: ``spec/alicloud.md`` 7.2 (SLB 1), 7.4.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping
from typing import Any

from cloudprovider.errors import CloudProviderError, InvalidConfiguration
from cloudprovider.toolkit.annotations import Field, Values
from cloudprovider_alicloud import annotations as keys


@dataclasses.dataclass(frozen=True)
class _Culprit:
    code: str  #: pattern of the cloud's codes
    parameter: str  #: of CreateLoadBalancer
    annotation: Field[Any]
    accepted: str
    config_key: str = ""  #: where the value comes from if not from the annotation


_CULPRITS = (
    _Culprit(
        "InvalidVSwitchId*",
        "VSwitchId",
        keys.VSWITCH,
        "the id of a vSwitch in the cluster's VPC",
        "Global.vswitchid",
    ),
    _Culprit(
        "InvalidResourceGroup*",
        "ResourceGroupId",
        keys.RESOURCE_GROUP_ID,
        "the id of a resource group of the account",
        "Global.resourceGroupID",
    ),
    _Culprit("InvalidZoneId*", "MasterZoneId", keys.MASTER_ZONE, "a zone of the region"),
    _Culprit("ObtainIpFail", "Address", keys.IP, "a free address of the vSwitch"),
)


def explained(
    error: CloudProviderError, params: Mapping[str, object], values: Values
) -> CloudProviderError:
    """``error`` of CreateLoadBalancer with ``params``, naming the field at fault if it is known."""
    for culprit in _CULPRITS:
        value = params.get(culprit.parameter)
        if not value or not fnmatch.fnmatchcase(error.code, culprit.code):
            continue
        annotated = culprit.annotation in values
        field = keys.ANNOTATIONS.full_key(culprit.annotation) if annotated else culprit.config_key
        if field:
            return InvalidConfiguration(
                error.message,
                field=field,
                value=value,
                accepted=culprit.accepted,
                code=error.code,
                request_id=error.request_id,
            )
    return error
