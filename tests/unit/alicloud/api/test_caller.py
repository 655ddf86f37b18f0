"""Parameters on the wire, compared with what the SDK's own typed clients send."""

import importlib
import inspect
import re
import warnings

import pytest

from cloudprovider_alicloud.api.caller import VERSIONS, flatten, json_text, place, proxy_for
from cloudprovider_alicloud.api.endpoints import Endpoint


@pytest.mark.parametrize(
    ("params", "flat"),
    [
        pytest.param({"A": "x", "B": 5, "C": ""}, {"A": "x", "B": "5", "C": ""}, id="scalars"),
        pytest.param({"A": None, "B": [], "C": {}}, {}, id="nothing is left out"),
        pytest.param({"A": True, "B": False}, {"A": "true", "B": "false"}, id="booleans"),
        pytest.param(
            {"Tag": [{"Key": "a", "Value": "b"}, {"Key": "c"}]},
            {"Tag.1.Key": "a", "Tag.1.Value": "b", "Tag.2.Key": "c"},
            id="list of objects",
        ),
        pytest.param({"Id": ("x", "y")}, {"Id.1": "x", "Id.2": "y"}, id="list of scalars"),
        pytest.param(
            {"Check": {"Enabled": True, "Code": ["http_2xx"]}},
            {"Check.Enabled": "true", "Check.Code.1": "http_2xx"},
            id="object with a list",
        ),
    ],
)
def test_parameters_are_flattened_as_the_wire_has_them(params, flat):
    assert flatten(params) == flat
    assert flatten(flat) == flat


def test_json_parameters_are_compact():
    assert json_text(["i-1", "i-2"]) == '["i-1","i-2"]'


def sdk_operations(product):
    """(action, query, body) as the typed client places a request with every field set."""
    package = f"alibabacloud_{product}{VERSIONS[product].replace('-', '')}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = importlib.import_module(f"{package}.models")
        client_class = importlib.import_module(f"{package}.client").Client
        utils_models = importlib.import_module("alibabacloud_tea_openapi.utils_models")
        runtime = importlib.import_module("darabonba.runtime").RuntimeOptions()

    seen = []

    class Recording(client_class):
        def call_api(self, params, request, runtime):
            seen.append((params.action, request.query or {}, request.body or {}))
            return {}

    client = Recording(utils_models.Config(endpoint="localhost", region_id="cn-hangzhou"))
    for name, method in inspect.getmembers(client, inspect.ismethod):
        if name.endswith("_with_options"):
            first = next(iter(inspect.signature(method).parameters.values()))
            request_class = str(first.annotation).rpartition(".")[2]
            method(filled(models, request_class), runtime)
    return seen


def filled(models, name):
    """An instance of model ``name`` with every field set."""
    cls = getattr(models, name)
    values = {
        field: sample(models, str(parameter.annotation))
        for field, parameter in inspect.signature(cls.__init__).parameters.items()
        if field != "self"
    }
    return cls(**values)


def sample(models, annotation):
    nested = re.search(r"main_models\.(\w+)", annotation)
    value = filled(models, nested.group(1)) if nested else "x"
    if annotation.startswith("List["):
        return [value]
    return {"k": value} if annotation.startswith("Dict[") else value


#: The NLB actions that a manager has a use for (``spec/alicloud.md`` 7.2).
NLB_ACTIONS = [
    "AddServersToServerGroup",
    "AssociateAdditionalCertificatesWithListener",
    "AttachCommonBandwidthPackageToLoadBalancer",
    "CreateListener",
    "CreateLoadBalancer",
    "CreateServerGroup",
    "DeleteListener",
    "DeleteLoadBalancer",
    "DeleteServerGroup",
    "DetachCommonBandwidthPackageFromLoadBalancer",
    "DisableLoadBalancerIpv6Internet",
    "DisassociateAdditionalCertificatesWithListener",
    "EnableLoadBalancerIpv6Internet",
    "GetJobStatus",
    "GetLoadBalancerAttribute",
    "ListAsynJobs",
    "ListListenerCertificates",
    "ListListeners",
    "ListLoadBalancers",
    "ListServerGroupServers",
    "ListServerGroups",
    "ListTagResources",
    "LoadBalancerJoinSecurityGroup",
    "LoadBalancerLeaveSecurityGroup",
    "RemoveServersFromServerGroup",
    "StartListener",
    "TagResources",
    "UntagResources",
    "UpdateListenerAttribute",
    "UpdateLoadBalancerAddressTypeConfig",
    "UpdateLoadBalancerAttribute",
    "UpdateLoadBalancerProtection",
    "UpdateLoadBalancerZones",
    "UpdateServerGroupAttribute",
    "UpdateServerGroupServersAttribute",
]


@pytest.mark.parametrize("product", ["slb", "nlb"])
def test_every_parameter_is_placed_where_the_sdk_places_it(product):
    operations = sdk_operations(product)
    if product == "nlb":
        operations = [operation for operation in operations if operation[0] in NLB_ACTIONS]
        assert len(operations) == len(NLB_ACTIONS)
    for action, query, body in operations:
        flat_query, flat_body = flatten(to_maps(query)), flatten(to_maps(body))
        placed_query, placed_body = place(product, action, {**flat_query, **flat_body})
        assert placed_query.keys() == flat_query.keys(), action
        assert placed_body.keys() == flat_body.keys(), action


def to_maps(value):
    if hasattr(value, "to_map"):
        return to_maps(value.to_map())
    if isinstance(value, dict):
        return {key: to_maps(item) for key, item in value.items()}
    return [to_maps(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("environ", "host", "proxy"),
    [
        pytest.param({}, "slb.aliyuncs.com", "", id="none"),
        pytest.param(
            {"HTTPS_PROXY": "http://proxy:3128"}, "slb.aliyuncs.com", "http://proxy:3128", id="set"
        ),
        pytest.param(
            {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "aliyuncs.com"},
            "slb.aliyuncs.com",
            "",
            id="excepted",
        ),
        pytest.param({"HTTP_PROXY": "http://proxy:3128"}, "slb.aliyuncs.com", "", id="for http"),
    ],
)
def test_proxies_come_from_the_environment_and_no_proxy_holds(monkeypatch, environ, host, proxy):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(Endpoint(host)) == proxy
