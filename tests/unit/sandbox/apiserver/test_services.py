"""Services: allocation and release, changes of type, status. Defaults and refusals are compared
with a real server's in the recorded answers.
"""

from __future__ import annotations

import pytest
from apiserver_kube import MERGE, STRATEGIC, SVC, Kube

from cloudprovider_sandbox.apiserver.allocators import (
    Addresses,
    Numbers,
    OutOfRange,
    RangeFull,
    Reservation,
    Taken,
)


def ports_of(answer):
    return [port.get("nodePort") for port in answer.body["spec"]["ports"]]


def test_addresses_and_ports_are_given_back_on_delete():
    kube = Kube(node_ports=(30000, 30000), service_cidrs=("10.0.0.0/30",), namespaces=("default",))
    for _ in range(3):
        made = kube.service("web", type="NodePort")
        assert (ports_of(made), made.body["spec"]["clusterIP"]) == ([30000], "10.0.0.2")
        kube.delete(f"{SVC}/web")


def test_a_refused_create_takes_nothing():
    kube = Kube(node_ports=(30000, 30001))
    wrong = {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b", "nodePort": 99}]}
    for _ in range(3):
        assert kube.service("bad", type="NodePort", **wrong).status == 422
    two = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]
    assert kube.service("good", type="NodePort", ports=two).status == 201


def test_a_full_range_is_an_internal_error():
    kube = Kube(node_ports=(30000, 30000))
    kube.service("a", type="NodePort")
    answer = kube.service("b", type="NodePort")
    assert answer.status == 500
    assert answer.body["message"].endswith("failed to allocate a nodePort: range is full")


def test_a_port_of_somebody_else_is_refused(kube):
    port = ports_of(kube.service("a", type="NodePort"))[0]
    answer = kube.service("b", type="NodePort", ports=[{"port": 80, "nodePort": port}])
    assert answer.body["message"] == (
        f'Service "b" is invalid: spec.ports[0].nodePort: Invalid value: {port}: '
        "provided port is already allocated"
    )


def test_a_change_of_type_gives_ports_back():
    kube = Kube(node_ports=(30000, 30002))
    kube.service("a", type="LoadBalancer", externalTrafficPolicy="Local")
    answer = kube.patch(f"{SVC}/a", {"spec": {"type": "ClusterIP"}})
    assert ports_of(answer) == [None]
    assert "healthCheckNodePort" not in answer.body["spec"]
    three = [{"port": n, "name": f"p{n}"} for n in (1, 2, 3)]
    assert kube.service("b", type="NodePort", ports=three).status == 201


def test_a_health_check_port_comes_with_local_traffic_and_goes_with_it(kube):
    kube.service("a", type="LoadBalancer")
    local = kube.patch(f"{SVC}/a", {"spec": {"externalTrafficPolicy": "Local"}})
    port = local.body["spec"]["healthCheckNodePort"]
    assert 30000 <= port <= 32767
    assert (
        kube.patch(f"{SVC}/a", {"metadata": {"labels": {"x": "y"}}}).body["spec"][
            "healthCheckNodePort"
        ]
        == port
    )
    cluster = kube.patch(f"{SVC}/a", {"spec": {"externalTrafficPolicy": "Cluster"}})
    assert "healthCheckNodePort" not in cluster.body["spec"]


def test_a_removed_port_gives_its_node_port_back_and_the_other_keeps_its_own(kube):
    two = [{"port": 80, "name": "a"}, {"port": 443, "name": "b"}]
    first = ports_of(kube.service("web", type="LoadBalancer", ports=two))
    left = kube.patch(f"{SVC}/web", {"spec": {"ports": [{"port": 443, "name": "b"}]}})
    assert ports_of(left) == [first[1]]
    again = kube.service("other", type="NodePort", ports=[{"port": 80, "nodePort": first[0]}])
    assert again.status == 201


def test_a_put_keeps_what_it_does_not_mention(kube):
    made = kube.service("web", type="LoadBalancer")
    spec = {"type": "LoadBalancer", "ports": [{"port": 8080}]}
    answer = kube.put(f"{SVC}/web", {"metadata": {"name": "web"}, "spec": spec})
    assert answer.body["spec"]["clusterIP"] == made.body["spec"]["clusterIP"]
    assert ports_of(answer) == ports_of(made)


def test_switched_off_node_ports_can_be_switched_on(kube):
    kube.service("web", type="LoadBalancer", allocateLoadBalancerNodePorts=False)
    answer = kube.patch(f"{SVC}/web", {"spec": {"allocateLoadBalancerNodePorts": True}})
    assert ports_of(answer)[0]


