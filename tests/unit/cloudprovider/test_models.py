"""Kubernetes objects decode leniently, keep their API names, and are immutable."""

import msgspec
import pytest

from cloudprovider import models

SERVICE = b"""{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "x",
"uid": "u", "labels": null, "managedFields": [{"manager": "m"}], "finalizers": ["f"],
"creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"type": "LoadBalancer",
"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "externalIPs": null, "ports": [{"port": 80,
"targetPort": "http", "nodePort": 30000, "protocol": "TCP"}], "brandNew": {"a": 1}},
"status": {"loadBalancer": {}}}"""


def test_a_service_decodes_with_nulls_and_unknown_fields():
    service = models.decode(SERVICE, models.Service)
    assert service.key == "x/web"
    assert service.spec.cluster_ips == ("10.0.0.1",)
    assert service.spec.ports[0].target_port == "http"
    assert service.status.load_balancer.ingress is None


def test_a_wrong_type_is_named_by_its_path():
    with pytest.raises(msgspec.ValidationError, match=r"\$\.metadata\.name"):
        models.decode(b'{"metadata": {"name": 3}}', models.Node)


def test_objects_are_immutable():
    service = models.decode(SERVICE, models.Service)
    with pytest.raises(AttributeError):
        service.kind = "Other"


def test_builtins_use_the_apis_names_and_leave_out_what_is_unset():
    spec = models.NodeSpec(provider_id="x", pod_cidrs=("10.0.0.0/24",))
    assert models.to_builtins(spec) == {"providerID": "x", "podCIDRs": ("10.0.0.0/24",)} or (
        models.to_builtins(spec) == {"providerID": "x", "podCIDRs": ["10.0.0.0/24"]}
    )


@pytest.mark.parametrize(
    "model",
    [models.Node, models.Service, models.EndpointSlice, models.Lease],
    ids=lambda m: m.__name__,
)
def test_attribute_names_are_the_official_clients(model):
    client = pytest.importorskip("kubernetes.client")

    def check(struct, official):
        for field in msgspec.structs.fields(struct):
            name = {"from": "_from"}.get(field.name, field.name)
            assert name in official.attribute_map, f"{struct.__name__}.{field.name}"
            assert official.attribute_map[name] == field.encode_name

    check(model, getattr(client, f"V1{model.__name__}"))
    for part in ("Spec", "Status"):
        struct = getattr(models, f"{model.__name__}{part}", None)
        if struct is not None:
            check(struct, getattr(client, f"V1{struct.__name__}"))
    check(models.ObjectMeta, client.V1ObjectMeta)


def test_the_official_typed_object_is_available():
    pytest.importorskip("kubernetes.client")
    typed = models.to_kubernetes(models.decode(SERVICE, models.Service))
    assert type(typed).__name__ == "V1Service"
    assert typed.spec.ports[0].node_port == 30000
