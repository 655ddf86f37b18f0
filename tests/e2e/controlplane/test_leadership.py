"""Two managers, one lease: one works, the other takes over."""

import signal

import pytest
from real_managers import LEASE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(90, func_only=True)]

#: A lease short enough for a test to see it expire.
SHORT = (
    "--leader-elect-lease-duration=4s",
    "--leader-elect-renew-deadline=2s",
    "--leader-elect-retry-period=300ms",
)


def test_the_other_takes_over_after_sigterm(cluster):
    cluster.join("node-1")
    first = cluster.start()
    cluster.wait(cluster.holder)
    before = cluster.holder()
    second = cluster.start()
    cluster.expose(80)
    cluster.settle()
    cluster.wait(lambda: f"waiting: {before} holds kube-system" in second.log)
    assert cluster.holder() == before
    cloud, begin = cluster.cloud_mark(), cluster.api.mark()
    assert first.stop() == 0
    taken = cluster.wait(lambda: cluster.holder() not in ("", before))
    assert taken < 6
    # It finds everything as it should be, and goes on where the first one stopped.
    cluster.wait(lambda: "DescribeVServerGroupAttribute" in cluster.cloud_calls(cloud))
    cluster.wait_until_quiet()
    assert cluster.cloud_calls(cloud, write=True) == []
    assert cluster.writes(begin) == []
    cluster.set_ports(81)
    cluster.settle()
    lease = cluster.api.do("GET", LEASE)["spec"]
    # Given back and taken again: two changes of hands.
    assert lease["leaseTransitions"] == 1
    cluster.finish()


def test_the_other_takes_over_when_the_lease_of_a_dead_one_expires(cluster):
    cluster.join("node-1")
    first = cluster.start(*SHORT)
    cluster.wait(cluster.holder)
    before = cluster.holder()
    cluster.start(*SHORT)
    cluster.expose(80)
    cluster.settle()
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    taken = cluster.wait(lambda: cluster.holder() not in ("", before))
    assert 1 < taken < 8
    cluster.delete()
    cluster.settle()
    cluster.nothing_left()
    assert cluster.violations == []
    cluster.finish()