def test_two_families_where_the_cluster_has_them():
    kube = Kube(service_cidrs=("10.96.0.0/16", "fd00:10:96::/112"))
    one = kube.service("one").body["spec"]
    assert (one["ipFamilies"], one["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")
    two = kube.service("two", ipFamilyPolicy="PreferDualStack").body["spec"]
    assert two["ipFamilies"] == ["IPv4", "IPv6"]
    assert two["clusterIPs"] == [two["clusterIP"], "fd00:10:96::1"]
    more = kube.patch(f"{SVC}/one", {"spec": {"ipFamilyPolicy": "RequireDualStack"}}).body["spec"]
    assert more["ipFamilies"] == ["IPv4", "IPv6"]
    less = kube.patch(f"{SVC}/two", {"spec": {"ipFamilyPolicy": "SingleStack"}}).body["spec"]
    assert (less["ipFamilies"], len(less["clusterIPs"])) == (["IPv4"], 1)


def test_a_family_that_the_cluster_has_not_is_refused(kube):
    assert kube.service("web", ipFamilies=["IPv6"]).causes == [
        ("spec.ipFamilies[0]", "FieldValueInvalid")
    ]


class TestStatus:
    def test_the_main_resource_cannot_write_status_nor_status_the_spec(self, kube):
        kube.service("web", type="LoadBalancer")
        given = {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
        main = kube.patch(f"{SVC}/web", {"status": given})
        assert (main.body["status"], main.reply.effect) == ({"loadBalancer": {}}, False)
        change = {"spec": {"externalTrafficPolicy": "Local"}, "status": given}
        sub = kube.patch(f"{SVC}/web/status", change)
        assert sub.body["spec"]["externalTrafficPolicy"] == "Cluster"
        assert sub.body["status"]["loadBalancer"]["ingress"][0]["ip"] == "1.2.3.4"

    def test_the_finalizer_is_written_through_status(self, kube):
        kube.service("web", type="LoadBalancer")
        name = "service.kubernetes.io/load-balancer-cleanup"
        answer = kube.patch(f"{SVC}/web/status", {"metadata": {"finalizers": [name]}}, STRATEGIC)
        assert answer.meta["finalizers"] == [name]

    @pytest.mark.parametrize(
        "ingress",
        [None, []],
        ids=["null", "empty list"],
    )
    def test_clearing_an_empty_status_is_no_write(self, kube, ingress):
        kube.service("web", type="LoadBalancer")
        before = kube.version
        body = {"status": {"loadBalancer": {"ingress": ingress}}}
        assert not kube.patch(f"{SVC}/web/status", body, MERGE).reply.effect
        assert kube.version == before

    def test_only_a_balancer_may_have_addresses(self, kube):
        kube.service("web")
        body = {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}
        assert kube.patch(f"{SVC}/web/status", body).causes == [
            ("status.loadBalancer.ingress", "FieldValueForbidden")
        ]


class TestAllocators:
    def test_numbers_go_round_and_are_not_reused_at_once(self):
        numbers = Numbers(1, 3)
        assert [numbers.take("a") for _ in range(2)] == [1, 2]
        numbers.release(1, "a")
        assert [numbers.take("a"), numbers.take("a")] == [3, 1]
        with pytest.raises(RangeFull):
            numbers.take("b")

    def test_a_number_is_released_by_its_owner_only(self):
        numbers = Numbers(1, 1)
        numbers.take("a")
        numbers.release(1, "b")
        with pytest.raises(Taken):
            numbers.claim(1, "b")

    @pytest.mark.parametrize("number", [0, 4])
    def test_numbers_outside_are_refused(self, number):
        with pytest.raises(OutOfRange):
            Numbers(1, 3).claim(number, "a")

    @pytest.mark.parametrize("address", ["10.0.1.1", "10.0.0.0", "10.0.0.255", "fd00::1", "foo"])
    def test_addresses_outside_are_refused(self, address):
        with pytest.raises(OutOfRange):
            Addresses("10.0.0.0/24").claim(address, "a")

    def test_a_rollback_gives_back_what_is_new_and_keeps_what_was_held(self):
        numbers = Numbers(1, 3)
        numbers.claim(1, "a")
        reservation = Reservation("a")
        reservation.claim(numbers, 1)
        reservation.take(numbers)
        reservation.rollback()
        assert len(numbers) == 1
