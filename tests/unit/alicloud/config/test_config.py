"""The cloud config file and the environment."""

import base64
import io
import json
import logging
import pickle
import traceback

import pytest

from cloudprovider.errors import InvalidConfiguration
from cloudprovider_alicloud.config import AlicloudConfig, VSwitch, load
from cloudprovider_alicloud.credentials import Credentials, Secret, StaticCredentials

ID, SECRET = "LTAI5tCanaryIdentifier00", "CanarySecretValue0123456789abc"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config(environ=None, **values) -> AlicloudConfig:
    section = {"accessKeyID": b64(ID), "accessKeySecret": b64(SECRET), **values}
    section.setdefault("region", "cn-hangzhou")
    return load(json.dumps({"Global": section}), environ or {})


def keys(config: AlicloudConfig) -> tuple[str, str]:
    found = config.credentials.get()
    return found.access_key_id.reveal(), found.access_key_secret.reveal()


def test_the_documented_file_works_as_it_is():
    """D2: base64 keys and a region."""
    found = config()
    assert found.region == "cn-hangzhou"
    assert keys(found) == (ID, SECRET)
    assert found.cluster_id == "clusterid"
    assert found.endpoints()["slb"].host == "slb-vpc.cn-hangzhou.aliyuncs.com"


def test_every_field_of_the_file_is_read():
    found = config(
        clusterID="c-1",
        kubernetesClusterTag="ack.aliyun.com",
        vpcid="vpc-1",
        zoneid="cn-hangzhou-h",
        vswitchid="cn-hangzhou-h:vsw-1, cn-hangzhou-i:vsw-2",
        resourceGroupID=" rg-1 ",
        serviceBackendType="eni",
        disablePublicSLB=True,
        routeTableIDs=" vtb-1 , vtb-2 ",
        featureGates="IPv6DualStack=true,EndpointSlice=false",
        network="public",
        uid="123",
        serviceMaxConcurrentReconciles=5,
        nodeMonitorPeriod=10,
        privateZoneId="",
    )
    assert found == AlicloudConfig(
        region="cn-hangzhou",
        cluster_id="c-1",
        kubernetes_cluster_tag="ack.aliyun.com",
        vpc_id="vpc-1",
        zone_id="cn-hangzhou-h",
        vswitches=(VSwitch("vsw-1", "cn-hangzhou-h"), VSwitch("vsw-2", "cn-hangzhou-i")),
        resource_group_id="rg-1",
        service_backend_type="eni",
        disable_public_slb=True,
        route_table_ids=("vtb-1", "vtb-2"),
        feature_gates={"IPv6DualStack": True, "EndpointSlice": False},
        network="public",
        credentials=found.credentials,
    )
    assert found.enabled("IPv6DualStack")
    assert not found.enabled("EndpointSlice")
    assert not found.enabled("FilterServiceOnNodeChange")


def test_keys_are_matched_without_regard_to_case():
    found = config(KubernetesClusterTag="t", VPCID="vpc-1")
    assert (found.kubernetes_cluster_tag, found.vpc_id) == ("t", "vpc-1")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{}", id="empty object"),
        pytest.param('{"Global": null}', id="null"),
        pytest.param('{"Global": {"routeTableIDs": ""}}', id="documented minimum"),
        pytest.param('\ufeff{"Global": {}}', id="byte order mark"),
        pytest.param("Global:\n  clusterID: clusterid\n", id="YAML"),
    ],
)
def test_a_file_may_leave_everything_to_the_environment(text):
    environ = {"ACCESS_KEY_ID": ID, "ACCESS_KEY_SECRET": SECRET}
    found = load(text, environ)
    assert (found.region, keys(found)) == ("", (ID, SECRET))


def test_without_a_file_the_environment_is_enough():
    """D1: plain keys in two variables."""
    found = load(None, {"ACCESS_KEY_ID": ID, "ACCESS_KEY_SECRET": SECRET})
    assert keys(found) == (ID, SECRET)


