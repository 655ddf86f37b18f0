"""What the API server answers when it does not do what was asked.

Source: the ``Status`` object of Kubernetes; ``spec/ccm-core.md`` 3.1.3 (409 is two things).
"""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from cloudprovider.concurrency import current

if TYPE_CHECKING:
    from cloudprovider_controllers.runtime.transport import Response


#: Seconds to wait after 429 without a usable Retry-After, and at least with one.
_DEFAULT_RETRY_AFTER = 1.0
_MIN_RETRY_AFTER = 0.1


class ApiError(Exception):
    """The API server refused a request, or its answer made no sense.

    Args:
        status: HTTP status, or the ``code`` of an ERROR event.
        reason: The machine-readable reason, e.g. ``Conflict``; may be empty.
        message: One sentence for a person.
        retry_after: Seconds after which the server wants to be asked again, if it said so.

    """

    def __init__(
        self, status: int, reason: str = "", message: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message or reason or f"HTTP status {status}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    def __str__(self) -> str:
        detail = f"{self.status} {self.reason}".strip()
        return f"{self.message} ({detail})" if self.message else f"API server answered {detail}"


class BadRequest(ApiError):
    """400: the request is not understood."""


class Unauthorized(ApiError):
    """401: the credentials are missing, expired or wrong."""


class Forbidden(ApiError):
    """403: the identity lacks the permission."""


class NotFound(ApiError):
    """404: there is no such object."""


class Conflict(ApiError):
    """409: the object changed since it was read."""


class AlreadyExists(ApiError):
    """409: an object of that name exists."""


class Gone(ApiError):
    """410: the resource version or continue token is too old; list again."""


class Invalid(ApiError):
    """422: validation or admission refused the object."""


class TooManyRequests(ApiError):
    """429: slow down."""


class Unavailable(ApiError):
    """503: the server cannot answer right now."""


class MalformedResponse(ApiError):
    """The status was fine, the body was not. A write may have been carried out."""


_BY_REASON: dict[str, type[ApiError]] = {
    "BadRequest": BadRequest,
    "Unauthorized": Unauthorized,
    "Forbidden": Forbidden,
    "NotFound": NotFound,
    "Conflict": Conflict,
    "AlreadyExists": AlreadyExists,
    "Gone": Gone,
    "Expired": Gone,
    "Invalid": Invalid,
    "TooManyRequests": TooManyRequests,
    "ServiceUnavailable": Unavailable,
}
_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
    503: Unavailable,
}


class _Details(msgspec.Struct, rename="camel"):
    retry_after_seconds: float | None = None


class _Status(msgspec.Struct):
    code: int | None = None
    reason: str | None = None
    message: str | None = None
    details: _Details | None = None


_STATUS = msgspec.json.Decoder(_Status)


def api_error(response: Response) -> ApiError:
    """The error that ``response`` (status 400 or higher) stands for.

    A body that is no Status (a proxy's page) is left out: it may be anything.
    """
    try:
        status = _STATUS.decode(response.data)
    except msgspec.DecodeError:
        status = _Status()
    after = retry_after(response.headers)
    return _error(response.status, status, after)


def error_from_status(data: bytes | msgspec.Raw) -> ApiError:
    """The error in the ``object`` of a watch event of type ERROR.

    Raises:
        msgspec.DecodeError: it is no Status.

    """
    status = _STATUS.decode(data)
    return _error(status.code or 500, status, None)


def _error(code: int, status: _Status, after: float | None) -> ApiError:
    if after is None and status.details is not None:
        after = status.details.retry_after_seconds or None
    reason = status.reason or ""
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(code, ApiError)
    return kind(code, reason, status.message or "", after)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds in the header Retry-After, given as seconds or as a date; None if unusable."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value)) if value.isdecimal() else _seconds_until(value)
    except (ValueError, TypeError, OverflowError):
        return None


def retry_delay(response: Response) -> float:
    """Seconds to wait before the same request is sent again; negative: do not.

    Both statuses say that nothing was carried out, so this holds for writes too.
    """
    after = retry_after(response.headers)
    if response.status == 429:
        return _DEFAULT_RETRY_AFTER if after is None else max(after, _MIN_RETRY_AFTER)
    if response.status == 503 and after is not None:
        return max(after, _MIN_RETRY_AFTER)
    return -1.0


def _seconds_until(date: str) -> float:
    when: datetime.datetime = email.utils.parsedate_to_datetime(date)
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return max(0.0, (when - current().now()).total_seconds())


class WritesStopped(Exception):
    """Leadership is lost or the process is stopping: nothing may be written any more (R5)."""


def is_conflict(error: BaseException | None) -> bool:
    """Whether ``error``, or an error it was raised from, says that the object changed meanwhile."""
    while error is not None:
        if isinstance(error, Conflict):
            return True
        error = error.__cause__
    return False
