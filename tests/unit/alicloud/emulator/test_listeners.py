"""SLB listeners, in process."""

import pytest

from cloudprovider_alicloud.emulator.settings import Quotas


def test_a_new_listener_is_stopped_until_it_is_started(cloud):
    lb = cloud.load_balancer()
    cloud.listener(lb)
    named = {"LoadBalancerId": lb, "ListenerPort": 80, "ListenerProtocol": "tcp"}
    assert cloud.listeners(lb)[0]["Status"] == "stopped"
    cloud.ok("StartLoadBalancerListener", **named)
    assert cloud.listeners(lb)[0]["Status"] == "running"
    cloud.ok("StopLoadBalancerListener", **named)
    assert cloud.listeners(lb)[0]["Status"] == "stopped"
    cloud.ok("DeleteLoadBalancerListener", **named)
    assert cloud.listeners(lb) == []
    assert cloud.code("DeleteLoadBalancerListener", **named) == "ListenerNotFound"


@pytest.mark.parametrize(
    ("protocol", "params", "config"),
    [
        (
            "TCP",
            {"EstablishedTimeout": 500, "HealthCheckSwitch": "off", "healthCheckInterval": 9},
            {
                "EstablishedTimeout": 500,
                "HealthCheck": "off",
                "HealthCheckInterval": 9,
                "PersistenceTimeout": 0,
                "ProxyProtocolV2Enabled": "false",
                "HealthCheckType": "tcp",
            },
        ),
        (
            "TCP",
            {"ConnectionDrain": "on", "ConnectionDrainTimeout": 30, "PersistenceTimeout": 60},
            {"ConnectionDrain": "on", "ConnectionDrainTimeout": 30, "PersistenceTimeout": 60},
        ),
        (
            "UDP",
            {"ProxyProtocolV2Enabled": True, "healthCheckReq": "ping"},
            {
                "ProxyProtocolV2Enabled": "true",
                "HealthCheckReq": "ping",
                "HealthCheckConnectTimeout": 10,
            },
        ),
        ("HTTP", {"StickySession": "off"}, {"ListenerForward": "off", "XForwardedFor": "on"}),
        (
            "HTTP",
            {"XForwardedFor_proto": "on", "IdleTimeout": 20},
            {"XForwardedFor_proto": "on", "IdleTimeout": 20, "RequestTimeout": 60},
        ),
    ],
)
def test_a_listener_answers_its_configuration(cloud, protocol, params, config):
    lb = cloud.load_balancer()
    cloud.listener(lb, protocol=protocol, Description="k8s/80/web/default/c", **params)
    listener = cloud.listeners(lb)[0]
    answered = listener[f"{protocol}ListenerConfig"]
    assert {name: answered[name] for name in config} == config
    assert listener["ListenerProtocol"] == protocol.lower()
    assert listener["Description"] == "k8s/80/web/default/c"
    assert listener["BackendServerPort"] == 8080
    assert listener["Scheduler"] == "wrr"


def test_an_https_listener_needs_a_certificate_that_exists(cloud):
    lb = cloud.load_balancer()
    name = "CreateLoadBalancerHTTPSListener"
    params = {"LoadBalancerId": lb, "ListenerPort": 443, "BackendServerPort": 8443}
    assert cloud.code(name, **params) == "MissingServerCertificateId"
    assert cloud.code(name, **params, ServerCertificateId="no") == "CertificateNotFound"
    certificate = next(iter(cloud.state.certificates))
    cloud.ok(name, **params, ServerCertificateId=certificate)
    config = cloud.listeners(lb)[0]["HTTPSListenerConfig"]
    assert config["ServerCertificateId"] == certificate
    assert config["EnableHttp2"] == "on"