class TestKeys:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            pytest.param(b64("LTAI5tAbc"), "LTAI5tAbc", id="base64"),
            pytest.param(b64("LTAI5tAbc\n"), "LTAI5tAbc", id="base64 with a newline inside"),
            pytest.param(b64("LTAI5tAbc") + "\n", "LTAI5tAbc", id="newline after"),
        ],
    )
    def test_base64_is_decoded_quietly(self, caplog, text, value):
        assert keys(config(accessKeyID=text))[0] == value
        assert caplog.text == ""

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param("LTAI5tAbcdefghijklmnop", id="no base64 length"),
            pytest.param("LTAI5tAbcdefghijklmnopqr", id="base64 alphabet and length"),
            pytest.param("testak", id="short"),
        ],
    )
    def test_plain_keys_are_taken_with_a_warning_that_shows_none(self, caplog, text):
        assert keys(config(accessKeyID=text))[0] == text
        assert "Global.accessKeyID is plain text" in caplog.text
        assert text not in caplog.text

    @pytest.mark.parametrize("text", ["canary+/=", "canary!", "can ary", b64("\x00canary") + "="])
    def test_what_is_neither_base64_of_a_key_nor_a_key_is_refused_and_not_shown(self, text):
        with pytest.raises(
            InvalidConfiguration, match="neither base64 of a key nor a key"
        ) as caught:
            config(accessKeySecret=text)
        assert caught.value.field == "Global.accessKeySecret"
        assert "printf %s KEY | base64" in str(caught.value)
        assert text not in str(caught.value)

    def test_the_file_counts_before_the_environment(self):
        environ = {"ACCESS_KEY_ID": "other", "ACCESS_KEY_SECRET": "other"}
        assert keys(config(environ)) == (ID, SECRET)

    @pytest.mark.parametrize(
        ("names", "warned"),
        [
            (("ACCESS_KEY_ID", "ACCESS_KEY_SECRET"), False),
            (("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"), False),
            (("ALIYUN_ACCESS_KEY", "ALIYUN_ACCESS_KEY_SECRET"), True),
        ],
    )
    def test_known_pairs_of_variables_are_read(self, caplog, names, warned):
        found = load(None, dict(zip(names, (ID, SECRET), strict=True)))
        assert keys(found) == (ID, SECRET)
        assert ("are old" in caplog.text) is warned

    @pytest.mark.parametrize(
        ("text", "environ", "field"),
        [
            ('{"Global": {"accessKeyID": "x"}}', {}, "Global.accessKeySecret"),
            ('{"Global": {"accessKeySecret": "x"}}', {}, "Global.accessKeyID"),
            (None, {"ACCESS_KEY_ID": "x"}, "ACCESS_KEY_SECRET"),
            (None, {"ACCESS_KEY_SECRET": "x"}, "ACCESS_KEY_ID"),
            (None, {}, "Global.accessKeyID"),
        ],
    )
    def test_missing_keys_are_named(self, text, environ, field):
        with pytest.raises(InvalidConfiguration) as caught:
            load(text, environ)
        assert caught.value.field == field
        assert str(caught.value).startswith(f"{field}: ")


