"""Nothing may be written once another may hold the lease."""

import pytest

from cloudprovider.testing.virtual import VirtualConcurrency
from cloudprovider_manager.access import Access, AccessError
from cloudprovider_manager.election import Election
from cloudprovider_manager.monitoring import Monitoring
from cloudprovider_manager.options import Options


def elect(time, api, **fields):
    options = Options(cloud_provider="fake", **fields)
    monitoring = Monitoring()
    access = Access.open(options, api, monitoring.runtime, concurrency=time)
    return Election(options, access, monitoring, concurrency=time)


def nothing():
    """What is done on winning or losing, where that does not matter."""


def test_writing_ends_before_the_lease_can_be_taken(world):
    time, api = world.time, world.api
    last = []

    def script():
        election = elect(time, api)
        election.start(nothing, nothing)
        time.sleep(1)
        assert election.may_write()
        api.down = True
        renewed = max(when for when, method, _ in api.calls if method in ("PUT", "POST"))
        while not election.lost:
            if election.may_write():
                last.append(time.monotonic() - renewed)
            time.sleep(0.05)
        assert not election.may_write()

    world.run(script)
    assert 8 < last[-1] <= 10  # --leader-elect-renew-deadline; the lease lasts 15 s


def test_a_standby_may_not_write(world):
    time, api = world.time, world.api

    def script():
        first, second = elect(time, api), elect(time, api)
        first.start(nothing, nothing)
        time.sleep(1)
        second.start(nothing, nothing)
        time.sleep(5)
        assert first.may_write()
        assert not second.may_write()
        first.release(2)
        assert not first.may_write()
        time.sleep(5)
        assert second.may_write()
        second.release(2)

    world.run(script)


def test_without_election_writing_is_always_allowed(world):
    def script():
        won = world.time.event()
        election = elect(world.time, world.api, leader_elect=False)
        election.start(won.set, nothing)
        assert won.wait(1)
        assert election.may_write()
        election.release(1)

    world.run(script)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "current-context"), ("{", "not YAML"), ("clusters: 1", "clusters")],
)
def test_a_wrong_kubeconfig_is_one_error(tmp_path, text, reason):
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(AccessError, match=reason):
        elect(VirtualConcurrency(), None, kubeconfig=str(path))


def test_a_certificate_authority_that_is_none_is_found_before_the_start(tmp_path):
    path = tmp_path / "kubeconfig"
    path.write_text(
        """
current-context: x
contexts: [{name: x, context: {cluster: x}}]
clusters: [{name: x, cluster: {server: "https://localhost:1", certificate-authority-data: eHg=}}]
"""
    )
    with pytest.raises(AccessError):
        elect(VirtualConcurrency(), None, kubeconfig=str(path))
