"""SLB 2014-05-15: server certificates and the further domains of HTTPS listeners."""

from __future__ import annotations

from typing import Any

from cloudprovider_alicloud.emulator.actions import Action, Call, has_tags, tag_filter, timestamp
from cloudprovider_alicloud.emulator.ecs import tag_list
from cloudprovider_alicloud.emulator.errors import ApiError
from cloudprovider_alicloud.emulator.params import integer, text
from cloudprovider_alicloud.emulator.resources import DomainExtension, ServerCertificate
from cloudprovider_alicloud.emulator.slb.common import LOAD_BALANCER_ID, TAG
from cloudprovider_alicloud.emulator.slb.listeners import find_listener


def describe_server_certificates(call: Call) -> dict[str, Any]:
    """DescribeServerCertificates, by id or tag; unknown ids are simply absent."""
    items = [
        _certificate(item)
        for item in call.state.certificates.values()
        if item.region == call.region
        and call.text("ServerCertificateId", item.id) == item.id
        and has_tags(item.tags, tag_filter(call))
    ]
    return {"ServerCertificates": {"ServerCertificate": items}}


def _certificate(item: ServerCertificate) -> dict[str, Any]:
    return {
        "ServerCertificateId": item.id,
        "ServerCertificateName": item.name,
        "RegionId": item.region,
        "CommonName": item.common_name,
        "SubjectAlternativeNames": {"SubjectAlternativeName": [item.common_name]},
        "CreateTime": timestamp(item.created),
        "CreateTimeStamp": round(item.created * 1000),
        "ExpireTime": timestamp(item.expires),
        "ExpireTimeStamp": round(item.expires * 1000),
        "IsAliCloudCertificate": 0,
        "Tags": {"Tag": tag_list(item.tags)},
    }


def create_domain_extension(call: Call) -> dict[str, Any]:
    """CreateDomainExtension on an HTTPS listener; a domain is there once."""
    listener = find_listener(call, call["ListenerPort"], "https")
    domain = call.text("Domain")
    _check_certificate(call)
    if any(
        e.domain == domain
        for e in call.state.domain_extensions.values()
        if e.listener == listener.id
    ):
        raise ApiError(400, "DomainExtensionAlreadyExists", "The specified domain already exists.")
    created = call.state.put(
        DomainExtension(
            id=call.state.new_id("de"),
            listener=listener.id,
            domain=domain,
            certificate=call.text("ServerCertificateId"),
        )
    )
    return {"DomainExtensionId": created.id, "ListenerPort": listener.port}


def _check_certificate(call: Call) -> None:
    if call.text("ServerCertificateId") not in call.state.certificates:
        raise ApiError(
            404, "CertificateNotFound", "The specified ServerCertificateId does not exist."
        )


def _extension(call: Call) -> DomainExtension:
    found = call.state.domain_extensions.get(call.text("DomainExtensionId"))
    if found is None:
        raise ApiError(
            404,
            "InvalidDomainExtensionId.NotFound",
            "The specified DomainExtensionId does not exist.",
        )
    return found


def set_domain_extension_attribute(call: Call) -> dict[str, Any]:
    """SetDomainExtensionAttribute: another certificate."""
    _check_certificate(call)
    call.state.change(_extension(call), certificate=call.text("ServerCertificateId"))
    return {}


def delete_domain_extension(call: Call) -> dict[str, Any]:
    """DeleteDomainExtension."""
    call.state.remove(_extension(call))
    return {}


def describe_domain_extensions(call: Call) -> dict[str, Any]:
    """DescribeDomainExtensions of one HTTPS listener."""
    listener = find_listener(call, call["ListenerPort"], "https")
    items = [
        {
            "DomainExtensionId": item.id,
            "Domain": item.domain,
            "ServerCertificateId": item.certificate,
        }
        for item in call.state.domain_extensions.values()
        if item.listener == listener.id and call.text("DomainExtensionId", item.id) == item.id
    ]
    return {"DomainExtensions": {"DomainExtension": items}}


_PORT = integer("ListenerPort", 1, 65535, required=True)
_CERTIFICATE = text("ServerCertificateId", required=True)
_ID = text("DomainExtensionId", required=True)

ACTIONS = (
    Action(
        "slb",
        "DescribeServerCertificates",
        describe_server_certificates,
        (text("ServerCertificateId"), TAG),
        key="ServerCertificateId",
    ),
    Action(
        "slb",
        "DescribeDomainExtensions",
        describe_domain_extensions,
        (LOAD_BALANCER_ID, _PORT, text("DomainExtensionId")),
        key="LoadBalancerId",
        lists=True,
    ),
    Action(
        "slb",
        "CreateDomainExtension",
        create_domain_extension,
        (LOAD_BALANCER_ID, _PORT, text("Domain", required=True), _CERTIFICATE),
        key="DomainExtensionId",
    ),
    Action(
        "slb",
        "SetDomainExtensionAttribute",
        set_domain_extension_attribute,
        (_ID, _CERTIFICATE),
        key="DomainExtensionId",
    ),
    Action(
        "slb",
        "DeleteDomainExtension",
        delete_domain_extension,
        (_ID,),
        key="DomainExtensionId",
    ),
)
