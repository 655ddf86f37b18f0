"""kube-apiserver, etcd and the manager are killed and frozen: all of it comes back."""

import os
import random
import signal
import time

import pytest
from api_servers import RealServer
from controlplane import Unavailable
from real_managers import LiveCluster
from test_leadership import SHORT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240, func_only=True)]

#: Seconds for which it answers nobody: longer than the lease that is renewed there.
FROZEN = 6.0


@pytest.fixture
def own(tmp_path_factory, tmp_path):
    """A control plane that no other test uses, with a cluster on it."""
    server = RealServer(tmp_path_factory.mktemp("plane"))
    try:
        server.__enter__()
    except Unavailable as reason:
        pytest.skip(str(reason))
    try:
        with LiveCluster(server, tmp_path) as cluster:
            yield server, cluster
    finally:
        server.__exit__(None, None, None)


def freeze(server):
    for pid in server.plane.pids():
        os.kill(pid, signal.SIGSTOP)
    time.sleep(FROZEN)
    for pid in server.plane.pids():
        os.kill(pid, signal.SIGCONT)


def running(cluster):
    """A manager that runs, started again where the last one has ended."""
    if not cluster.managers or cluster.managers[-1].process.poll() is not None:
        cluster.start(*SHORT)
    return cluster.managers[-1]


def test_nothing_is_there_twice_and_nothing_is_left_behind(own):
    server, cluster = own
    chance = random.Random(29)

    def agreed():
        running(cluster)
        return not cluster.unsettled()

    cluster.join("node-1")
    running(cluster)
    cluster.wait(cluster.holder)
    changes = [
        lambda: cluster.expose(80),
        lambda: cluster.set_ports(80, 443),
        lambda: cluster.join("node-2"),
        lambda: cluster.set_ports(443),
    ]
    strikes = [server.plane.restart, lambda: freeze(server), server.plane.restart, lambda: None]
    for change, strike in zip(changes, strikes, strict=True):
        change()
        time.sleep(chance.uniform(0, 0.5))
        strike()
        running(cluster).stop(signal.SIGKILL)
        cluster.wait(agreed, cluster.unsettled)
    cluster.delete()
    running(cluster).stop(signal.SIGKILL)
    cluster.wait(agreed, cluster.unsettled)
    cluster.nothing_left()
    assert cluster.violations == []
    assert len(cluster.managers) > len(changes)
