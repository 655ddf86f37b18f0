"""The options of a request, and which of them are refused.

Source: apimachinery ``meta/v1/validation`` and ``meta/internalversion/validation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.status import (
    FieldError,
    forbidden_field,
    required,
    too_long,
    unsupported,
)

Query = Mapping[str, str]
_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_VALIDATION = ("", "Ignore", "Strict", "Warn")
_POLICIES = ("Foreground", "Background", "Orphan")
_MANAGER_LENGTH = 128
_MATCH = "resourceVersionMatch"


def check_write(verb: str, query: Query, *, applies: bool) -> None:
    """Options of a create, update or patch. Raises StatusError 422."""
    errors = []
    manager, validation = query.get("fieldManager", ""), query.get("fieldValidation", "")
    if verb == "patch" and applies and not manager:
        errors.append(required("fieldManager", "is required for apply patch"))
    if verb == "patch" and not applies and "force" in query:
        errors.append(forbidden_field("force", "may not be specified for non-apply patch"))
    if len(manager) > _MANAGER_LENGTH:
        errors.append(too_long("fieldManager", _MANAGER_LENGTH))
    errors += _dry_run([query["dryRun"]] if "dryRun" in query else [])
    if validation not in _VALIDATION:
        errors.append(unsupported("fieldValidation", validation, _VALIDATION))
    _refuse(_KINDS[verb], errors)


def check_delete(options: Mapping[str, Any], query: Query) -> None:
    """DeleteOptions of the body or the query. Raises StatusError 422."""
    policy = options.get("propagationPolicy", query.get("propagationPolicy"))
    errors = []
    if policy is not None and policy not in _POLICIES:
        errors.append(unsupported("propagationPolicy", policy, (*_POLICIES, "nil")))
    dry = [query["dryRun"]] if "dryRun" in query else options.get("dryRun") or []
    _refuse("DeleteOptions", errors + _dry_run(dry))


def _dry_run(values: Sequence[str]) -> list[FieldError]:
    wrong = any(value != "All" for value in values)
    return [unsupported("dryRun", list(values), ("All",))] if wrong else []


def check_list(query: Query) -> None:
    """Options of a list. Raises StatusError 400 or 422."""
    errors, match = [], query.get(_MATCH, "")
    if match and not query.get("resourceVersion"):
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        errors.append(forbidden_field(_MATCH, why))
    if match and query.get("continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
        errors.append(forbidden_field(_MATCH, why))
    if match not in {"", "Exact", "NotOlderThan"}:
        errors.append(unsupported(_MATCH, match, ("Exact", "NotOlderThan", "")))
    if match == "Exact" and query.get("resourceVersion") == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
        errors.append(forbidden_field(_MATCH, why))
    if "sendInitialEvents" in query:
        why = "sendInitialEvents is forbidden for list"
        errors.append(forbidden_field("sendInitialEvents", why))
    _refuse("ListOptions", errors)
    limit = query.get("limit", "0").removeprefix("-")
    if not limit.isdigit():
        raise status.bad_request(f'strconv.ParseInt: parsing "{limit}": invalid syntax')
    if query.get("continue") and query.get("resourceVersion", "0") != "0":
        raise status.bad_request("specifying resource version is not allowed when using continue")


def check_watch(query: Query, *, watch_list: bool) -> None:
    """Options of a watch; ``watch_list``: initial events are served. Raises StatusError 422."""
    errors, match = [], query.get(_MATCH, "")
    if "sendInitialEvents" in query:
        if match != "NotOlderThan":
            why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            errors.append(forbidden_field(_MATCH, why))
        if not watch_list:
            why = "sendInitialEvents is forbidden for watch unless WatchList is enabled"
            errors.append(forbidden_field("sendInitialEvents", why))
    elif match:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(forbidden_field(_MATCH, why))
    if match not in {"", "NotOlderThan"}:
        errors.append(unsupported(_MATCH, match, ("NotOlderThan",)))
    if query.get("continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
        errors.append(forbidden_field(_MATCH, why))
    _refuse("ListOptions", errors)


def _refuse(kind: str, errors: Sequence[FieldError]) -> None:
    if errors:
        raise status.invalid_options(kind, *errors)