class TestEnvironment:
    def test_endpoints_and_scheme_come_from_variables(self):
        found = config(
            {
                "SLB_ENDPOINT": "127.0.0.1:8080",
                "ECS_ENDPOINT": "https://ecs.example.com",
                "ALICLOUD_CLIENT_SCHEME": "HTTP",
                "METADATA_ENDPOINT": "http://127.0.0.1:9",
            }
        ).endpoints()
        assert str(found["slb"]) == "http://127.0.0.1:8080"
        assert str(found["ecs"]) == "https://ecs.example.com"
        assert str(found["vpc"]) == "http://vpc-vpc.cn-hangzhou.aliyuncs.com"

    def test_old_variables_are_aliases_with_a_warning(self, caplog):
        environ = {
            "ALIYUN_ACCESS_KEY": ID,
            "ALIYUN_ACCESS_KEY_SECRET": SECRET,
            "ALIYUN_REGION": "cn-beijing",
            "ALIYUN_VPC": "vpc-1",
            "ALIYUN_VSWITCH": "vsw-1",
            "ALIYUN_ROUTE_TABLE": "vtb-1",
            "ALIYUN_ROUTER": "vrt-1",
        }
        found = load(None, environ)
        assert (found.region, found.vpc_id) == ("cn-beijing", "vpc-1")
        assert (found.vswitches, found.route_table_ids) == ((VSwitch("vsw-1"),), ("vtb-1",))
        for name in environ:
            assert name in caplog.text
        assert ID not in caplog.text

    def test_the_file_counts_before_old_variables(self):
        assert config({"ALIYUN_REGION": "cn-beijing"}).region == "cn-hangzhou"

    @pytest.mark.parametrize(
        ("value", "backend"), [("true", "eni"), ("TRUE", "eni"), ("false", ""), ("", "eni")]
    )
    def test_the_backend_type_can_be_forced(self, value, backend):
        found = config({"SERVICE_FORCE_BACKEND_ENI": value}, serviceBackendType="eni")
        assert found.service_backend_type == backend


@pytest.mark.parametrize(
    ("values", "field", "value", "accepted"),
    [
        ({"region": "CN Hangzhou"}, "region", "CN Hangzhou", "cn-hangzhou"),
        ({"region": "x.example.com/"}, "region", "x.example.com/", "region id"),
        ({"region": 5}, "region", "5", "text"),
        ({"region": ["a"]}, "region", "(list)", "text"),
        ({"clusterID": "a\nb"}, "clusterID", "a\\nb", "one line"),
        ({"disablePublicSLB": "maybe"}, "disablePublicSLB", "maybe", "true or false"),
        ({"disablePublicSLB": 1}, "disablePublicSLB", "1", "true or false"),
        ({"nodeMonitorPeriod": "5s"}, "nodeMonitorPeriod", "5s", "whole number"),
        ({"nodeMonitorPeriod": 1.5}, "nodeMonitorPeriod", "1.5", "whole number"),
        ({"nodeMonitorPeriod": True}, "nodeMonitorPeriod", "True", "whole number"),
        ({"vswitchid": "a:b:c"}, "vswitchid", "a:b:c", "zone-1:vsw-1"),
        ({"vswitchid": "zone:"}, "vswitchid", "zone:", "zone-1:vsw-1"),
        ({"vswitchid": ":vsw-1"}, "vswitchid", ":vsw-1", "zone-1:vsw-1"),
        ({"serviceBackendType": "pod"}, "serviceBackendType", "pod", "eni"),
        ({"featureGates": "Nonsense=true"}, "featureGates", "Nonsense", "IPv6DualStack"),
        ({"featureGates": "EndpointSlice"}, "featureGates", "EndpointSlice", "NAME=true"),
        ({"network": "classic"}, "network", "classic", "vpc or public"),
    ],
)
def test_a_bad_value_is_named_with_what_is_accepted(values, field, value, accepted):
    with pytest.raises(InvalidConfiguration) as caught:
        config(**values)
    text = str(caught.value)
    assert caught.value.field == f"Global.{field}"
    assert value in text
    assert accepted in text


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("acessKeyID", "Global.accessKeyID"),
        ("vswitchID2", "Global.vswitchid"),
        ("routeTableID", "Global.routeTableIDs"),
        ("vpc_id", "Global.vpcid"),
    ],
)
def test_an_unknown_key_suggests_the_one_that_was_meant(key, suggestion):
    with pytest.raises(InvalidConfiguration, match="did you mean") as caught:
        config(**{key: "hidden0value"})
    assert caught.value.field == f"Global.{key}"
    assert f"did you mean {suggestion}?" in str(caught.value)
    assert "hidden0value" not in str(caught.value)


