"""``examples/rbac/``: the least rights of the manager, from the table that the tests prove."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from cloudprovider_manager.permissions import NAMESPACE, OWN, PERMISSIONS, Permission

_API = "rbac.authorization.k8s.io"
_GENERATED = "# Written by `make docs` from cloudprovider_manager/permissions.py; do not edit.\n"
_ONE = """\
# The least rights of a manager that runs without --use-service-account-credentials: all its parts
# share one account.
"""
_EACH = """\
# The least rights of a manager that runs with --use-service-account-credentials: each part has an
# account of its own, which the manager makes. The accounts node-controller, service-controller and
# route-controller have more than this on every cluster, by the API server's own roles
# system:controller:*.
"""


def one_account() -> str:
    """The manifest for one account."""
    rules = [item for item in PERMISSIONS if not item.per_controller]
    return _GENERATED + _ONE + "---\n".join([_account(OWN), *_documents(OWN, _merged(rules))])


def account_per_controller() -> str:
    """The manifest for an account per controller."""
    documents = [_account(OWN)]
    for account, rules in itertools.groupby(_by_account(), key=lambda item: item.account):
        documents += _documents(account, list(rules))
    return _GENERATED + _EACH + "---\n".join(documents)


def _by_account() -> list[Permission]:
    accounts = list(dict.fromkeys(item.account for item in PERMISSIONS))
    return sorted(PERMISSIONS, key=lambda item: accounts.index(item.account))


def _merged(rules: Iterable[Permission]) -> list[Permission]:
    """One rule per resource where several parts use it."""
    found: dict[tuple[str, str, str], Permission] = {}
    for item in rules:
        for resource in item.resources:
            key = item.namespace, item.group, resource
            known = found.get(key)
            verbs = item.verbs if known is None else (*known.verbs, *item.verbs)
            found[key] = Permission(
                OWN,
                tuple(dict.fromkeys(verbs)),
                (resource,),
                _why(known, item),
                item.group,
                item.namespace,
                item.names,
            )
    return list(found.values())


def _why(known: Permission | None, item: Permission) -> str:
    if known is None or item.why in known.why:
        return item.why if known is None else known.why
    return f"{known.why}; {item.why}"


def _documents(account: str, rules: Sequence[Permission]) -> Iterator[str]:
    """Roles and their bindings: first what counts everywhere, then in one namespace."""
    for namespace in sorted({item.namespace for item in rules}):
        kind = "Role" if namespace else "ClusterRole"
        name = "system:cloud-controller-manager"
        name += "" if account == OWN else f":{account}"
        meta = _metadata(name, namespace)
        text = f"apiVersion: {_API}/v1\nkind: {kind}\n{meta}rules:\n"
        yield text + "".join(_rule(item) for item in rules if item.namespace == namespace)
        yield (
            f"apiVersion: {_API}/v1\nkind: {kind}Binding\n{meta}"
            f"roleRef:\n  apiGroup: {_API}\n  kind: {kind}\n  name: {name}\n"
            f"subjects:\n  - kind: ServiceAccount\n    name: {account}\n"
            f"    namespace: {NAMESPACE}\n"
        )


def _metadata(name: str, namespace: str) -> str:
    where = f"  namespace: {namespace}\n" if namespace else ""
    return f"metadata:\n  name: {name}\n{where}"


def _account(name: str) -> str:
    return f"apiVersion: v1\nkind: ServiceAccount\n{_metadata(name, NAMESPACE)}"


def _rule(item: Permission) -> str:
    names = f"    resourceNames: {_list(item.names)}\n" if item.names else ""
    return (
        f"  # {item.why}\n"
        f"  - apiGroups: {_list([item.group])}\n"
        f"    resources: {_list(item.resources)}\n"
        f"{names}"
        f"    verbs: {_list(item.verbs)}\n"
    )


def _list(items: Sequence[str]) -> str:
    return "[" + ", ".join(item or '""' for item in items) + "]"
