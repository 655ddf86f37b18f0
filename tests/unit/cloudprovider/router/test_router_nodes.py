"""Whose nodes count as backends, and each provider's share of nodes and Services."""

import pytest
from router_clouds import Cloud, routed

from cloudprovider.concurrency import current
from cloudprovider.errors import CloudProviderError, NotOwned
from cloudprovider.interface import LoadBalancer
from cloudprovider.owners import PROVIDER_LABEL
from cloudprovider.testing.builders import make_node, make_service


class TestBackends:
    def test_only_the_owners_nodes_count(self, clouds):
        balancers = routed(*clouds).load_balancer()
        mine = make_node("mine", provider_id="a://1")
        other = make_node("other", provider_id="b://1")
        assert not balancers.backend_nodes_changed(make_service(), (mine,), (mine, other))
        assert balancers.backend_nodes_changed(make_service(), (other,), (mine, other))

    def test_nobodys_nodes_are_nobodys_backends(self, clouds):
        router = routed(*clouds)
        nodes = (make_node("a", provider_id="a://1"), make_node("c", provider_id="c://1"))
        assert router.own_nodes(make_service(), nodes) == nodes[:1]
        assert router.own_nodes(make_service(load_balancer_class="x/c"), nodes) == ()
        assert routed(clouds[0]).own_nodes(make_service(), nodes) == nodes

    def test_one_that_cannot_tell_which_nodes_are_its_own_keeps_its_backends(self, clouds):
        class Forgetful(Cloud):
            def claims_node(self, node):
                raise RuntimeError

        forgetful, b = Forgetful("a"), clouds[1]
        router = routed(forgetful, b)
        balancers = router.load_balancer()
        theirs, its = make_node("x", provider_id="b://1"), make_node("y", provider_id="a://1")
        service = make_service(load_balancer_class="x/a")
        for method in ("ensure_load_balancer", "update_load_balancer"):
            with pytest.raises(CloudProviderError, match="cannot tell whether node y is its own"):
                getattr(balancers, method)("c", service, (theirs, its))
        assert forgetful.calls == []
        assert balancers.backend_nodes_changed(service, (its,), (theirs,)) is True
        assert router.own_nodes(service, (theirs, its)) == (theirs, its)
        # What others claim is theirs all the same, and so are their load balancers.
        balancers.ensure_load_balancer("c", make_service(load_balancer_class="x/b"), (theirs, its))
        assert [call.nodes for call in b.calls] == [("x",)]

    def test_what_is_nobodys_has_no_backends(self, clouds):
        balancers = routed(*clouds).load_balancer()
        service = make_service(labels={PROVIDER_LABEL: "c"})
        assert not balancers.backend_nodes_changed(service, (), (make_node(),))

    def test_a_provider_with_its_own_comparison_is_asked(self, clouds):
        class Picky(type(clouds[0].load_balancer())):
            def backend_nodes_changed(self, service, old, new):
                return service.metadata.name == "web"

        a, b = clouds
        a._load_balancer = Picky(a)
        balancers = routed(a, b).load_balancer()
        assert balancers.backend_nodes_changed(make_service("web"), (), ())
        assert not balancers.backend_nodes_changed(make_service("other"), (), ())

    def test_many_services_cost_one_comparison(self, clouds, monkeypatch):
        asked = []
        compare = LoadBalancer.backend_nodes_changed

        def counting(self, service, old, new):
            asked.append(service)
            return compare(self, service, old, new)

        monkeypatch.setattr(LoadBalancer, "backend_nodes_changed", counting)
        balancers = routed(*clouds).load_balancer()
        old = tuple(make_node(f"n{i}", provider_id=f"a://{i}") for i in range(3))
        new = old[1:]
        for index in range(50):
            balancers.backend_nodes_changed(make_service(f"s{index}"), old, new)
        assert len(asked) == 1


class TestShares:
    def test_each_owns_its_part(self, clouds):
        first, second = routed(*clouds).shares()
        mine, other = make_node(provider_id="a://1"), make_node(provider_id="b://1")
        assert (first.claims_node(mine), first.claims_node(other)) == (True, False)
        assert (second.claims_node(mine), second.claims_node(other)) == (False, True)
        assert second.node_owner(mine).name == ""
        assert second.service_owner(make_service()).name == ""
        assert first.settle_service_owner("c", make_service()) == "a"
        with pytest.raises(NotOwned):
            second.settle_service_owner("c", make_service())

    def test_only_the_first_tells_of_what_is_nobodys(self, clouds):
        clouds[1].claims_node = lambda node: True
        first, second = routed(*clouds).shares()
        disputed = make_node(provider_id="a://1")
        assert "claimed by the providers a and b" in first.node_owner(disputed).problem
        assert second.node_owner(disputed).problem == ""
        assert not first.claims_node(disputed)

    def test_the_next_one_tells_while_the_first_does_not_work(self, clouds):
        clouds[1].claims_node = lambda node: True
        clouds[0].initialize = lambda *_: (_ for _ in ()).throw(CloudProviderError("no region"))
        router = routed(*clouds)
        first, second = router.shares()
        disputed = make_node(provider_id="a://1")
        assert "claimed by" in second.node_owner(disputed).problem
        del clouds[0].initialize
        assert router.initialize_one("a", None, current().event())
        assert "claimed by" in first.node_owner(disputed).problem
        assert second.node_owner(disputed).problem == ""

    def test_a_fresh_node_is_the_defaults_to_initialise_and_nobodys_to_delete(self, clouds):
        first, second = routed(*clouds).shares()
        fresh = make_node(provider_id=None)
        assert first.node_owner(fresh).name == "a"
        assert not first.claims_node(fresh)
        assert second.node_owner(fresh).name == ""
