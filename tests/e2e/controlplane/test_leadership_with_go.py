"""One lease for managers in Go and ours: each waits for the other, and takes over from it.

The other candidate is client-go's own leader election (``spec/ccm-core.md`` 4.6).
"""

import signal
import subprocess

import pytest
from controlplane import ADMIN_TOKEN, Unavailable, program
from real_managers import LEASE
from test_leadership import SHORT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

DURATION = 4.0


class GoManager:
    """A candidate in Go."""

    def __init__(self, cluster, folder, identity):
        self.identity = identity
        self._log = folder / f"{identity}.log"
        times = [flag.replace("--leader-elect-", "-") for flag in SHORT]
        command = [str(program("elector")), f"-identity={identity}", *times]
        command.append(f"-token={ADMIN_TOKEN}")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, f"-kubeconfig={cluster.kubeconfig()}"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def said(self, line):
        return line in self._log.read_text().splitlines()

    def end(self, number=signal.SIGTERM):
        """End it by a signal alone: it no longer catches one once its standard input has ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        self.process.stdin.close()
        return code


@pytest.fixture
def go(cluster, tmp_path):
    """Starts candidates in Go."""
    started = []
    try:
        program("elector")
    except Unavailable as reason:
        pytest.skip(str(reason))

    def start(identity):
        started.append(GoManager(cluster, tmp_path, identity))
        return started[-1]

    yield start
    for each in started:
        each.end(signal.SIGKILL)


def lease(cluster):
    return cluster.api.do("GET", LEASE)["spec"]


def wait_until_renewed(cluster, times):
    """Wait until whoever holds the lease has renewed it so often."""
    seen = {lease(cluster)["renewTime"]}

    def renewed():
        seen.add(lease(cluster)["renewTime"])
        return len(seen) > times

    cluster.wait(renewed)


def test_each_waits_for_the_other_and_takes_over_from_it(cluster, go):
    cluster.join("node-1")
    first = go("go-1")
    cluster.wait(lambda: first.said("leading"))
    before = lease(cluster)
    ours = cluster.start(*SHORT)
    cluster.wait(lambda: "waiting: go-1 holds kube-system" in ours.log)
    cluster.expose(80)

    # Its lease is believed as long as it renews it: for longer than it would last otherwise.
    wait_until_renewed(cluster, 15)
    assert cluster.holder() == "go-1"
    assert cluster.cloud_calls(write=True) == []

    # It gives it back: we take it at once, and count as it does.
    assert first.end() == 0
    assert first.said("stopped")
    taken = cluster.wait(lambda: cluster.holder() not in ("", "go-1"))
    assert taken < DURATION
    cluster.settle()
    mine = lease(cluster)
    assert mine["leaseTransitions"] == before["leaseTransitions"] + 1
    assert mine["leaseDurationSeconds"] == before["leaseDurationSeconds"] == int(DURATION)
    assert mine.keys() == before.keys()

    # It believes ours as long as we renew, and takes it when we give it back.
    second = go("go-2")
    cluster.wait(lambda: second.said(f"leader {mine['holderIdentity']}"))
    wait_until_renewed(cluster, 20)
    assert not second.said("leading")
    assert ours.stop() == 0
    taken = cluster.wait(lambda: second.said("leading"))
    assert taken < DURATION
    assert lease(cluster)["leaseTransitions"] == mine["leaseTransitions"] + 1

    # It dies without a word: we take it when its lease is over.
    third = cluster.start(*SHORT)
    cluster.wait(lambda: "waiting: go-2 holds kube-system" in third.log)
    second.end(signal.SIGKILL)
    cluster.wait(lambda: cluster.holder() not in ("", "go-2"))
    cluster.delete()
    cluster.settle()
    cluster.nothing_left()
    assert cluster.violations == []
    cluster.finish()


def test_the_one_in_go_takes_over_when_ours_dies(cluster, go):
    ours = cluster.start(*SHORT)
    cluster.wait(cluster.holder)
    mine = lease(cluster)
    other = go("go-1")
    cluster.wait(lambda: other.said(f"leader {mine['holderIdentity']}"))
    ours.stop(signal.SIGKILL)
    taken = cluster.wait(lambda: other.said("leading"))
    assert taken > 1
    theirs = lease(cluster)
    assert theirs["holderIdentity"] == "go-1"
    assert theirs["leaseTransitions"] == mine["leaseTransitions"] + 1
    assert theirs.keys() == mine.keys()
