"""From the start of the process to the first work; what imports cost; how a standby takes over."""

from __future__ import annotations

import http.client
import os
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from benchmarks.bench import Bench, bench
from benchmarks.processes import BenchmarkError
from benchmarks.report import Figure, Result, command, figure
from cloudprovider.toolkit.journal import Record
from cloudprovider_sandbox.sandbox import free_port

STARTS = 7
IMPORTS = 5
_LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/cloud-controller-manager"
#: What a process imports, and what the Go spec's floors name beside it (``spec/peers.md`` 7).
_CASES = {
    "python alone": ("pass", "8 ms, 11.7 MiB"),
    "manager, nothing started": ("import cloudprovider_manager.app", ""),
    "the same and all controllers": (
        "import cloudprovider_manager.app\n"
        "import cloudprovider_controllers.node.controller\n"
        "import cloudprovider_controllers.service.controller",
        "",
    ),
    "provider alicloud without SDK": ("import cloudprovider_alicloud.provider", ""),
    "Alibaba's SDK, as the provider uses it": (
        "import cloudprovider_alicloud.api.sdk",
        "576 ms, 93.5 MiB (typed)",
    ),
    "everything that runs": (
        "import cloudprovider_manager.app\n"
        "import cloudprovider_controllers.node.controller\n"
        "import cloudprovider_controllers.service.controller\n"
        "import cloudprovider_alicloud.provider, cloudprovider_alicloud.api.sdk",
        "897 ms, 130.4 MiB (with the kubernetes package)",
    ),
}


def run() -> Result:
    """Starts, imports, takeovers."""
    with bench(2) as made:
        figures = _starts(made)
        figures += _takeovers(made)
    return Result(
        name="start",
        title="Start and takeover",
        measured=(
            f"2 nodes and one Service that waits for its load balancer; the lease is free. Median "
            f"(fastest) of {STARTS} starts; of {IMPORTS} for imports."
        ),
        figures=[*figures, *_imports()],
        notes=[
            "Working = the first write to the waiting Service: lease held, caches filled, workers "
            "running. The Go manager's 0.13 s is to its workers running, without election.",
            "Takeover = from the signal to the leader until the standby holds the lease. It looks "
            "every 0.8 to 2 s; after SIGKILL the lease runs out 15 s after it last saw it "
            "renewed.",
        ],
    )


# -- starts --------------------------------------------------------------------------------------


def _starts(made: Bench) -> list[Figure]:
    held, working, ready, cpu = [], [], [], []
    for number in range(STARTS):
        name = f"start-{number}"
        made.cluster.expose(name)
        port, before = free_port(), made.cluster.last()
        with made.manager(port=port) as process:
            ready.append(_until_ready(made, port) - process.started)
            made.wait(made.addressed([name]), "the Service has an address")
            cpu.append(process.cpu())
            records = made.cluster.server.journal.records(before)
            working.append(_first(records, name).t - process.started)
            held.append(_lease_write(records).t - process.started)
    return [
        _several("start to working, lease free", working, "0.13 s", 1.5),
        _several("start to lease held", held, "0.157 s"),
        _several("start to /readyz 200", ready),
        _several("CPU until the load balancer is made", cpu),
    ]


def _several(what: str, values: Sequence[float], go: str = "", most: float | None = None) -> Figure:
    middle = statistics.median(values)
    row = figure(what, middle, "s", go=go, most=most)
    return Figure(row.what, f"{middle:.2f} s ({min(values):.2f} s)", row.go, row.goal, row.met)


def _first(records: Sequence[Record], name: str) -> Record:
    for record in records:
        if record.op.startswith("PATCH services") and record.key.endswith(f"/{name}"):
            return record
    raise BenchmarkError(f"Service {name} was never written")


def _lease_write(records: Sequence[Record]) -> Record:
    return next(record for record in records if record.write and record.op.endswith("leases"))


def _until_ready(made: Bench, port: int) -> float:
    """When ``/readyz`` first answered 200."""
    seen: list[float] = []

    def ready() -> bool:
        if _readyz(port) == 200:
            seen.append(time.monotonic())
        return bool(seen)

    made.wait(ready, "the manager is ready")
    return seen[0]


def _readyz(port: int) -> int:
    context = ssl._create_unverified_context()  # its certificate is its own
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


# -- takeovers -----------------------------------------------------------------------------------


def _takeovers(made: Bench) -> list[Figure]:
    with made.manager() as first:
        _holder(made, other_than="")
        with made.manager() as second:
            made.settle()
            time.sleep(1.0)  # the standby has seen the lease
            orderly = _takeover(made, first.stop)
            made.settle()
            with made.manager():
                made.settle()
                time.sleep(1.0)
                killed = _takeover(made, second.kill)
    return [
        figure("takeover after SIGTERM", orderly, "s"),
        figure("takeover after SIGKILL", killed, "s"),
    ]


def _takeover(made: Bench, end: Callable[[], object]) -> float:
    before, started = _holder(made, other_than=""), time.monotonic()
    end()
    _holder(made, other_than=before)
    return time.monotonic() - started


def _holder(made: Bench, *, other_than: str) -> str:
    """Who holds the lease, once somebody other than ``other_than`` does."""
    found = ""

    def held() -> bool:
        nonlocal found
        leases = made.cluster.request("GET", _LEASE.rpartition("/")[0])["items"]
        found = leases[0]["spec"].get("holderIdentity") or "" if leases else ""
        return found not in {"", other_than}

    made.wait(held, "somebody holds the lease", timeout=40)
    return found


# -- imports -------------------------------------------------------------------------------------


def _imports() -> list[Figure]:
    rows = []
    for what, (code, floor) in _CASES.items():
        runs = [_python(code) for _ in range(IMPORTS)]
        cpu, rss = min(run[0] for run in runs), min(run[1] for run in runs)
        rows.append(Figure(f"import: {what}", f"{cpu * 1000:.0f} ms CPU, {rss:.1f} MiB", floor))
    return [*rows, _foreign_sdks()]


def _python(code: str) -> tuple[float, float]:
    """CPU seconds and peak MiB of a Python that runs ``code``."""
    # It says so itself: what its parent hears of its memory is the parent's before the exec.
    told = "\nprint(*[x.split()[1] for x in open('/proc/self/status') if x.startswith('VmHWM')])"
    child = subprocess.Popen([sys.executable, "-c", code + told], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout as output:
        peak = output.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise BenchmarkError(f"{code}: exit status {status}")
    return usage.ru_utime + usage.ru_stime, int(peak) / 1024


def _foreign_sdks() -> Figure:
    """Modules of other clouds' SDKs, and of the kubernetes package, in a manager for alicloud."""
    code = (
        f"{_CASES['everything that runs'][0]}\n"
        "import sys\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(len(names & {'boto3', 'botocore', 'kubernetes', 'cloudprovider_aws'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return figure("import: packages of other clouds loaded", int(done.stdout), most=0)


if __name__ == "__main__":
    command(run)
