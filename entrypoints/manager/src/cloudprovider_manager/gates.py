"""``--feature-gates``: the names that upstream's manager knows, and what each means here.

Source: ``spec/ccm-core.md`` 4.4; the second list is ``pkg/features`` of the library with which
upstream serves its port (Kubernetes 1.37).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

#: Gates that mean something for a manager, to what to know if they are given the value shown.
_OWN: Mapping[str, tuple[str, str]] = {
    "AllAlpha": ("", ""),
    "AllBeta": ("", ""),
    "CloudControllerManagerWatchBasedRoutesReconciliation": (
        "false",
        "routes follow the watch of nodes always",
    ),
    "CloudControllerManagerWebhook": ("true", "no admission webhooks are served"),
    "ContextualLogging": ("", ""),
    "ControllerManagerReleaseLeaderElectionLockOnExit": (
        "false",
        "the lease is given back at an orderly stop always",
    ),
    "LoggingAlphaOptions": ("", ""),
    "LoggingBetaOptions": ("", ""),
    "NativeHistograms": ("true", "histograms have fixed buckets"),
}
#: Gates that are gone upstream: their behaviour is always on.
_REMOVED = frozenset({
    "LegacyNodeRoleBehavior",
    "ServiceNodeExclusion",
    "StableLoadBalancerNodeSet",
})  # fmt: skip
#: Gates of the API servers' library, known because upstream registers them in the same set.
_SERVERS = frozenset({
    "APIResponseCompression", "APIServerIdentity", "APIServerTracing", "APIServingWithRoutine",
    "AggregatedDiscoveryRemoveBetaType", "AllowParsingUserUIDFromCertAuth",
    "AllowUnsafeMalformedObjectDeletion", "AnonymousAuthConfigurableEndpoints", "BtreeWatchCache",
    "CBORServingAndStorage", "ComponentFlagz", "ComponentStatusz", "ConcurrentWatchObjectDecode",
    "ConsistentListFromCache", "ConsistentListFromCacheSkipTimeoutFallback",
    "ConstrainedImpersonation", "CoordinatedLeaderElection", "DeclarativeValidation",
    "DeclarativeValidationBeta", "DeclarativeValidationTakeover", "DetectCacheInconsistency",
    "KMSv1", "ListFromCacheSnapshot", "ManifestBasedAdmissionControlConfig",
    "MutatingAdmissionPolicy", "OpenAPIEnums", "RemoteRequestHeaderUID",
    "ResilientWatchCacheInitialization", "RetryGenerateName", "SeparateCacheWatchRPC",
    "ShardedListAndWatch", "SizeBasedListCostEstimate", "StorageVersionAPI", "StorageVersionHash",
    "StreamingCollectionEncodingToJSON", "StreamingCollectionEncodingToProtobuf",
    "StructuredAuthenticationConfigurationEgressSelector",
    "StructuredAuthenticationConfigurationJWKSMetrics", "TokenRequestServiceAccountUIDValidation",
    "UnauthenticatedHTTP2DOSMitigation", "UnknownVersionInteroperabilityProxy",
    "WatchCacheInitializationPostStartHook", "WatchList",
})  # fmt: skip

#: Every name that is accepted.
KNOWN = frozenset({*_OWN, *_REMOVED, *_SERVERS})
#: Those of a manager, for messages.
NAMES = tuple(sorted(_OWN))


def remarks(gates: Iterable[tuple[str, str]]) -> Iterator[str]:
    """What to warn about in ``gates``, pairs of a known name and ``true`` or ``false``."""
    for name, value in gates:
        asked, text = _OWN.get(name, ("", ""))
        if name in _REMOVED:
            yield f"--feature-gates={name}: the gate is gone, its behaviour is always on"
        elif name in _SERVERS:
            yield f"--feature-gates={name}: a gate of API servers; it has no effect here"
        elif text and value == asked:
            yield f"--feature-gates={name}={value} has no effect: {text}"
