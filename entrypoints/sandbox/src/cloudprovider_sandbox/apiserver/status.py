"""Refusals, worded as kube-apiserver's and shaped as ``metav1.Status``.

Source: apimachinery ``api/errors`` and ``util/validation/field``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudprovider_sandbox.apiserver.resources import Resource


class StatusError(Exception):
    """A request that is refused.

    Args:
        code: HTTP status.
        reason: Status reason, e.g. ``NotFound``.
        message: One sentence.
        details: The Status details, without ``causes`` if there are none.
        retry_after: Seconds for the Retry-After header; 0 = no header.

    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        """The Status object."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


@dataclasses.dataclass(frozen=True)
class FieldError:
    """One invalid field: a cause of a 422."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def _quoted(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def invalid_value(field: str, value: Any, detail: str) -> FieldError:
    """``field: Invalid value: "value": detail``."""
    return FieldError("FieldValueInvalid", field, f"Invalid value: {_quoted(value)}: {detail}")


def required(field: str, detail: str = "") -> FieldError:
    """``field: Required value``."""
    return FieldError(
        "FieldValueRequired", field, f"Required value{': ' + detail if detail else ''}"
    )


def forbidden_field(field: str, detail: str) -> FieldError:
    """``field: Forbidden: detail``."""
    return FieldError("FieldValueForbidden", field, f"Forbidden: {detail}")


def duplicate(field: str, value: Any, detail: str = "") -> FieldError:
    """``field: Duplicate value: "value": detail``."""
    text = f"Duplicate value: {_quoted(value)}"
    return FieldError("FieldValueDuplicate", field, f"{text}: {detail}" if detail else text)


def too_long(field: str, limit: int) -> FieldError:
    """``field: Too long: may not be more than limit bytes``."""
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def unsupported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    """``field: Unsupported value: "value": supported values: …``."""
    allowed = ", ".join(_quoted(item) for item in supported)
    message = f"Unsupported value: {_quoted(value)}: supported values: {allowed}"
    return FieldError("FieldValueNotSupported", field, message)


def _details(resource: Resource, name: str, **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return details | {"kind": resource.plural} | more


def not_found(resource: Resource, name: str) -> StatusError:
    """404 NotFound."""
    message = f'{resource.qualified} "{name}" not found'
    return StatusError(404, "NotFound", message, details=_details(resource, name))


def already_exists(resource: Resource, name: str) -> StatusError:
    """409 AlreadyExists."""
    message = f'{resource.qualified} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, details=_details(resource, name))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(resource: Resource, name: str, why: str = MODIFIED) -> StatusError:
    """409 Conflict."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, details=_details(resource, name))


def uid_conflict(resource: Resource, name: str, wanted: str, found: str) -> StatusError:
    """409 Conflict: a write meant another object of this name."""
    why = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    return conflict(resource, name, why)


def invalid(resource: Resource, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422 Invalid, with one cause per field."""
    qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details: dict[str, Any] = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.kind
    details["causes"] = _causes(errors)
    message = f'{qualified} "{name}" is invalid: {_joined(errors)}'
    return StatusError(422, "Invalid", message, details=details)


def no_version(resource: Resource, name: str) -> StatusError:
    """422 Invalid: a PUT without resourceVersion of a kind that needs one."""
    error = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
    refusal = invalid(resource, name, [error])
    refusal.message = f'{resource.qualified} "{name}" is invalid: {error}'
    refusal.details = (refusal.details or {}) | {"kind": resource.plural}
    return refusal


def _causes(errors: Sequence[FieldError]) -> list[dict[str, str]]:
    return [
        {"reason": error.reason, "message": error.message, "field": error.field} for error in errors
    ]


def _joined(errors: Sequence[FieldError]) -> str:
    texts = [str(error) for error in errors]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def invalid_options(kind: str, *errors: FieldError) -> StatusError:
    """422 Invalid for the options of a request, e.g. ``PatchOptions``."""
    details = {"group": "meta.k8s.io", "kind": kind, "causes": _causes(errors)}
    message = f'{kind}.meta.k8s.io "" is invalid: {_joined(errors)}'
    return StatusError(422, "Invalid", message, details=details)


def invalid_patch(patch: Any, why: str) -> StatusError:
    """422 Invalid: what a patch leads to cannot be read as its kind."""
    error = invalid_value("patch", json.dumps(patch, separators=(",", ":")), why)
    details = {"causes": _causes([error])}
    return StatusError(422, "Invalid", f' "" is invalid: {error}', details=details)


def invalid_version(text: str) -> StatusError:
    """500: a resourceVersion that is no number, in an object or a request."""
    why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
    return StatusError(500, "", f'resourceVersion: Invalid value: "{text}": {why}')


def bad_request(message: str) -> StatusError:
    """400 BadRequest."""
    return StatusError(400, "BadRequest", message)


def gone(message: str) -> StatusError:
    """410 Expired."""
    return StatusError(410, "Expired", message)


def forbidden(message: str, details: dict[str, Any] | None = None) -> StatusError:
    """403 Forbidden."""
    return StatusError(403, "Forbidden", message, details=details)


def unauthorized() -> StatusError:
    """401 Unauthorized."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def no_such_path() -> StatusError:
    """404 for a path that no resource has."""
    message = "the server could not find the requested resource"
    return StatusError(404, "NotFound", message, details={})


def page_not_found() -> StatusError:
    """404 for a path outside of every group; kube-apiserver answers it in plain text."""
    return StatusError(404, "", "404 page not found")


def method_not_allowed() -> StatusError:
    """405 MethodNotAllowed."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message, details={})


def unsupported_media_type(accepted: Iterable[str]) -> StatusError:
    """415 UnsupportedMediaType."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        f"{', '.join(accepted)}"
    )
    return StatusError(415, "UnsupportedMediaType", message)


def not_acceptable(offered: Iterable[str]) -> StatusError:
    """406 NotAcceptable."""
    message = f"only the following media types are accepted: {', '.join(offered)}"
    return StatusError(406, "NotAcceptable", message)


def too_large_version(asked: int, current: int) -> StatusError:
    """504 Timeout: the client has seen a version that this server has not."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    details = {"causes": [cause], "retryAfterSeconds": 1}
    return StatusError(504, "Timeout", message, details=details, retry_after=1)


def internal(message: str) -> StatusError:
    """500 InternalError."""
    cause = {"message": message}
    return StatusError(
        500, "InternalError", f"Internal error occurred: {message}", details={"causes": [cause]}
    )


#: Reason and message of a bare HTTP status, for scripted faults.
REASONS = {
    400: ("BadRequest", "the server rejected our request for an unknown reason"),
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden: scripted fault"),
    404: ("NotFound", "the server could not find the requested resource"),
    409: ("Conflict", f"Operation cannot be fulfilled: {MODIFIED}"),
    410: ("Expired", "The resourceVersion for the provided watch is too old."),
    422: ("Invalid", "the server rejected our request due to an error in our request"),
    429: ("TooManyRequests", "too many requests, please try again later"),
    500: ("InternalError", "an error on the server has prevented the request from succeeding"),
    502: ("", "bad gateway"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "the server was unable to return a response in the time allotted"),
}


def scripted(status: int, reason: str = "", retry_after: int = 0) -> StatusError:
    """The refusal of a scripted fault with HTTP ``status``."""
    known, message = REASONS.get(status, ("Unknown", f"scripted status {status}"))
    details = {"retryAfterSeconds": retry_after} if retry_after else {}
    return StatusError(status, reason or known, message, details=details, retry_after=retry_after)