@pytest.mark.parametrize("protocol", ["TCP", "UDP", "HTTP"])
def test_one_listener_can_be_described_flat(cloud, protocol):
    lb = cloud.load_balancer()
    cloud.listener(lb, protocol=protocol)
    name = f"DescribeLoadBalancer{protocol}ListenerAttribute"
    body = cloud.ok(name, LoadBalancerId=lb, ListenerPort=80)
    assert (body["Status"], body["BackendServerPort"]) == ("stopped", 8080)
    assert body["HealthyThreshold"] == 3
    assert body["AclIds"] == {"AclId": []}
    assert cloud.code(name, LoadBalancerId=lb, ListenerPort=81) == "ListenerNotFound"


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ("TCP", "TCP", "ListenerAlreadyExists"),
        ("TCP", "HTTP", "ListenerAlreadyExists"),
        ("TCP", "UDP", ""),
        ("UDP", "UDP", "ListenerAlreadyExists"),
    ],
)
def test_a_port_is_taken_once_per_transport(cloud, first, second, code):
    lb = cloud.load_balancer()
    cloud.listener(lb, protocol=first)
    params = {"LoadBalancerId": lb, "ListenerPort": 80, "Bandwidth": -1, "BackendServerPort": 1}
    assert cloud.code(f"CreateLoadBalancer{second}Listener", **params) == code


def test_two_listeners_on_one_port_must_be_told_apart(cloud):
    lb = cloud.load_balancer()
    cloud.listener(lb, protocol="TCP")
    named = {"LoadBalancerId": lb, "ListenerPort": 80}
    cloud.ok("StartLoadBalancerListener", **named)
    cloud.listener(lb, protocol="UDP")
    assert cloud.code("StartLoadBalancerListener", **named) == "MissingListenerProtocol"
    cloud.ok("StartLoadBalancerListener", **named, ListenerProtocol="udp")
    assert [item["Status"] for item in cloud.listeners(lb)] == ["running", "running"]


@pytest.mark.parametrize(
    ("params", "code"),
    [
        pytest.param({"Bandwidth": ""}, "MissingBandwidth", id="bandwidth"),
        pytest.param({"BackendServerPort": ""}, "MissingBackendServerPort", id="backend port"),
        pytest.param({"VServerGroupId": "rsp-no"}, "InvalidParameter", id="unknown group"),
        pytest.param({"ListenerPort": 0}, "InvalidListenerPort", id="port"),
        pytest.param({"HealthyThreshold": 11}, "InvalidHealthyThreshold", id="threshold"),
        pytest.param({"PersistenceTimeout": 3601}, "InvalidPersistenceTimeout", id="persistence"),
        pytest.param({"EstablishedTimeout": 9}, "InvalidEstablishedTimeout", id="established"),
        pytest.param({"Scheduler": "random"}, "InvalidScheduler", id="scheduler"),
        pytest.param({"Description": "x" * 257}, "InvalidDescription", id="description"),
        pytest.param({"ConnectionDrain": "on"}, "MissingConnectionDrainTimeout", id="drain"),
        pytest.param({"AclStatus": "on"}, "MissingAclId", id="acl"),
    ],
)
def test_a_listener_with_a_bad_parameter_is_refused(cloud, params, code):
    lb = cloud.load_balancer()
    wanted = {"ListenerPort": 80, "Bandwidth": -1, "BackendServerPort": 8080, **params}
    assert cloud.code("CreateLoadBalancerTCPListener", LoadBalancerId=lb, **wanted) == code
    assert cloud.listeners(lb) == []


def test_a_group_of_another_load_balancer_cannot_be_used(cloud):
    mine, other = cloud.load_balancer(), cloud.load_balancer()
    group = cloud.group(other)
    params = {"ListenerPort": 80, "Bandwidth": -1, "VServerGroupId": group}
    code = cloud.code("CreateLoadBalancerTCPListener", LoadBalancerId=mine, **params)
    assert code == "InvalidParameter"


def test_setting_attributes_keeps_what_is_not_given(cloud):
    lb = cloud.load_balancer()
    group = cloud.group(lb)
    cloud.listener(lb, EstablishedTimeout=500, Description="old")
    cloud.ok(
        "SetLoadBalancerTCPListenerAttribute",
        LoadBalancerId=lb,
        ListenerPort=80,
        Description="new",
        VServerGroup="on",
        VServerGroupId=group,
        Scheduler="rr",
        HealthCheckInterval=5,
    )
    listener = cloud.listeners(lb)[0]
    assert (listener["Description"], listener["Scheduler"]) == ("new", "rr")
    assert listener["VServerGroupId"] == group
    assert listener["TCPListenerConfig"]["EstablishedTimeout"] == 500
    assert listener["TCPListenerConfig"]["HealthCheckInterval"] == 5