def test_a_key_like_no_other_lists_what_there_is():
    with pytest.raises(InvalidConfiguration, match="unknown key; accepted: uid, accessKeyID"):
        config(zzzzzzzz=1)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param('{"global ": {}}', "did you mean Global?", id="misspelt section"),
        pytest.param('{"Gobal": {}}', "did you mean Global?", id="other misspelt section"),
        pytest.param('{"Global": []}', "not an object", id="section is a list"),
        pytest.param("[]", "not an object", id="list"),
        pytest.param('"text"', "not an object", id="text"),
        pytest.param('{"Global": {', "line 1, column 13", id="half-written"),
        pytest.param("a: b: c", "nor YAML", id="neither"),
        pytest.param("x" * 1_000_001, "too large", id="large"),
    ],
)
def test_a_malformed_file_says_where(text, hint):
    with pytest.raises(InvalidConfiguration) as caught:
        load(text, {})
    assert hint in str(caught.value)


def test_wrong_endpoints_and_schemes_are_found_at_the_start():
    with pytest.raises(InvalidConfiguration, match="SLB_ENDPOINT"):
        config({"SLB_ENDPOINT": "http://x/path"})
    with pytest.raises(InvalidConfiguration, match="ALICLOUD_CLIENT_SCHEME"):
        config({"ALICLOUD_CLIENT_SCHEME": "GOPHER"})


class TestSecrecy:
    """R7: no credential in a repr, an error, a log line or a traceback."""

    def forms(self):
        for text in (ID, SECRET):
            yield from (text, b64(text), text[:8], text.encode().hex())

    def test_reprs_show_nothing(self):
        found = config()
        shown = f"{found!r} {found} {found.credentials!r} {found.credentials.get()!r}"
        shown += f"{Secret(SECRET)!s} {[Secret(SECRET)]}"
        assert not [form for form in self.forms() if form in shown]

    def test_secrets_are_not_pickled_or_equal_to_texts(self):
        with pytest.raises(TypeError):
            pickle.dumps(Secret(SECRET))
        assert Secret(SECRET) != SECRET
        assert Secret(SECRET).matches(SECRET)
        assert not Secret(SECRET).matches("other")

    def test_redaction_takes_out_every_part(self):
        credentials = Credentials(Secret("an-id"), Secret("a-secret"), Secret("a-token"))
        assert credentials.redact("an-id a-secret a-token x") == "*** *** *** x"
        assert StaticCredentials("an-id", "s").get().redact("an-id") == "***"

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param('{"Global": {"accessKeySecret": "%s"', id="half-written"),
            pytest.param("Global: {accessKeySecret: %s", id="half-written YAML"),
            pytest.param('{"Global": {"accessKeySecret": ["%s"]}}', id="list"),
            pytest.param('{"Global": {"accessKeySecret": {"a": "%s"}}}', id="object"),
            pytest.param('{"Global": {"accessKeySecrt": "%s"}}', id="misspelt"),
            pytest.param('{"accessKeySecret": "%s"}', id="outside the section"),
            pytest.param('{"Global": "%s"}', id="instead of the section"),
            pytest.param('{"Global": {"region": {"accessKeySecret": "%s"}}}', id="nested"),
            pytest.param('{"Global": {"accessKeySecret": "%s", "region": 7}}', id="elsewhere"),
            pytest.param('{"Global": {"accessKeySecret": "%s"}}', id="half of the pair"),
        ],
    )
    def test_errors_show_nothing_in_any_form(self, caplog, text):
        caplog.set_level(logging.DEBUG)
        for value in (SECRET, b64(SECRET)):
            with pytest.raises(InvalidConfiguration) as caught:
                load(text % value, {})
            out = io.StringIO()
            traceback.print_exception(caught.value, file=out)
            error: BaseException | None = caught.value
            while error is not None:  # every error that a debugger could reach from this one
                out.write(f"{error!r} {vars(error)!r}")
                error = error.__context__
            shown = out.getvalue() + caplog.text
            assert not [form for form in self.forms() if form in shown]
