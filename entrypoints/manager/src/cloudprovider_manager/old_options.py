"""Flags that manifests for other managers carry: accepted so that those manifests start.

Each says what it does here, if anything; ``--strict-flags`` refuses them. Source:
``spec/ccm-core.md`` 4.2, 4.5; ``spec/alicloud.md`` 8.1.
"""

from __future__ import annotations

import dataclasses
from typing import Final

from cloudprovider_manager.flags import Status, flag
from cloudprovider_manager.values import ADDRESS, BOOL, LIST, PATH, TEXT, integer

_OLD: Final = "Flags of older manifests"

#: The note of a flag whose function is planned.
LATER = "this version does not run it yet"
#: Locks of older client libraries: all stand for a Lease now.
OLD_LOCKS = ("endpoints", "configmaps", "endpointsleases", "configmapsleases")

_PORT = integer(0, 65535)
_NO_WEBHOOK = "no admission webhooks are served"


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
        False, BOOL, "Take over from kube-controller-manager.", group=_OLD, status=Status.IGNORED,
        note="stop the cloud loops of kube-controller-manager first.",
    )  # fmt: skip
    leader_migration_config: str = flag(
        "", PATH, "See --enable-leader-migration.", group=_OLD, status=Status.IGNORED,
        note="see --enable-leader-migration.",
    )  # fmt: skip
    webhooks: tuple[str, ...] = flag(
        (), LIST, "Webhooks.", group=_OLD, status=Status.IGNORED, note=_NO_WEBHOOK
    )
    webhook_bind_address: str = flag(
        "", ADDRESS, "Webhooks.", group=_OLD, status=Status.IGNORED, note=_NO_WEBHOOK
    )
    webhook_secure_port: int = flag(
        10260, _PORT, "Webhooks.", group=_OLD, status=Status.IGNORED, note=_NO_WEBHOOK
    )
    metrics_bind_addr: str = flag(
        "", TEXT, "Alibaba's manager.", group=_OLD, status=Status.IGNORED,
        note="metrics are on --secure-port.",
    )  # fmt: skip
    health_probe_bind_addr: str = flag(
        "", TEXT, "Alibaba's manager.", group=_OLD, status=Status.IGNORED,
        note="health is on --secure-port, over HTTPS and plain HTTP.",
    )  # fmt: skip
    pprof_bind_addr: str = flag(
        "", TEXT, "Alibaba's manager.", group=_OLD, status=Status.IGNORED, note=LATER
    )
