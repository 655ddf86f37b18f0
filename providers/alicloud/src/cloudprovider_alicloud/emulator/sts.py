"""STS 2015-04-01: temporary keys (``spec/alicloud-sdk.md`` 5.3)."""

from __future__ import annotations

import hashlib
from typing import Any

from cloudprovider_alicloud.emulator.actions import Action, Call, timestamp
from cloudprovider_alicloud.emulator.params import integer, text
from cloudprovider_alicloud.emulator.resources import AccessKey
from cloudprovider_alicloud.emulator.state import State


def issue_key(state: State, *, account: str, expires: float) -> AccessKey:
    """A new temporary key that is accepted until ``expires`` (POSIX seconds)."""
    number = state.count("sts")
    digest = hashlib.sha256(f"{state.seed}/sts/{number}".encode()).hexdigest()
    return state.put(
        AccessKey(
            id=f"STS.{digest[:20].upper()}",
            secret=digest[20:50],
            security_token=f"CAIS{digest}",
            account=account,
            expires=expires,
        )
    )


def assume_role(call: Call) -> dict[str, Any]:
    """AssumeRole, and AssumeRoleWithOIDC without looking into its token."""
    expires = call.time + call.number("DurationSeconds", 3600)
    key = issue_key(call.state, account=call.account, expires=expires)
    session = call.text("RoleSessionName", "session")
    return {
        "Credentials": {
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "SecurityToken": key.security_token,
            "Expiration": timestamp(expires),
        },
        "AssumedRoleUser": {
            "Arn": f"{call.text('RoleArn')}/{session}",
            "AssumedRoleId": f"300000000000000000:{session}",
        },
    }


_PARAMS = (
    text("RoleArn", required=True),
    text("RoleSessionName"),
    text("Policy"),
    text("ExternalId"),
    integer("DurationSeconds", 900, 43200),
)

ACTIONS = (
    Action("sts", "AssumeRole", assume_role, _PARAMS, key="RoleArn", regional=False),
    Action(
        "sts",
        "AssumeRoleWithOIDC",
        assume_role,
        (
            *_PARAMS,
            text("OIDCProviderArn", required=True),
            text("OIDCToken", required=True),
        ),
        key="RoleArn",
        regional=False,
    ),
)

#: Actions that need no signature: the token in the parameters is the proof.
UNSIGNED = frozenset({("sts", "AssumeRoleWithOIDC")})
