"""What the cloud refuses to create is told in the words of whoever can correct it."""

import pytest
from clb_world import PREFIX, make_service

from cloudprovider.errors import InvalidConfiguration, QuotaExceeded
from cloudprovider_alicloud.annotations import ANNOTATIONS
from cloudprovider_alicloud.clb.refusals import explained

PARAMS = {
    "VSwitchId": "vsw-1",
    "ResourceGroupId": "rg-1",
    "MasterZoneId": "zone-1",
    "Address": "10.0.0.1",
}


@pytest.mark.parametrize(
    ("code", "key", "annotated", "configured"),
    [
        ("InvalidVSwitchId.NotFound", "vswitch-id", "vsw-1", "Global.vswitchid"),
        ("InvalidResourceGroupId.NotFound", "resource-group-id", "rg-1", "Global.resourceGroupID"),
        ("InvalidZoneId.NotFound", "master-zoneid", "zone-1", ""),
        ("ObtainIpFail", "ip", "10.0.0.1", ""),
    ],
)
class TestFields:
    def test_the_annotation_is_named(self, code, key, annotated, configured):
        values = ANNOTATIONS.parse({PREFIX + key: annotated})
        error = explained(refused(code), PARAMS, values)
        assert isinstance(error, InvalidConfiguration)
        assert str(error).startswith(f"{PREFIX}{key}='{annotated}': refused (code {code}, request")
        assert "; accepted: " in str(error)

    def test_without_it_the_cloud_config_is_named_if_the_value_is_from_there(
        self, code, key, annotated, configured
    ):
        error = explained(refused(code), PARAMS, ANNOTATIONS.parse({}))
        assert getattr(error, "field", "") == configured

    def test_what_was_not_sent_is_not_blamed(self, code, key, annotated, configured):
        values = ANNOTATIONS.parse({PREFIX + key: annotated})
        error = refused(code)
        assert explained(error, {}, values) is error


def test_any_other_refusal_stays_as_it_is():
    error = refused("OverQuota")
    assert explained(error, PARAMS, ANNOTATIONS.parse({})) is error


def test_a_full_vswitch_is_no_wrong_one(cloud):
    """Only that refusal makes another vSwitch be looked for."""
    settings = {"address-type": "intranet", "ip": "192.0.2.1"}
    balancer, nodes = cloud.balancer(), cloud.nodes(1)

    def ensure():
        with pytest.raises(InvalidConfiguration, match="a free address of the vSwitch"):
            balancer.ensure_load_balancer("k", make_service(annotations=settings), nodes)

    assert "DescribeVSwitches" not in cloud.calls(ensure)


def refused(code):
    return QuotaExceeded("refused", code=code, request_id="R-1")
