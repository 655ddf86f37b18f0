"""Error answers of the emulated APIs.

Codes, HTTP statuses and texts are those of ``spec/alicloud-sdk.md`` 3.4 (gateway),
``spec/alicloud.md`` 7.2 and 7.4 (products).
"""

from __future__ import annotations


class ApiError(Exception):
    """A refusal: what the service answers instead of a result."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after  #: seconds; sent as ``x-acs-retry-after`` when positive


def missing(parameter: str) -> ApiError:
    """A required parameter is absent."""
    return ApiError(
        400,
        f"Missing{parameter.replace('.', '')}",
        f'The input parameter "{parameter}" that is mandatory for processing this request '
        "is not supplied.",
    )


def invalid(parameter: str, reason: str = "is not valid") -> ApiError:
    """A parameter has the wrong type, or is out of its range."""
    return ApiError(
        400,
        f"Invalid{parameter.replace('.', '')}",
        f'The specified parameter "{parameter}" {reason}.',
    )


def load_balancer_not_found() -> ApiError:
    """No load balancer has this id."""
    return ApiError(
        404, "InvalidLoadBalancerId.NotFound", "The specified LoadBalancerId does not exist."
    )


def listener_not_found() -> ApiError:
    """No listener is on this port."""
    return ApiError(404, "ListenerNotFound", "The specified listener does not exist.")


def vserver_group_not_found() -> ApiError:
    """No group has this id (on this load balancer)."""
    return ApiError(404, "InvalidParameter", "The specified VServerGroupId does not exist.")
