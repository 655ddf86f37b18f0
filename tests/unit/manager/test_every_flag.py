"""Every flag that a manifest for a cloud-controller-manager may carry is known here.

The tables are upstream's flags (``spec/ccm-core.md`` 4.2), the old ones (4.5), klog's, and those of
Alibaba's manager (``spec/alicloud.md`` 8.1): name, a value, upstream's default, what we do.
"""

import ast
import dataclasses
import pathlib

import pytest

import cloudprovider_manager
from cloudprovider.registry import cloud_providers
from cloudprovider_manager import provider
from cloudprovider_manager.flags import FlagError, Status, declared, parse
from cloudprovider_manager.options import Options

WORKS, DEPRECATED, IGNORED, REFUSED = (
    Status.ACTIVE,
    Status.DEPRECATED,
    Status.IGNORED,
    Status.REFUSED,
)
#: Flags of the port: their own tests say whether each works or does nothing.
PORT = None

UPSTREAM = """
cloud-provider               alicloud             -                      WORKS
cloud-config                 /a                   -                      WORKS
cluster-name                 prod                 kubernetes             WORKS
cluster-cidr                 10.0.0.0/8,fd00::/48 -                      WORKS
allocate-node-cidrs          true                 false                  IGNORED
cidr-allocator-type          CloudAllocator       RangeAllocator         IGNORED
configure-cloud-routes       false                true                   WORKS
route-reconciliation-period  30s                  10s                    WORKS
node-monitor-period          10s                  5s                     WORKS
use-service-account-credentials true              false                  WORKS
allow-untagged-cloud         true                 false                  DEPRECATED
external-cloud-volume-plugin x                    -                      IGNORED
node-sync-period             10s                  0s                     IGNORED
controllers                  *,-route             *                      WORKS
controller-start-interval    2m                   0s                     WORKS
min-resync-period            100m                 12h                    WORKS
kube-api-qps                 50.0                 20                     WORKS
kube-api-burst               100                  30                     WORKS
kube-api-content-type        application/json     application/vnd.kubernetes.protobuf IGNORED
leader-elect                 false                true                   WORKS
leader-elect-lease-duration  30s                  15s                    WORKS
leader-elect-renew-deadline  15s                  10s                    WORKS
leader-elect-retry-period    5s                   2s                     WORKS
leader-elect-resource-lock   leases               leases                 WORKS
leader-elect-resource-name   ccm                  cloud-controller-manager WORKS
leader-elect-resource-namespace x                 kube-system            WORKS
feature-gates                AllAlpha=true        -                      WORKS
concurrent-node-syncs        5                    1                      WORKS
concurrent-node-status-updates 5                  0                      WORKS
concurrent-service-syncs     5                    1                      WORKS
master                       https://h:6443       -                      WORKS
kubeconfig                   /a                   -                      WORKS
node-status-update-frequency 10m                  5m                     WORKS
profiling                    false                true                   PORT
contention-profiling         true                 false                  PORT
enable-leader-migration      true                 false                  REFUSED
leader-migration-config      /a                   -                      IGNORED
bind-address                 ::                   0.0.0.0                PORT
secure-port                  10001                10258                  PORT
cert-dir                     /a                   -                      PORT
tls-cert-file                /a                   -                      PORT
tls-private-key-file         /a                   -                      PORT
tls-cipher-suites            TLS_AES_128_GCM_SHA256 -                    PORT
tls-min-version              VersionTLS13         -                      PORT
tls-curve-preferences        23,24                -                      PORT
tls-sni-cert-key             a.crt,a.key:x.org    -                      PORT
disable-http2-serving        true                 false                  PORT
http2-max-streams-per-connection 47               0                      PORT
permit-port-sharing          true                 false                  PORT
permit-address-sharing       true                 false                  PORT
authentication-kubeconfig    /a                   -                      PORT
authentication-skip-lookup   true                 false                  PORT
authentication-tolerate-lookup-failure true       false                  PORT
authentication-token-webhook-cache-ttl 20s        10s                    PORT
client-ca-file               /a                   -                      PORT
requestheader-allowed-names  a                    -                      PORT
requestheader-client-ca-file /a                   -                      PORT
requestheader-username-headers x-user             x-remote-user          PORT
requestheader-group-headers  x-group              x-remote-group         PORT
requestheader-extra-headers-prefix x-extra-       x-remote-extra-        PORT
requestheader-uid-headers    x-uid                -                      PORT
authorization-kubeconfig     /a                   -                      PORT
authorization-always-allow-paths /healthz         /healthz,/readyz,/livez PORT
authorization-webhook-cache-authorized-ttl 20s    10s                    PORT
authorization-webhook-cache-unauthorized-ttl 20s  10s                    PORT
webhooks                     *                    -                      IGNORED
webhook-bind-address         127.0.0.1            0.0.0.0                IGNORED
webhook-secure-port          10300                10260                  IGNORED
webhook-cert-dir             /a                   -                      IGNORED
webhook-tls-cert-file        /a                   -                      IGNORED
webhook-tls-private-key-file /a                   -                      IGNORED
webhook-tls-cipher-suites    TLS_X,TLS_Y          -                      IGNORED
webhook-tls-curve-preferences 23,24               -                      IGNORED
webhook-tls-min-version      VersionTLS13         -                      IGNORED
webhook-tls-sni-cert-key     a.crt,a.key:x.org    -                      IGNORED
webhook-disable-http2-serving true                false                  IGNORED
v                            5                    0                      WORKS
vmodule                      elector=5,node*=4    -                      WORKS
logging-format               json                 text                   WORKS
log-flush-frequency          1s                   5s                     WORKS
log-text-split-stream        true                 false                  WORKS
log-json-split-stream        true                 false                  WORKS
log-text-info-buffer-size    512Ki                0                      WORKS
log-json-info-buffer-size    1M                   0                      WORKS
version                      raw                  -                      WORKS
"""

