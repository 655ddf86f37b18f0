"""Field numbers of the kinds that kubectl creates with protobuf bodies (``generated.proto``)."""

from __future__ import annotations

from cloudprovider_sandbox.apiserver.protobuf import Field, Message

_INT = "int"
_BOOL = "bool"
OBJECT_META: Message = {
    1: Field("name"),
    2: Field("generateName"),
    3: Field("namespace"),
    5: Field("uid"),
    6: Field("resourceVersion"),
    11: Field("labels", "map"),
    12: Field("annotations", "map"),
    14: Field("finalizers", repeated=True),
}
_META = Field("metadata", OBJECT_META)

NAMESPACE: Message = {1: _META}
SERVICE_PORT: Message = {
    1: Field("name"),
    2: Field("protocol"),
    3: Field("port", _INT),
    4: Field("targetPort", "int-or-string"),
    5: Field("nodePort", _INT),
    6: Field("appProtocol"),
}
SERVICE: Message = {
    1: _META,
    2: Field(
        "spec",
        {
            1: Field("ports", SERVICE_PORT, repeated=True),
            2: Field("selector", "map"),
            3: Field("clusterIP"),
            4: Field("type"),
            5: Field("externalIPs", repeated=True),
            7: Field("sessionAffinity"),
            8: Field("loadBalancerIP"),
            9: Field("loadBalancerSourceRanges", repeated=True),
            10: Field("externalName"),
            11: Field("externalTrafficPolicy"),
            12: Field("healthCheckNodePort", _INT),
            13: Field("publishNotReadyAddresses", _BOOL),
            17: Field("ipFamilyPolicy"),
            18: Field("clusterIPs", repeated=True),
            19: Field("ipFamilies", repeated=True),
            20: Field("allocateLoadBalancerNodePorts", _BOOL),
            21: Field("loadBalancerClass"),
            22: Field("internalTrafficPolicy"),
        },
    ),
}
SECRET: Message = {
    1: _META,
    2: Field("data", "bytes-map"),
    3: Field("type"),
    4: Field("stringData", "map"),
    5: Field("immutable", _BOOL),
}
CONFIG_MAP: Message = {
    1: _META,
    2: Field("data", "map"),
    3: Field("binaryData", "bytes-map"),
    4: Field("immutable", _BOOL),
}
SERVICE_ACCOUNT: Message = {1: _META}

CONTAINER: Message = {
    1: Field("name"),
    2: Field("image"),
    3: Field("command", repeated=True),
    4: Field("args", repeated=True),
    6: Field(
        "ports",
        {
            1: Field("name"),
            2: Field("hostPort", _INT),
            3: Field("containerPort", _INT),
            4: Field("protocol"),
        },
        repeated=True,
    ),
    7: Field("env", {1: Field("name"), 2: Field("value")}, repeated=True),
    14: Field("imagePullPolicy"),
}
POD_SPEC: Message = {
    2: Field("containers", CONTAINER, repeated=True),
    3: Field("restartPolicy"),
    7: Field("nodeSelector", "map"),
    8: Field("serviceAccountName"),
    11: Field("hostNetwork", _BOOL),
}
LABEL_SELECTOR: Message = {1: Field("matchLabels", "map")}
DEPLOYMENT: Message = {
    1: _META,
    2: Field(
        "spec",
        {
            1: Field("replicas", _INT),
            2: Field("selector", LABEL_SELECTOR),
            3: Field("template", {1: _META, 2: Field("spec", POD_SPEC)}),
        },
    ),
}

RULE: Message = {
    1: Field("verbs", repeated=True),
    2: Field("apiGroups", repeated=True),
    3: Field("resources", repeated=True),
    4: Field("resourceNames", repeated=True),
    5: Field("nonResourceURLs", repeated=True),
}
ROLE: Message = {1: _META, 2: Field("rules", RULE, repeated=True)}
SUBJECT: Message = {1: Field("kind"), 2: Field("apiGroup"), 3: Field("name"), 4: Field("namespace")}
ROLE_BINDING: Message = {
    1: _META,
    2: Field("subjects", SUBJECT, repeated=True),
    3: Field("roleRef", {1: Field("apiGroup"), 2: Field("kind"), 3: Field("name")}),
}

RESOURCE_ATTRIBUTES: Message = {
    1: Field("namespace"),
    2: Field("verb"),
    3: Field("group"),
    4: Field("version"),
    5: Field("resource"),
    6: Field("subresource"),
    7: Field("name"),
}
NON_RESOURCE_ATTRIBUTES: Message = {1: Field("path"), 2: Field("verb")}
SELF_SUBJECT_ACCESS_REVIEW: Message = {
    1: _META,
    2: Field(
        "spec",
        {
            1: Field("resourceAttributes", RESOURCE_ATTRIBUTES),
            2: Field("nonResourceAttributes", NON_RESOURCE_ATTRIBUTES),
        },
    ),
}
SELF_SUBJECT_RULES_REVIEW: Message = {1: _META, 2: Field("spec", {1: Field("namespace")})}
TOKEN_REQUEST: Message = {
    1: _META,
    2: Field("spec", {1: Field("audiences", repeated=True), 4: Field("expirationSeconds", _INT)}),
}
DELETE_OPTIONS: Message = {
    1: Field("gracePeriodSeconds", _INT),
    2: Field("preconditions", {1: Field("uid"), 2: Field("resourceVersion")}),
    4: Field("propagationPolicy"),
    5: Field("dryRun", repeated=True),
}

MESSAGES: dict[str, Message] = {
    "Namespace": NAMESPACE,
    "Service": SERVICE,
    "Secret": SECRET,
    "ConfigMap": CONFIG_MAP,
    "ServiceAccount": SERVICE_ACCOUNT,
    "Deployment": DEPLOYMENT,
    "Role": ROLE,
    "ClusterRole": ROLE,
    "RoleBinding": ROLE_BINDING,
    "ClusterRoleBinding": ROLE_BINDING,
    "SelfSubjectAccessReview": SELF_SUBJECT_ACCESS_REVIEW,
    "SelfSubjectRulesReview": SELF_SUBJECT_RULES_REVIEW,
    "SelfSubjectReview": {1: _META},
    "TokenRequest": TOKEN_REQUEST,
    "DeleteOptions": DELETE_OPTIONS,
}
