"""The old pair Instances and Zones works as InstancesV2."""

import pytest

from cloudprovider import errors, legacy, models
from cloudprovider.errors import CloudProviderError, InstanceNotFound, NotSupported, Throttled
from cloudprovider.interface import InstanceMetadata

ADDRESS = models.NodeAddress(type="InternalIP", address="10.0.0.1")


class Old(legacy.Instances):
    """Knows instance ``i-1`` called ``one``; ``fails`` raises by method name."""

    def __init__(self, **fails):
        self.fails = fails

    def _do(self, method, value):
        if method in self.fails:
            raise self.fails[method]
        return value

    def node_addresses(self, node_name):
        return self._do("node_addresses", [ADDRESS])

    def node_addresses_by_provider_id(self, provider_id):
        if not provider_id:
            raise CloudProviderError("empty id")
        return self._do("node_addresses_by_provider_id", [ADDRESS])

    def instance_id(self, node_name):
        return self._do("instance_id", "i-1")

    def instance_type(self, node_name):
        return self._do("instance_type", "small")

    def instance_type_by_provider_id(self, provider_id):
        return self._do("instance_type_by_provider_id", "small")

    def instance_exists_by_provider_id(self, provider_id):
        return self._do("instance_exists_by_provider_id", provider_id == "old://i-1")

    def instance_shutdown_by_provider_id(self, provider_id):
        return self._do("instance_shutdown_by_provider_id", True)


class OldZones(legacy.Zones):
    def get_zone_by_provider_id(self, provider_id):
        raise CloudProviderError("no zone by id")

    def get_zone_by_node_name(self, node_name):
        return legacy.Zone("z1", "r1")


NODE = models.Node(metadata=models.ObjectMeta(name="one"))
GONE = InstanceNotFound("gone")


def adapter(zones=None, **fails):
    return legacy.InstancesAdapter("old", Old(**fails), zones)


def test_metadata_is_asked_by_id_then_by_name():
    found = adapter(OldZones(), node_addresses_by_provider_id=errors.CloudProviderError("x"))
    assert found.instance_metadata(NODE) == InstanceMetadata(
        "old://i-1", "small", (ADDRESS,), zone="z1", region="r1"
    )


# Upstream's words (spec/ccm-core.md 3.2.6).
FAILURES = [
    pytest.param(
        ("node_addresses_by_provider_id", "node_addresses"),
        "error fetching node by provider ID: first, and error by node name: second",
        id="addresses",
    ),
    pytest.param(
        ("instance_type_by_provider_id", "instance_type"),
        "InstanceType: Error fetching by providerID: first Error fetching by NodeName: second",
        id="type",
    ),
    pytest.param(
        ("get_zone_by_provider_id", "get_zone_by_node_name"),
        "failed to get zone from cloud provider: Zone: Error fetching by providerID: first"
        " Error fetching by NodeName: second",
        id="zone",
    ),
]


class FailingZones(OldZones):
    def __init__(self, fails):
        self.fails = fails

    def get_zone_by_provider_id(self, provider_id):
        raise self.fails.get("get_zone_by_provider_id", CloudProviderError("x"))

    def get_zone_by_node_name(self, node_name):
        if "get_zone_by_node_name" in self.fails:
            raise self.fails["get_zone_by_node_name"]
        return super().get_zone_by_node_name(node_name)


def failing(methods, first, second):
    fails = dict(zip(methods, (first, second), strict=True))
    return adapter(FailingZones(fails), **fails)


@pytest.mark.parametrize(("methods", "text"), FAILURES)
def test_both_failures_are_told(methods, text):
    second = CloudProviderError("second", code="E2", request_id="r2")
    with pytest.raises(CloudProviderError) as raised:
        failing(methods, CloudProviderError("first"), second).instance_metadata(NODE)
    assert not isinstance(raised.value, InstanceNotFound)
    assert raised.value.message == text
    assert (raised.value.code, raised.value.request_id) == ("E2", "r2")


@pytest.mark.parametrize("place", [0, 1], ids=["by id", "by name"])
@pytest.mark.parametrize(("methods", "text"), FAILURES)
def test_later_is_heard_whichever_lookup_says_it(methods, text, place):
    says = [CloudProviderError("x"), CloudProviderError("x")]
    says[place] = Throttled("slow", after=7)
    with pytest.raises(CloudProviderError) as raised:
        failing(methods, *says).instance_metadata(NODE)
    assert raised.value.__cause__ is says[place]


@pytest.mark.parametrize(("methods", "text"), FAILURES)
def test_whatever_the_lookup_by_id_raises_the_name_is_asked(methods, text):
    fails = {methods[0]: KeyError("secret")}
    found = adapter(FailingZones(fails), **fails).instance_metadata(NODE)
    assert (found.instance_type, found.zone) == ("small", "z1")
    assert found.node_addresses == (ADDRESS,)


def test_an_id_that_cannot_be_found_out_is_told():
    error = CloudProviderError("down", code="E", request_id="r")
    with pytest.raises(CloudProviderError) as raised:
        adapter(instance_id=error).instance_metadata(NODE)
    assert str(raised.value) == (
        "failed to get instance ID from cloud provider: down (code E, request r)"
    )


def test_gone_by_id_and_by_name_is_not_found():
    with pytest.raises(InstanceNotFound):
        adapter(node_addresses_by_provider_id=GONE, node_addresses=GONE).instance_metadata(NODE)


@pytest.mark.parametrize(
    ("fails", "exists", "shutdown"),
    [
        pytest.param({}, True, True, id="there"),
        pytest.param({"instance_id": GONE}, False, False, id="gone"),
        pytest.param(
            {"instance_shutdown_by_provider_id": NotSupported()}, True, False, id="cannot-tell"
        ),
    ],
)
def test_state(fails, exists, shutdown):
    instances = adapter(**fails)
    assert instances.instance_exists(NODE) is exists
    assert instances.instance_shutdown(NODE) is shutdown


def test_a_cloud_without_ids_still_initialises_nodes():
    assert adapter(instance_id=NotSupported()).instance_metadata(NODE).provider_id == ""


def test_an_error_is_not_absence():
    with pytest.raises(CloudProviderError):
        adapter(instance_id=CloudProviderError("down")).instance_exists(NODE)
