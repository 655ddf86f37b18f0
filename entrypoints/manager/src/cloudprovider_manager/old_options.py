"""Flags that manifests for other managers carry: accepted so that those manifests start.

Each says what it does here, if anything; ``--strict-flags`` refuses them. Source:
``spec/ccm-core.md`` 4.2, 4.5; ``spec/alicloud.md`` 8.1.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from cloudprovider_manager.compound_values import NUMBERS, REPEATED
from cloudprovider_manager.flags import Status, flag
from cloudprovider_manager.values import ADDRESS, BOOL, LIST, PATH, TEXT, choice, integer

_OLD: Final = "Flags of older manifests"

#: Locks of older client libraries: all stand for a Lease now.
OLD_LOCKS = ("endpoints", "configmaps", "endpointsleases", "configmapsleases")

_PORT = integer(0, 65535)
_TLS_VERSIONS = ("", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13")
_NO_WEBHOOK = "no admission webhooks are served"


def _webhook(default: Any, kind: Any) -> Any:
    return flag(
        default, kind, "Webhooks.", group=_OLD, status=Status.IGNORED, note=_NO_WEBHOOK
    )  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class OldFlags:
    """Flags of older versions and of other managers."""

    address: str = flag(
        "", ADDRESS, "Address of --port, and of --secure-port without --bind-address.", group=_OLD,
        status=Status.DEPRECATED, note="see --bind-address instead.",
    )  # fmt: skip
    port: int = flag(
        0, _PORT, "Port of plain-HTTP /healthz, for manifests that probe 10252 or 10253; 0 = off.",
        group=_OLD, status=Status.DEPRECATED, note="probe --secure-port instead.",
    )  # fmt: skip
    service_account_private_key_file: str = flag(
        "", PATH, "Key of ServiceAccounts.", group=_OLD, status=Status.IGNORED,
        note="tokens come from the API server.",
    )  # fmt: skip
    enable_leader_migration: bool = flag(
        False, BOOL, "Take over from kube-controller-manager.", group=_OLD, status=Status.REFUSED,
        note="a second lock that only some controllers wait for is not held, so two managers "
        "could write; stop the cloud loops of kube-controller-manager "
        "(--cloud-provider=external) before this manager starts",
    )  # fmt: skip
    leader_migration_config: str = flag(
        "", PATH, "See --enable-leader-migration.", group=_OLD, status=Status.IGNORED,
        note="see --enable-leader-migration.",
    )  # fmt: skip
    webhooks: tuple[str, ...] = _webhook((), LIST)
    webhook_bind_address: str = _webhook("0.0.0.0", ADDRESS)  # noqa: S104 - nothing is bound
    webhook_secure_port: int = _webhook(10260, _PORT)
    webhook_cert_dir: str = _webhook("", PATH)
    webhook_tls_cert_file: str = _webhook("", PATH)
    webhook_tls_private_key_file: str = _webhook("", PATH)
    webhook_tls_cipher_suites: tuple[str, ...] = _webhook((), LIST)
    webhook_tls_curve_preferences: tuple[int, ...] = _webhook((), NUMBERS)
    webhook_tls_min_version: str = _webhook("", choice(*_TLS_VERSIONS))
    webhook_tls_sni_cert_key: tuple[str, ...] = _webhook((), REPEATED)
    webhook_disable_http2_serving: bool = _webhook(False, BOOL)
    instance_name: str = flag(
        "", TEXT, "kube-aliyun.", group=_OLD, status=Status.IGNORED,
        note="the lease is held under the host's name.",
    )  # fmt: skip
    in_cluster: bool = flag(
        False, BOOL, "kube-aliyun.", group=_OLD, status=Status.IGNORED,
        note="without --kubeconfig and --master the Pod's ServiceAccount is used.",
    )  # fmt: skip
    provision_retry: str = flag(
        "", TEXT, "kube-aliyun.", group=_OLD, status=Status.IGNORED,
        note="what fails is tried again after 5 s to 300 s, without end.",
    )  # fmt: skip
    metrics_bind_addr: str = flag(
        "", TEXT, "Alibaba's manager.", group=_OLD, status=Status.IGNORED,
        note="metrics are on --secure-port.",
    )  # fmt: skip
    health_probe_bind_addr: str = flag(
        "", TEXT, "Alibaba's manager.", group=_OLD, status=Status.IGNORED,
        note="health is on --secure-port, over HTTPS and plain HTTP.",
    )  # fmt: skip
    pprof_bind_addr: str = flag(
        "", TEXT, "Alibaba's manager.", group=_OLD, status=Status.IGNORED,
        note="see --profiling.",
    )  # fmt: skip
