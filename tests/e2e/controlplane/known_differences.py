"""Where the embedded server answers differently from kube-apiserver, and why it may.

Each entry must occur in the differential run; what occurs and is not here fails it. The page
``docs/reference/embedded-api-server.md`` is written from this list.
"""

from __future__ import annotations

import dataclasses
import fnmatch

#: Short names of reasons.
WHY = {
    "stored as sent": "Nothing runs in the sandbox: Pods and workloads are kept as they are sent, "
    "without the defaults that only a kubelet or a scheduler would read.",
    "newer rule": "The server says that it is 1.32. This rule is younger; it was measured "
    "against 1.36.",
    "no garbage collector": "A cluster has a garbage collector that ends such a deletion at once; "
    "the sandbox ends it itself.",
    "order of checks": "A request that breaks two rules is refused by the other one of them.",
    "no anonymous users": "Where tokens are configured, a request without one is refused, as by "
    "most managed clusters (`--anonymous-auth=false`).",
    "routes first": "A path that no kind has is refused before anybody asks who is asking.",
    "trusted administrators": "The sandbox shows whether a manifest grants enough. It guards "
    "nothing.",
    "decision only": "Reviews answer the decision. Its reason in words, the id of the token and "
    "the time are for people who read audit logs.",
    "no union of rules": "They are listed as they stand in the roles, built-in ones shortened.",
    "JSON only": "Bodies are read as JSON, YAML and protobuf; answers are always JSON.",
    "not checked": "A field given twice in one body is no mistake to the JSON reader used here.",
    "read-only view": "Events are written through the core API, as the manager does; the newer "
    "group shows the same objects.",
}


@dataclasses.dataclass(frozen=True)
class Known:
    """One difference. ``question`` is ``topic/name``; it and ``field`` are shell patterns."""

    question: str
    field: str
    what: str
    why: str

    def matches(self, question, field):
        """Whether it is the one found there."""
        return fnmatch.fnmatchcase(question, self.question) and fnmatch.fnmatchcase(
            field, self.field
        )


KNOWN = (
    Known("creation/a pod", "body.*", "A Pod gets few defaults.", "stored as sent"),
    Known("creation/a deployment", "body.*", "A Deployment gets few defaults.", "stored as sent"),
    Known("creation/no deployment", "body.*", "A Deployment gets few defaults.", "stored as sent"),
    Known(
        "creation/a field twice",
        "warning",
        "No warning of a field that is given twice.",
        "not checked",
    ),
    Known(
        "*",
        "warning",
        "No warning that `externalIPs` or a value of `trafficDistribution` is deprecated.",
        "newer rule",
    ),
    Known(
        "refused_services/name: digit first",
        "status",
        "The name of a Service may not begin with a digit.",
        "newer rule",
    ),
    Known(
        "refused_services/name: empty",
        "body.*",
        "A Service without a name and an address: the name is named.",
        "order of checks",
    ),
    Known(
        "refused_services/node port twice",
        "body.*",
        "A node port given twice in one Service is a duplicate, not allocated.",
        "order of checks",
    ),
    Known(
        "service_changes/another family",
        "body.*",
        "Another IP family: the change is refused, not the address that does not fit it.",
        "order of checks",
    ),
    Known(
        "deletion/create while deleting",
        "status",
        "A Service that exists, with a node port that is taken: 409, not 422.",
        "order of checks",
    ),
    Known(
        "deletion/foreground*",
        "*",
        "Deleting in the foreground leaves no finalizer.",
        "no garbage collector",
    ),
    Known(
        "deletion/orphan*",
        "*",
        "Deleting and orphaning leaves no finalizer.",
        "no garbage collector",
    ),
    Known(
        "no_rights/no token",
        "status",
        "No token: 401, not the rights of `system:anonymous`.",
        "no anonymous users",
    ),
    Known(
        "no_rights/absent resource",
        "status",
        "A kind that does not exist: 404, even to those who may do nothing.",
        "routes first",
    ),
    Known(
        "no_rights/impersonation",
        "body.*",
        "Impersonation needs the verb `impersonate`, not one per kind of request.",
        "newer rule",
    ),
    Known(
        "roles/more than one's own rights",
        "status",
        "Whoever may write roles may grant rights that they do not have.",
        "trusted administrators",
    ),
    Known(
        "reviews/may *",
        "body.status.reason",
        "An access review does not name the binding that allows it.",
        "decision only",
    ),
    Known(
        "reviews/all I may",
        "body.*",
        "A rules review lists the rules as they stand in the roles.",
        "no union of rules",
    ),
    Known(
        "*/who am I",
        "body.metadata.creationTimestamp",
        "A review of oneself has no time.",
        "decision only",
    ),
    Known(
        "service_accounts/*", "body.status.*extra", "A token has no credential id.", "decision only"
    ),
    Known(
        "forms/table of accounts",
        "body.*",
        "A ServiceAccount's table has the column SECRETS.",
        "newer rule",
    ),
    Known("forms/yaml", "*", "YAML is not written.", "JSON only"),
    Known(
        "discovery//apis/events.k8s.io/v1",
        "body.resources*",
        "`events.k8s.io` can be read, not written.",
        "read-only view",
    ),
    Known(
        "discovery/aggregated groups",
        "body.items*verbs*",
        "`events.k8s.io` can be read, not written.",
        "read-only view",
    ),
)

#: What the questions cannot show: it is masked, or it takes time.
ALSO = (
    "A new Node is not tainted `node.kubernetes.io/not-ready`: no controller would remove it.",
    "Cluster IPs and node ports are given out in order, lowest first, not at random.",
    "Bookmarks come every 10 s, not about every minute.",
    "Events are kept until they are deleted, not for an hour.",
    "A version of the future is refused at once, not after three seconds of waiting for it.",
    "Columns of tables have no descriptions, and kinds no `storageVersionHash`.",
    "Tokens are signed with HS256 by a secret of the process; there is no OpenID discovery.",
    "There are no audit ids and no flow control, so no such headers and no 429 by itself.",
)


def unknown(found):
    """Those of (question, field, ours, theirs) that no entry explains."""
    return [each for each in found if not any(known.matches(*each[:2]) for known in KNOWN)]


def used(found):
    """The entries that explain something of ``found``."""
    return {known for known in KNOWN for each in found if known.matches(*each[:2])}
