"""The declared kinds: ObjectMeta, Service, Node, and what pods and workloads merge by.

Kinds with open structs keep every field they are given; only their lists need to be declared.
Source: struct tags and markers of ``k8s.io/api`` 0.32.
"""

from __future__ import annotations

from cloudprovider_sandbox.apiserver.schema import (
    ANY,
    BOOL,
    BOOL_PTR,
    INT,
    INT_ALWAYS,
    INT_OR_STR,
    INT_PTR,
    MICRO_TIME,
    MICRO_TIME_ALWAYS,
    OPAQUE,
    QUANTITY,
    STR,
    STR_ALWAYS,
    STR_LIST,
    STR_MAP,
    STR_PTR,
    TIME,
    TIME_ALWAYS,
    ListOf,
    MapOf,
    Schema,
    Struct,
    keyed,
    struct,
)

OWNER_REFERENCE = Struct(
    dict.fromkeys(("apiVersion", "kind", "name", "uid"), STR_PTR)
    | dict.fromkeys(("controller", "blockOwnerDeletion"), BOOL_PTR),
    atomic=True,
)
OBJECT_META = struct(
    always=True,
    name=STR,
    generateName=STR,
    namespace=STR,
    selfLink=STR,
    uid=STR,
    resourceVersion=STR,
    generation=INT,
    creationTimestamp=TIME,
    deletionTimestamp=TIME,
    deletionGracePeriodSeconds=INT,
    labels=STR_MAP,
    annotations=STR_MAP,
    ownerReferences=keyed(OWNER_REFERENCE, "uid"),
    finalizers=ListOf(STR, unique=True, merge=True),
    managedFields=ListOf(OPAQUE, keep_empty=True),
)
CONDITION = struct(
    type=STR_PTR,
    status=STR_PTR,
    reason=STR,
    message=STR_PTR,
    lastTransitionTime=TIME,
    observedGeneration=INT,
)
CONDITIONS = keyed(CONDITION, "type")
NODE_CONDITION = struct(
    type=STR_PTR,
    status=STR_PTR,
    lastHeartbeatTime=TIME_ALWAYS,
    lastTransitionTime=TIME_ALWAYS,
    reason=STR,
    message=STR,
)
ATOMIC_STR_MAP = MapOf(STR, atomic=True)
QUANTITIES = MapOf(QUANTITY)


def kind(**fields: Schema) -> Struct:
    """A top-level object with ``fields`` beside the three that every kind has."""
    return Struct({"apiVersion": STR, "kind": STR, "metadata": OBJECT_META, **fields})


SERVICE_PORT = struct(
    name=STR,
    protocol=STR,
    appProtocol=STR_PTR,
    port=INT_PTR,
    targetPort=INT_OR_STR,
    nodePort=INT,
)
SERVICE_SPEC = struct(
    always=True,
    ports=keyed(SERVICE_PORT, "port", "protocol", protocol="TCP"),
    selector=ATOMIC_STR_MAP,
    clusterIP=STR,
    clusterIPs=STR_LIST,
    type=STR,
    externalIPs=STR_LIST,
    sessionAffinity=STR,
    loadBalancerIP=STR,
    loadBalancerSourceRanges=STR_LIST,
    externalName=STR,
    externalTrafficPolicy=STR,
    healthCheckNodePort=INT,
    publishNotReadyAddresses=BOOL,
    sessionAffinityConfig=struct(clientIP=struct(timeoutSeconds=INT_PTR)),
    ipFamilies=STR_LIST,
    ipFamilyPolicy=STR_PTR,
    allocateLoadBalancerNodePorts=BOOL_PTR,
    loadBalancerClass=STR_PTR,
    internalTrafficPolicy=STR_PTR,
    trafficDistribution=STR_PTR,
)
INGRESS = struct(
    ip=STR,
    hostname=STR,
    ipMode=STR_PTR,
    ports=ListOf(struct(port=INT_PTR, protocol=STR_PTR, error=STR_PTR)),
)
SERVICE = kind(
    spec=SERVICE_SPEC,
    status=struct(
        always=True,
        loadBalancer=struct(always=True, ingress=ListOf(INGRESS)),
        conditions=CONDITIONS,
    ),
)

TAINT = struct(key=STR_PTR, value=STR, effect=STR_PTR, timeAdded=TIME)
NODE_SPEC = struct(
    always=True,
    podCIDR=STR,
    podCIDRs=ListOf(STR, unique=True, merge=True),
    providerID=STR,
    unschedulable=BOOL,
    taints=ListOf(TAINT),
    configSource=ANY,
    externalID=STR,
)
NODE_INFO = Struct(
    dict.fromkeys(
        (
            "machineID",
            "systemUUID",
            "bootID",
            "kernelVersion",
            "osImage",
            "containerRuntimeVersion",
            "kubeletVersion",
            "kubeProxyVersion",
            "operatingSystem",
            "architecture",
        ),
        STR_ALWAYS,
    )
    | {"swap": ANY},
    always=True,
)
NODE_STATUS = struct(
    always=True,
    capacity=QUANTITIES,
    allocatable=QUANTITIES,
    phase=STR,
    conditions=keyed(NODE_CONDITION, "type"),
    addresses=keyed(struct(type=STR_PTR, address=STR_PTR), "type"),
    daemonEndpoints=struct(always=True, kubeletEndpoint=struct(always=True, Port=INT_ALWAYS)),
    nodeInfo=NODE_INFO,
    images=ListOf(ANY),
    volumesInUse=STR_LIST,
    volumesAttached=ListOf(ANY),
    config=ANY,
    runtimeHandlers=ListOf(ANY),
    features=ANY,
)
NODE = kind(spec=NODE_SPEC, status=NODE_STATUS)

