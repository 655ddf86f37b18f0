"""Where each product is served."""

import importlib
import re
import warnings

import pytest

from cloudprovider.errors import InvalidConfiguration
from cloudprovider_alicloud.api.caller import PRODUCTS, VERSIONS
from cloudprovider_alicloud.api.endpoints import Endpoint, endpoints, parse

#: Regions of customers; the SDK's maps also hold some of the vendor's own.
_NOT_PUBLIC = re.compile(
    r"-(pop|inner|test|internal|nebula|oxs|[a-z0-9]+-[a-z]\d+)\b|-gov-1$|edge|fujian|wuhan"
    r"|yushanfang|zhangbei|haidian|zhangjiakou-na62|beijing-nu16|rus-west|hangzhou-test"
)


def hosts(region, network="vpc", overrides=(), scheme="https"):
    found = endpoints(region, network=network, overrides=dict(overrides), scheme=scheme)
    return {product: endpoint.host for product, endpoint in found.items()}


@pytest.mark.parametrize("region", ["cn-hangzhou", "cn-shanghai", "eu-central-1", "cn-new-9"])
def test_inside_a_vpc_every_product_has_its_vpc_endpoint(region):
    assert hosts(region) == {
        product: f"{product}-vpc.{region}.aliyuncs.com" for product in PRODUCTS
    }


@pytest.mark.parametrize("product", PRODUCTS)
def test_public_endpoints_are_those_the_sdk_would_choose(product):
    package = f"alibabacloud_{product}{VERSIONS[product].replace('-', '')}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client_class = importlib.import_module(f"{package}.client").Client
        config = importlib.import_module("alibabacloud_tea_openapi.utils_models").Config
    regions = ["cn-hangzhou", "cn-shanghai", "cn-beijing", "eu-central-1", "ap-southeast-1"]
    known = client_class(config(region_id="cn-hangzhou"))._endpoint_map or {}
    regions += [region for region in known if not _NOT_PUBLIC.search(region)]
    for region in regions:
        client = client_class(config(region_id=region))
        assert hosts(region, "public")[product] == client._endpoint, region


def test_an_override_wins_and_the_others_stay():
    found = hosts("cn-hangzhou", overrides={"slb": "slb.example.com"})
    assert found["slb"] == "slb.example.com"
    assert found["ecs"] == "ecs-vpc.cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize("region", ["cn-hangzhou-finance", "cn-north-2-gov-1"])
def test_regions_without_vpc_endpoints_ask_for_an_override(region):
    with pytest.raises(InvalidConfiguration, match="SLB_ENDPOINT"):
        hosts(region)
    overrides = {product: f"{product}.example.com" for product in PRODUCTS}
    assert hosts(region, overrides=overrides)["slb"] == "slb.example.com"
    assert hosts(region, "public")["slb"] == "slb.aliyuncs.com"


@pytest.mark.parametrize(
    ("value", "endpoint"),
    [
        ("slb.example.com", Endpoint("slb.example.com", "https")),
        (" slb.example.com ", Endpoint("slb.example.com", "https")),
        ("127.0.0.1:8080", Endpoint("127.0.0.1:8080", "https")),
        ("http://127.0.0.1:8080", Endpoint("127.0.0.1:8080", "http")),
        ("http://127.0.0.1:8080/", Endpoint("127.0.0.1:8080", "http")),
        ("https://slb.example.com", Endpoint("slb.example.com", "https")),
        ("[::1]:8080", Endpoint("[::1]:8080", "https")),
    ],
)
def test_an_endpoint_is_a_host_or_a_url(value, endpoint):
    assert parse(value, field="SLB_ENDPOINT", scheme="https") == endpoint


@pytest.mark.parametrize(
    "value",
    [
        "ftp://x",
        "http://",
        "http://x/path",
        "http://x?a=b",
        "x:port",
        "x:99999",
        "http://user:secret@x",
    ],
)
def test_what_is_none_is_refused_by_name_and_shows_no_password(value):
    with pytest.raises(InvalidConfiguration, match="SLB_ENDPOINT") as caught:
        parse(value, field="SLB_ENDPOINT", scheme="https")
    assert "secret" not in str(caught.value)
    assert "host" in str(caught.value)


def test_the_scheme_holds_for_hosts():
    found = endpoints("cn-hangzhou", network="vpc", overrides={"slb": "x:1"}, scheme="http")
    assert {endpoint.scheme for endpoint in found.values()} == {"http"}
    assert str(found["slb"]) == "http://x:1"