#: Upstream's components have these, its cloud-controller-manager not; klog's are up to 1.25.
OTHERS = """
show-hidden-metrics-for-version 1.30              -                      IGNORED
disabled-metrics             a,b                  -                      WORKS
allow-metric-labels          m,l=v                -                      IGNORED
allow-metric-labels-manifest /a                   -                      IGNORED
emulated-version             1.30                 -                      IGNORED
config                       /a                   -                      WORKS
logtostderr                  false                true                   IGNORED
alsologtostderr              true                 false                  IGNORED
stderrthreshold              INFO                 2                      IGNORED
log-dir                      /a                   -                      IGNORED
log-file                     /a                   -                      IGNORED
log-file-max-size            10                   1800                   IGNORED
log-backtrace-at             a.go:1               :0                     IGNORED
add-dir-header               true                 false                  IGNORED
one-output                   true                 false                  IGNORED
skip-headers                 true                 false                  IGNORED
skip-log-headers             true                 false                  IGNORED
"""

OLD = """
address                      127.0.0.1            -                      DEPRECATED
port                         10252                0                      DEPRECATED
service-account-private-key-file /a               -                      IGNORED
server                       https://h:6443       -                      WORKS
instance-name                x                    -                      IGNORED
in-cluster                   true                 false                  IGNORED
shutdown-grace-period        3s                   3s                     WORKS
route-reconcilation-period   30s                  30s                    WORKS
provision-retry              3                    -                      IGNORED
metrics-bind-addr            0                    -                      IGNORED
health-probe-bind-addr       :10258               -                      IGNORED
pprof-bind-addr              :6060                -                      IGNORED
"""

#: Alibaba's manager; what is a flag of ours as well has its row above.
ALIBABA = """
dry-run                      true                 false                  REFUSED
network                      public               vpc                    REFUSED
sg-batch-size                40                   40                     WORKS
max-concurrent-actions       20                   10                     IGNORED
max-throttling-retry-times   20                   10                     IGNORED
enable-imdsv2                false                true                   IGNORED
node-reconcile-batch-size    50                   100                    IGNORED
route-reconcile-batch-size   20                   50                     IGNORED
skip-disable-source-dest-check true               false                  IGNORED
node-event-aggregation-wait-seconds 5             1                      IGNORED
"""

#: Ours alone.
OWN = {
    "default-load-balancer-provider",
    "missing-nodes-threshold",
    "shutdown-timeout",
    "strict-flags",
}


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    sample: str
    default: str
    does: Status | None


def rows(text):
    words = {"WORKS": WORKS, "DEPRECATED": DEPRECATED, "IGNORED": IGNORED, "REFUSED": REFUSED}
    for line in text.strip().splitlines():
        name, sample, default, does = line.split()
        yield Row(name, sample, "" if default == "-" else default, words.get(does, PORT))