ENDPOINT = struct(
    addresses=ListOf(STR, unique=True),
    conditions=struct(always=True, ready=BOOL_PTR, serving=BOOL_PTR, terminating=BOOL_PTR),
    hostname=STR_PTR,
    targetRef=ANY,
    deprecatedTopology=STR_MAP,
    nodeName=STR_PTR,
    zone=STR_PTR,
    hints=ANY,
)
ENDPOINT_SLICE = kind(
    addressType=STR,
    endpoints=ListOf(ENDPOINT),
    ports=ListOf(struct(name=STR_PTR, protocol=STR_PTR, port=INT_PTR, appProtocol=STR_PTR)),
)

CONTAINER = struct(
    open=True,
    name=STR,
    image=STR,
    command=STR_LIST,
    args=STR_LIST,
    env=keyed(struct(open=True, name=STR, value=STR), "name"),
    ports=keyed(
        struct(open=True, containerPort=INT, protocol=STR),
        "containerPort",
        "protocol",
        protocol="TCP",
    ),
    volumeMounts=keyed(struct(open=True, mountPath=STR, name=STR), "mountPath"),
    volumeDevices=keyed(struct(open=True, devicePath=STR, name=STR), "devicePath"),
)
_NAMED = struct(open=True, name=STR)
POD_SPEC = struct(
    open=True,
    volumes=keyed(_NAMED, "name"),
    initContainers=keyed(CONTAINER, "name"),
    containers=keyed(CONTAINER, "name"),
    ephemeralContainers=keyed(CONTAINER, "name"),
    nodeSelector=ATOMIC_STR_MAP,
    imagePullSecrets=keyed(_NAMED, "name"),
    tolerations=ListOf(ANY),
    hostAliases=keyed(struct(open=True, ip=STR), "ip"),
    topologySpreadConstraints=keyed(
        struct(open=True, topologyKey=STR, whenUnsatisfiable=STR),
        "topologyKey",
        "whenUnsatisfiable",
    ),
    schedulingGates=keyed(_NAMED, "name"),
)
POD_STATUS = struct(
    open=True,
    conditions=CONDITIONS,
    podIPs=keyed(struct(ip=STR), "ip"),
)
POD = kind(spec=POD_SPEC, status=POD_STATUS)
POD_TEMPLATE = struct(open=True, metadata=OBJECT_META, spec=POD_SPEC)
WORKLOAD = kind(
    spec=struct(
        open=True,
        replicas=INT_PTR,
        selector=Struct({}, open=True, atomic=True),
        template=POD_TEMPLATE,
    ),
    status=struct(open=True, conditions=CONDITIONS),
)

LEASE = kind(
    spec=struct(
        always=True,
        holderIdentity=STR_PTR,
        leaseDurationSeconds=INT_PTR,
        acquireTime=MICRO_TIME,
        renewTime=MICRO_TIME,
        leaseTransitions=INT_PTR,
        strategy=STR_PTR,
        preferredHolder=STR_PTR,
    )
)
SECRET = kind(data=STR_MAP, stringData=STR_MAP, type=STR, immutable=BOOL_PTR)
CONFIG_MAP = kind(data=STR_MAP, binaryData=STR_MAP, immutable=BOOL_PTR)
SERVICE_ACCOUNT = kind(
    secrets=keyed(ANY, "name"),
    imagePullSecrets=ListOf(ANY),
    automountServiceAccountToken=BOOL_PTR,
)
NAMESPACE = kind(spec=struct(finalizers=STR_LIST), status=struct(phase=STR, conditions=CONDITIONS))
OBJECT_REFERENCE = Struct(
    dict.fromkeys(
        ("apiVersion", "kind", "namespace", "name", "uid", "resourceVersion", "fieldPath"), STR
    ),
    atomic=True,
)
EVENT = kind(
    involvedObject=OBJECT_REFERENCE,
    related=OBJECT_REFERENCE,
    reason=STR,
    message=STR,
    source=struct(always=True, component=STR, host=STR),
    firstTimestamp=TIME_ALWAYS,
    lastTimestamp=TIME_ALWAYS,
    count=INT,
    type=STR,
    eventTime=MICRO_TIME_ALWAYS,
    series=struct(count=INT, lastObservedTime=MICRO_TIME),
    action=STR,
    reportingComponent=STR_ALWAYS,
    reportingInstance=STR_ALWAYS,
)
RULES = ListOf(
    struct(
        verbs=STR_LIST,
        apiGroups=STR_LIST,
        resources=STR_LIST,
        resourceNames=STR_LIST,
        nonResourceURLs=STR_LIST,
    )
)
ROLE = kind(rules=RULES, aggregationRule=ANY)
ROLE_BINDING = kind(
    subjects=ListOf(struct(kind=STR, apiGroup=STR, name=STR, namespace=STR)),
    roleRef=Struct({"apiGroup": STR, "kind": STR, "name": STR}, atomic=True),
)
#: A kind of which only the metadata is known.
GENERIC = Struct({"apiVersion": STR, "kind": STR, "metadata": OBJECT_META}, open=True)
