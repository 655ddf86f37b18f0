"""The fake provider: it is what the tests of the controllers lean on, so it is tested too."""

import dataclasses

import pytest

from cloudprovider.errors import CloudProviderError, InstanceNotFound, ResourceNotFound, RetryLater
from cloudprovider.interface import InstanceMetadata, InstanceState, Route
from cloudprovider.testing.builders import make_node, make_service
from cloudprovider.testing.fake import FakeCloud
from cloudprovider.testing.virtual import VirtualConcurrency

NODES = [make_node("a"), make_node("b")]


@pytest.fixture
def cloud():
    return FakeCloud()


def test_a_part_that_the_cloud_lacks_is_none():
    cloud = FakeCloud(load_balancer=False, instances=False, routes=False)
    assert (cloud.load_balancer(), cloud.instances_v2(), cloud.routes()) == (None, None, None)


def test_it_claims_nodes_with_its_scheme(cloud):
    assert cloud.claims_node(make_node(provider_id="fake://a"))
    assert not cloud.claims_node(make_node(provider_id="other://a"))


def test_a_second_ensure_is_no_write(cloud):
    balancers, service = cloud.load_balancer(), make_service()
    first = balancers.ensure_load_balancer("c", service, NODES)
    assert balancers.ensure_load_balancer("c", service, NODES) == first
    assert (cloud.count("ensure_load_balancer"), cloud.writes) == (2, 1)
    assert balancers.get_load_balancer("c", service) == first


def test_a_changed_service_or_node_list_is_a_write(cloud):
    balancers = cloud.load_balancer()
    balancers.ensure_load_balancer("c", make_service(), NODES)
    balancers.ensure_load_balancer("c", make_service(annotations={"a": "b"}), NODES)
    balancers.update_load_balancer("c", make_service(), NODES[:1])
    balancers.update_load_balancer("c", make_service(), NODES[:1])
    assert cloud.writes == 3
    assert cloud.called("update_load_balancer")[0].nodes == ("a",)


def test_balancers_get_different_addresses(cloud):
    balancers = cloud.load_balancer()
    services = [make_service(f"s{index}") for index in range(600)]
    found = {balancers.ensure_load_balancer("c", service, ()).ingress[0].ip for service in services}
    assert len(found) == 600


def test_deleting_twice_is_fine_and_updating_nothing_is_not(cloud):
    balancers, service = cloud.load_balancer(), make_service()
    balancers.ensure_load_balancer("c", service, NODES)
    balancers.ensure_load_balancer_deleted("c", service)
    balancers.ensure_load_balancer_deleted("c", service)
    assert balancers.get_load_balancer("c", service) is None
    assert cloud.writes == 2
    with pytest.raises(ResourceNotFound):
        balancers.update_load_balancer("c", service, NODES)


def test_balancer_names_are_the_classic_ones(cloud):
    service = make_service(uid="12345678-1234-1234-1234-123456789abc")
    name = cloud.load_balancer().get_load_balancer_name("c", service)
    assert name == "a1234567812341234123412345678" + "9ab"
    assert len(name) == 32


def test_a_scripted_error_is_raised_as_often_as_told_and_has_no_effect(cloud):
    cloud.fail("ensure_load_balancer", RetryLater("creating", after=42), times=1)
    balancers = cloud.load_balancer()
    with pytest.raises(RetryLater):
        balancers.ensure_load_balancer("c", make_service(), NODES)
    assert not cloud.balancers
    balancers.ensure_load_balancer("c", make_service(), NODES)
    assert len(cloud.balancers) == 1
    assert isinstance(cloud.called("ensure_load_balancer")[0].error, RetryLater)


def test_a_scripted_error_can_be_for_one_key_until_healed(cloud):
    cloud.fail("ensure_load_balancer", KeyError("any exception"), key="default/bad")
    balancers = cloud.load_balancer()
    balancers.ensure_load_balancer("c", make_service("good"), NODES)
    for _ in range(2):
        with pytest.raises(KeyError):
            balancers.ensure_load_balancer("c", make_service("bad"), NODES)
    cloud.heal("ensure_load_balancer")
    balancers.ensure_load_balancer("c", make_service("bad"), NODES)
    assert len(cloud.balancers) == 2


