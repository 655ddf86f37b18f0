"""Rules of ``metadata``: names, labels, annotations, finalizers (apimachinery ``validation``)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cloudprovider_sandbox.apiserver.resources import NameRule
from cloudprovider_sandbox.apiserver.status import (
    FieldError,
    forbidden_field,
    invalid_value,
    required,
    too_long,
)

Json = dict[str, Any]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"

SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'example.com', regex used for "
    rf"validation is '{_LABEL}(\.{_LABEL})*')"
)
LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must"
    " start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
    f"validation is '{_LABEL}')"
)
LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    f"regex used for validation is '{_LABEL_1035}')"
)
_NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    f"validation is '{_QUALIFIED}')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    f"'12345', regex used for validation is '{_VALUE}')"
)
_QUALIFIED_TEXT = (
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', with an optional "
    "DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
ANNOTATIONS_LIMIT = 256 * 1024
_STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})

_RULES: dict[NameRule, tuple[re.Pattern[str], int, str]] = {
    "subdomain": (re.compile(_SUBDOMAIN), 253, SUBDOMAIN_TEXT),
    "label": (re.compile(_LABEL), 63, LABEL_TEXT),
    "label1035": (re.compile(_LABEL_1035), 63, LABEL_1035_TEXT),
    "segment": (
        re.compile(r"(?!\.{1,2}$)[^/%]+"),
        253,
        "may not be '.' or '..' or contain '/' or '%'",
    ),
}


def dns_problem(name: str, rule: NameRule) -> str:
    """What is wrong with ``name`` under ``rule``; empty if nothing."""
    pattern, limit, text = _RULES[rule]
    if len(name) > limit:
        return f"must be no more than {limit} bytes"
    return "" if pattern.fullmatch(name) else text


def qualified_problems(key: str) -> list[str]:
    """What is wrong with a label key, annotation key or finalizer."""
    prefix, slash, name = key.rpartition("/")
    if "/" in prefix:
        return [_QUALIFIED_TEXT]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif prefix and (problem := dns_problem(prefix, "subdomain")):
        problems.append(f"prefix part {problem}")
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_QUALIFIED, name):
        problems.append(_NAME_PART)
    return problems


def label_value_problem(value: str) -> str:
    """What is wrong with a label's value; empty if nothing."""
    if len(value) > 63:
        return "must be no more than 63 bytes"
    return "" if re.fullmatch(_VALUE, value) else _VALUE_TEXT


def validate_labels(labels: Any, field: str) -> list[FieldError]:
    """The errors of a map of labels."""
    errors = []
    for key, value in (labels or {}).items():
        errors += [invalid_value(field, key, problem) for problem in qualified_problems(key)]
        if problem := label_value_problem(value):
            errors.append(invalid_value(field, value, problem))
    return errors


def validate(meta: Json, rule: NameRule) -> list[FieldError]:
    """The errors of an object's metadata."""
    errors = []
    if not meta.get("name"):
        errors.append(required("metadata.name", "name or generateName is required"))
    elif problem := dns_problem(meta["name"], rule):
        errors.append(invalid_value("metadata.name", meta["name"], problem))
    errors += validate_labels(meta.get("labels"), "metadata.labels")
    size = 0
    for key, value in (meta.get("annotations") or {}).items():
        size += len(key) + len(value)
        problems = qualified_problems(key.lower())
        errors += [invalid_value("metadata.annotations", key, problem) for problem in problems]
    if size > ANNOTATIONS_LIMIT:
        errors.append(too_long("metadata.annotations", ANNOTATIONS_LIMIT))
    return errors + _validate_finalizers(meta) + _validate_owners(meta)


def _validate_finalizers(meta: Json) -> list[FieldError]:
    errors = []
    for index, name in enumerate(meta.get("finalizers") or []):
        field = f"metadata.finalizers[{index}]"
        if problems := qualified_problems(name):
            # Here the API server names no index.
            errors += [invalid_value("metadata.finalizers", name, text) for text in problems]
        elif "/" not in name and name not in _STANDARD_FINALIZERS:
            why = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(invalid_value(field, name, why))
    return errors


def _validate_owners(meta: Json) -> list[FieldError]:
    errors = []
    for owner in meta.get("ownerReferences") or []:
        for name in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(name):
                field = f"metadata.ownerReferences.{name}"
                errors.append(invalid_value(field, "", "must not be empty"))
    return errors


def validate_update(new: Json, old: Json) -> list[FieldError]:
    """The errors of a change of metadata."""
    errors = []
    for name in ("name", "namespace", "uid"):
        if new.get(name, "") != old.get(name, ""):
            errors.append(invalid_value(f"metadata.{name}", new.get(name), "field is immutable"))
    if old.get("deletionTimestamp"):
        before = set(old.get("finalizers") or [])
        added = sorted(set(new.get("finalizers") or []) - before)
        if added:
            listed = ", ".join(f'"{name}"' for name in added)
            why = (
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}"
            )
            errors.append(forbidden_field("metadata.finalizers", why))
    return errors


def keep_system_fields(new: Json, old: Json) -> None:
    """Put the fields that only the server writes back to their old values."""
    new.setdefault("uid", old["uid"])
    for name in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                 "generation", "selfLink"):  # fmt: skip
        if name in old:
            new[name] = old[name]
        else:
            new.pop(name, None)


def drop_empty(meta: Json) -> None:
    """Leave out empty maps, lists and nulls, as the API server's encoder does."""
    empty = [name for name, value in meta.items() if value is None or value in ({}, [], "")]
    for name in empty:
        if name != "managedFields":  # an empty list there is an order to forget them
            del meta[name]


def generated_name(base: str, choice: Callable[[str], str]) -> str:
    """``base``, shortened, and five characters drawn by ``choice``."""
    return base[:58] + "".join(choice("bcdfghjklmnpqrstvwxz2456789") for _ in range(5))


def text_map(value: Any) -> Mapping[str, str] | None:
    """``value`` if it maps strings to strings, else None."""
    if isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
        return value
    return None