def test_setting_the_same_attributes_again_has_no_effect(cloud):
    lb = cloud.load_balancer()
    cloud.listener(lb)
    for _ in range(2):
        cloud.ok(
            "SetLoadBalancerTCPListenerAttribute",
            LoadBalancerId=lb,
            ListenerPort=80,
            Scheduler="rr",
        )
    assert [record.effect for record in cloud.core.journal.records()[-2:]] == [True, False]


def test_switching_the_group_on_needs_its_id(cloud):
    lb = cloud.load_balancer()
    cloud.listener(lb)
    named = {"LoadBalancerId": lb, "ListenerPort": 80}
    code = cloud.code("SetLoadBalancerTCPListenerAttribute", **named, VServerGroup="on")
    assert code == "MissingVServerGroupId"


def test_listeners_of_several_load_balancers_come_in_token_pages(cloud):
    lbs = [cloud.load_balancer() for _ in range(2)]
    for lb in lbs:
        for port in range(1, 16):
            cloud.listener(lb, port=port)
    ids = {"LoadBalancerId__1": lbs[0], "LoadBalancerId__2": lbs[1]}
    first = cloud.ok("DescribeLoadBalancerListeners", **ids)
    assert (len(first["Listeners"]), first["TotalCount"], first["MaxResults"]) == (20, 30, 20)
    second = cloud.ok("DescribeLoadBalancerListeners", **ids, NextToken=first["NextToken"])
    assert len(second["Listeners"]) == 10
    assert "NextToken" not in second
    bad = cloud.code("DescribeLoadBalancerListeners", **ids, NextToken="tok-x")
    assert bad == "InvalidNextToken"


def test_the_number_of_listeners_is_bounded(cloud):
    cloud.settings.quotas = Quotas(listeners_per_load_balancer=1)
    lb = cloud.load_balancer()
    cloud.listener(lb)
    params = {"ListenerPort": 81, "Bandwidth": -1, "BackendServerPort": 1}
    code = cloud.code("CreateLoadBalancerTCPListener", LoadBalancerId=lb, **params)
    assert code == "ListenerNumberOverLimit"


def test_an_https_listener_has_further_domains(cloud):
    lb = cloud.load_balancer()
    certificate = next(iter(cloud.state.certificates))
    named = {"LoadBalancerId": lb, "ListenerPort": 443}
    cloud.listener(lb, port=443, protocol="HTTPS", ServerCertificateId=certificate)
    wanted = {**named, "Domain": "a.example.com", "ServerCertificateId": certificate}
    extension = cloud.ok("CreateDomainExtension", **wanted)["DomainExtensionId"]
    assert cloud.code("CreateDomainExtension", **wanted) == "DomainExtensionAlreadyExists"
    unknown = {**wanted, "ServerCertificateId": "no"}
    assert cloud.code("CreateDomainExtension", **unknown) == "CertificateNotFound"
    body = cloud.ok("DescribeDomainExtensions", **named)
    assert body["DomainExtensions"]["DomainExtension"] == [
        {
            "DomainExtensionId": extension,
            "Domain": "a.example.com",
            "ServerCertificateId": certificate,
        }
    ]
    changed = {"DomainExtensionId": extension, "ServerCertificateId": certificate}
    cloud.ok("SetDomainExtensionAttribute", **changed)
    cloud.ok("DeleteDomainExtension", DomainExtensionId=extension)
    code = cloud.code("DeleteDomainExtension", DomainExtensionId=extension)
    assert code == "InvalidDomainExtensionId.NotFound"


def test_domains_go_with_their_listener(cloud):
    lb = cloud.load_balancer()
    certificate = next(iter(cloud.state.certificates))
    named = {"LoadBalancerId": lb, "ListenerPort": 443}
    cloud.listener(lb, port=443, protocol="HTTPS", ServerCertificateId=certificate)
    cloud.ok("CreateDomainExtension", **named, Domain="a", ServerCertificateId=certificate)
    cloud.ok("DeleteLoadBalancerListener", **named)
    assert cloud.state.domain_extensions == {}


def test_a_certificate_tells_when_it_expires_in_milliseconds(cloud):
    body = cloud.ok("DescribeServerCertificates")
    certificate = body["ServerCertificates"]["ServerCertificate"][0]
    assert certificate["ExpireTimeStamp"] > cloud.core.now() * 1000
    named = {"ServerCertificateId": "no"}
    assert cloud.ok("DescribeServerCertificates", **named)["ServerCertificates"] == {
        "ServerCertificate": []
    }
