"""The old pair Instances and Zones works as InstancesV2."""

import pytest

from cloudprovider import errors, legacy, models
from cloudprovider.errors import CloudProviderError, InstanceNotFound, NotSupported
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


def test_both_failures_are_told():
    fails = {
        "node_addresses_by_provider_id": CloudProviderError("first"),
        "node_addresses": CloudProviderError("second"),
    }
    with pytest.raises(CloudProviderError, match=r"first.*second") as raised:
        adapter(**fails).instance_metadata(NODE)
    assert not isinstance(raised.value, InstanceNotFound)


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
