"""providerID forms, and which nodes are ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudprovider.errors import InvalidConfiguration
from cloudprovider_alicloud.provider_id import ProviderID, claims, is_valid, left_alone, parse


@pytest.mark.parametrize(
    ("text", "region", "instance"),
    [
        ("cn-hangzhou.i-bp1abc", "cn-hangzhou", "i-bp1abc"),
        ("alicloud://cn-hangzhou.i-bp1abc", "cn-hangzhou", "i-bp1abc"),
        ("ap-southeast-1.i-t4n", "ap-southeast-1", "i-t4n"),
        ("cn-hangzhou.i-bp1abc.extra", "cn-hangzhou", "i-bp1abc"),
        ("cn-hangzhou.AY1404011234", "cn-hangzhou", "AY1404011234"),
    ],
)
def test_both_forms_are_read_and_the_canonical_one_written(text, region, instance):
    assert parse(text) == ProviderID(region, instance)
    assert str(parse(text)) == f"{region}.{instance}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "i-bp1abc",
        ".i-bp1abc",
        "cn-hangzhou.",
        "cn-hangzhou/i-bp1abc",
        "aws:///us-east-1a/i-0abc",
        "gce://project/us-central1-a/vm.name",
        "ALICLOUD://cn-hangzhou.i-1",
        "ack-hybrid://cn-hangzhou.i-1",
        "cn-hangzhou.i-1 ",
        "cn-hangzhou.i%2F1",
        'cn-hangzhou.i-1","i-2',
        "localhost.localdomain",
    ],
)
def test_anything_else_is_refused_by_name(text):
    with pytest.raises(InvalidConfiguration) as caught:
        parse(text)
    assert caught.value.field == "spec.providerID"
    assert not is_valid(text)


@given(st.text())
def test_no_text_makes_it_fail_otherwise(text):
    if is_valid(text):
        assert parse(str(parse(text))) == parse(text)


@given(st.integers(min_value=0, max_value=30))
def test_no_prefix_of_a_valid_id_is_taken_for_another_cloud(length):
    text = "alicloud://cn-hangzhou.i-bp1abc"[:length]
    if is_valid(text):
        assert parse(text).region == "cn-hangzhou"


@pytest.mark.parametrize(
    ("fields", "claimed"),
    [
        pytest.param({"provider_id": "cn-hangzhou.i-1"}, True, id="canonical"),
        pytest.param({"provider_id": "alicloud://cn-hangzhou.i-1"}, True, id="older form"),
        pytest.param({"provider_id": "cn-beijing.i-1"}, True, id="another region"),
        pytest.param({"name": "cn-hangzhou.i-1"}, True, id="by name"),
        pytest.param({"name": "worker-1"}, False, id="no id yet"),
        pytest.param({"name": "ip-10-0-0-1.ec2.internal"}, False, id="another cloud's name"),
        pytest.param({"name": "node-1.example"}, False, id="a name with a dot"),
        pytest.param({"name": "cn-hangzhou.i-1.example"}, False, id="more than an id"),
        pytest.param({"provider_id": "aws:///us-east-1a/i-1"}, False, id="another cloud"),
        pytest.param(
            {"name": "cn-hangzhou.i-1", "provider_id": "kind://x"}, False, id="id before name"
        ),
        pytest.param({"provider_id": "ack-hybrid://x.y"}, False, id="hybrid"),
        pytest.param(
            {
                "provider_id": "cn-hangzhou.i-1",
                "labels": {"service.alibabacloud.com/exclude-node": ""},
            },
            False,
            id="excluded",
        ),
        pytest.param(
            {"provider_id": "cn-hangzhou.eci-1", "labels": {"type": "virtual-kubelet"}},
            False,
            id="virtual",
        ),
    ],
)
def test_nodes_are_claimed_by_the_form_of_their_id(node, fields, claimed):
    assert claims(node(**fields)) is claimed


@pytest.mark.parametrize(
    "label", ["service.alibabacloud.com/exclude-node", "service.beta.kubernetes.io/exclude-node"]
)
def test_nodes_with_an_exclude_label_are_left_alone_whatever_its_value(node, label):
    assert label in left_alone(node(labels={label: "false"}))
    assert left_alone(node(labels={"other": "x"})) == ""
