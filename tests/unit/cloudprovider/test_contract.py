"""The contract: bulk forms made of single ones, errors that stay with their node, public names."""

import inspect

import pytest

import cloudprovider
from cloudprovider import errors, interface, models
from cloudprovider.errors import CloudProviderError, InstanceNotFound


def node(name, provider_id=""):
    meta = models.ObjectMeta(name=name)
    return models.Node(metadata=meta, spec=models.NodeSpec(provider_id=provider_id or None))


class Single(interface.InstancesV2):
    """Answers by node name: ``gone``, ``broken``, ``stopped``, or fine."""

    def instance_exists(self, node):
        if node.metadata.name == "broken":
            raise CloudProviderError("no answer")
        return node.metadata.name != "gone"

    def instance_shutdown(self, node):
        return node.metadata.name == "stopped"

    def instance_metadata(self, node):
        if node.metadata.name == "gone":
            raise InstanceNotFound("gone")
        if node.metadata.name == "bug":
            raise ZeroDivisionError("secret in the text")
        return interface.InstanceMetadata(provider_id=f"x://{node.metadata.name}")


def test_bulk_metadata_has_one_outcome_per_node_and_never_raises():
    found = Single().instance_metadata_many([node("a"), node("gone"), node("bug")])
    assert found["a"].provider_id == "x://a"
    assert isinstance(found["gone"], InstanceNotFound)
    assert isinstance(found["bug"], CloudProviderError)
    assert "ZeroDivisionError" in str(found["bug"])
    assert "secret" not in str(found["bug"])


def test_bulk_states_tell_gone_stopped_and_unknown_apart():
    found = Single().instance_states_many([node(n) for n in ("a", "gone", "stopped", "broken")])
    assert found["a"] == interface.InstanceState(exists=True)
    assert found["gone"] == interface.InstanceState(exists=False)
    assert found["stopped"] == interface.InstanceState(exists=True, shutdown=True)
    assert isinstance(found["broken"], CloudProviderError)


class Balancer(interface.LoadBalancer):
    def get_load_balancer(self, cluster_name, service): ...

    def get_load_balancer_name(self, cluster_name, service): ...

    def ensure_load_balancer(self, cluster_name, service, nodes): ...

    def update_load_balancer(self, cluster_name, service, nodes): ...

    def ensure_load_balancer_deleted(self, cluster_name, service): ...


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        pytest.param([("a", "1")], [("a", "1")], False, id="same"),
        pytest.param([("a", "1"), ("b", "2")], [("b", "2"), ("a", "1")], False, id="other-order"),
        pytest.param([("a", "1")], [], True, id="left"),
        pytest.param([("a", "1")], [("a", "2")], True, id="other-instance"),
    ],
)
def test_backends_change_with_names_and_provider_ids(old, new, changed):
    nodes = [[node(*item) for item in side] for side in (old, new)]
    assert Balancer().backend_nodes_changed(models.Service(), *nodes) is changed


def test_a_provider_without_its_methods_fails_at_construction():
    class Nothing(interface.Interface):
        pass

    with pytest.raises(TypeError, match="provider_name"):
        Nothing()


def test_public_names_are_sorted_and_there():
    assert cloudprovider.__all__ == sorted(cloudprovider.__all__)
    assert all(hasattr(cloudprovider, name) for name in cloudprovider.__all__)


def test_the_error_tree_is_closed():
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    assert all(issubclass(c, CloudProviderError) for c in classes)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CloudProviderError("no"), "no"),
        (CloudProviderError("no", code="X", request_id="r"), "no (code X, request r)"),
        (
            errors.InvalidConfiguration("bad", field="f", value="v", accepted="a or b"),
            "f='v': bad; accepted: a or b",
        ),
    ],
    ids=["plain", "cloud", "invalid"],
)
def test_errors_say_what_happened_and_what_to_do(error, text):
    assert str(error) == text


@pytest.mark.parametrize(("after", "kept"), [(0, 0.1), (-5, 0.1), (7, 7)])
def test_retry_later_never_asks_for_a_hot_loop(after, kept):
    assert errors.RetryLater("wait", after=after).after == kept