MANAGER_ROWS = [*rows(UPSTREAM), *rows(OTHERS), *rows(OLD)]
KNOWN = declared(Options)
BY_SPELLING = {**KNOWN, **{alias: flag for flag in KNOWN.values() for alias in flag.aliases}}


def by_name(row):
    return row.name


def check(row, known, flag):
    """``--name=sample`` is read, and said about it is what the table says."""
    arguments = [f"--{row.name}={row.sample}"]
    if flag.status is REFUSED:
        with pytest.raises(FlagError) as caught:
            parse(arguments, known)
        (problem,) = caught.value.problems
        assert problem.startswith(f"flag --{row.name}={row.sample} is refused: ")
        assert problem.endswith(f"; accepted: {flag.text(flag.default) or repr('')}")
        arguments = [f"--{row.name}={flag.text(flag.default)}"]
    parsed = parse(arguments, known)
    assert list(parsed.values) == [flag.name]
    words = {WORKS: None, DEPRECATED: "has been deprecated, ", IGNORED: "does nothing here: "}
    words[REFUSED] = words[IGNORED]
    if words[flag.status] is None:
        assert parsed.warnings == ()
    else:
        (warning,) = parsed.warnings
        assert warning == f"Flag --{row.name} {words[flag.status]}{flag.note}"
        assert len(flag.note) > 10


@pytest.mark.gap("every deprecated flag")
@pytest.mark.parametrize("row", MANAGER_ROWS, ids=by_name)
def test_a_flag_of_another_manager_is_known_and_does_what_the_table_says(row):
    flag = BY_SPELLING.get(row.name)
    assert flag is not None
    if row.does is not PORT:
        assert flag.status is row.does
    check(row, KNOWN, flag)


@pytest.mark.parametrize("row", MANAGER_ROWS, ids=by_name)
def test_where_a_default_is_not_upstreams_the_help_says_so(row):
    flag = BY_SPELLING.get(row.name)
    if flag is None or row.does is not WORKS or row.name in flag.aliases:
        return
    same = flag.kind.parse(row.default) == flag.default if row.default else not flag.default
    assert same or "upstream: " in flag.help


@pytest.mark.parametrize("row", list(rows(ALIBABA)), ids=by_name)
def test_a_flag_of_alibabas_manager_is_known_with_its_provider(row):
    if "alicloud" not in cloud_providers():
        pytest.skip("the provider is not installed")
    known = {**provider.flags_of("alicloud"), **KNOWN}
    assert known[row.name].status is row.does
    check(row, known, known[row.name])


def test_no_flag_is_declared_without_a_row():
    tables = {row.name for row in MANAGER_ROWS} | OWN
    assert [
        name for name in KNOWN if name not in tables and not tables & set(KNOWN[name].aliases)
    ] == []


def test_every_flag_that_works_is_read_by_something():
    folder = pathlib.Path(cloudprovider_manager.__file__).parent
    shows_only = ("configz.py",)
    read = {
        node.attr
        for path in folder.rglob("*.py")
        if path.name not in shows_only
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    port = {row.name for row in MANAGER_ROWS if row.does is PORT}
    working = [flag for flag in KNOWN.values() if flag.status in (WORKS, DEPRECATED)]
    unread = [
        flag.name
        for flag in working
        if flag.name not in port and flag.name.replace("-", "_") not in read
    ]
    assert unread == ["config"]  # read before there are options


@pytest.mark.parametrize("flag", list(KNOWN.values()), ids=lambda flag: flag.name)
def test_a_default_is_a_value_that_the_flag_takes(flag):
    if flag.default in ("", ()):
        return
    parsed = flag.kind.parse(flag.text(flag.default))
    assert parsed == (pytest.approx(flag.default) if isinstance(parsed, float) else flag.default)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cluster_name", "cluster_name"),
        ("leader_elect-lease_duration", "30s"),
        ("log_dir", "/a"),
        ("log_flush_frequency", "1s"),
    ],
)
def test_underscores_are_hyphens(name, value):
    assert list(parse([f"--{name}={value}"], KNOWN).values) == [name.replace("_", "-")]


@pytest.mark.parametrize("name", ["insecure-port", "insecure-bind-address", "cloud-providr"])
def test_what_no_manager_ever_had_is_unknown(name):
    with pytest.raises(FlagError, match=f"unknown flag: --{name}"):
        parse([f"--{name}=1"], KNOWN)