def test_a_scripted_answer_replaces_the_effect(cloud):
    cloud.answer("ensure_load_balancer", None, times=1)
    assert cloud.load_balancer().ensure_load_balancer("c", make_service(), NODES) is None
    assert not cloud.balancers


def test_a_callback_runs_inside_the_call(cloud):
    seen = []
    cloud.on("ensure_load_balancer", lambda call: seen.append((call.key, call.nodes)))
    cloud.load_balancer().ensure_load_balancer("c", make_service(), NODES)
    assert seen == [("default/web", ("a", "b"))]


def test_latency_and_concurrency_are_measured_on_the_given_clock():
    hub = VirtualConcurrency()

    def main():
        cloud = FakeCloud(concurrency=hub)
        cloud.latency["ensure_load_balancer"] = 0.5
        balancers = cloud.load_balancer()
        threads = [
            hub.start_thread(
                lambda name=name: balancers.ensure_load_balancer("c", make_service(name), ()),
                name=name,
            )
            for name in ("a", "b", "c")
        ]
        for thread in threads:
            thread.join()
        assert hub.monotonic() == 0.5
        assert cloud.most_at_once("ensure_load_balancer") == 3
        assert {call.ended for call in cloud.calls} == {0.5}

    hub.run(main)


def test_instances_are_described_by_the_hundred(cloud):
    nodes = [make_node(f"n{index}") for index in range(250)]
    for node in nodes[:-1]:
        cloud.add_instance(node.metadata.name)
    answers = cloud.instances_v2().instance_metadata_many(nodes)
    assert cloud.count("instance_metadata_many") == 3
    assert isinstance(answers["n0"], InstanceMetadata)
    assert isinstance(answers["n249"], InstanceNotFound)


def test_one_nodes_error_stays_its_own(cloud):
    cloud.add_instance("a")
    cloud.add_instance("b")
    cloud.fail("instance_metadata", CloudProviderError("broken"), key="b")
    answers = cloud.instances_v2().instance_metadata_many(NODES)
    assert isinstance(answers["a"], InstanceMetadata)
    assert str(answers["b"]) == "broken"


def test_a_whole_page_can_fail(cloud):
    cloud.fail("instance_metadata_many", CloudProviderError("down"))
    with pytest.raises(CloudProviderError):
        cloud.instances_v2().instance_metadata_many(NODES)


def test_states_of_instances(cloud):
    cloud.add_instance("a").shutdown = True
    instances = cloud.instances_v2()
    states = instances.instance_states_many(NODES)
    assert states == {
        "a": InstanceState(exists=True, shutdown=True),
        "b": InstanceState(exists=False),
    }
    assert instances.instance_exists(NODES[0])
    assert instances.instance_shutdown(NODES[0])
    assert not instances.instance_exists(NODES[1])
    with pytest.raises(InstanceNotFound):
        instances.instance_metadata(NODES[1])


def test_routes_are_created_listed_and_deleted(cloud):
    routes = cloud.routes()
    wanted = Route(name="", target_node="a", destination_cidr="10.0.0.0/24")
    assert routes.create_routes("c", [("uid", wanted)]) == [None]
    [found] = routes.list_routes("c")
    assert (found.target_node, found.name) == ("a", "uid-10.0.0.0/24")
    assert routes.create_routes("c", [("uid", wanted)]) == [None]
    other = dataclasses.replace(wanted, target_node="node-2")
    [refused] = routes.create_routes("c", [("uid", other)])
    assert "routed already" in str(refused)
    assert routes.delete_routes("c", [found]) == [None]
    assert routes.delete_routes("c", [found]) == [None]
    assert routes.list_routes("c") == []
    assert cloud.writes == 2


def test_one_routes_error_stays_its_own(cloud):
    cloud.fail("create_route", CloudProviderError("no quota"), key="10.0.1.0/24")
    pairs = [
        ("u", Route(name="", target_node="a", destination_cidr=f"10.0.{index}.0/24"))
        for index in range(2)
    ]
    first, second = cloud.routes().create_routes("c", pairs)
    assert first is None
    assert str(second) == "no quota"


def test_counting_can_start_anew(cloud):
    cloud.load_balancer().ensure_load_balancer("c", make_service(), NODES)
    cloud.forget_calls()
    assert (cloud.count(), cloud.writes) == (0, 0)
    assert len(cloud.balancers) == 1
