"""Upstream's tests of single writes of a Service, against the API server: exactly what is sent."""

import dataclasses

import msgspec
import pytest

from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus
from cloudprovider_controllers.service.api import ServiceApi

upstream = pytest.mark.upstream

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
OTHER = "example.com/other"
ADDED = f'"finalizers":["{FINALIZER}"]'


def api_of(world):
    return ServiceApi(
        world.client("manager", "service-controller"),
        may_begin=lambda: None,
        may_end=lambda: None,
        concurrency=world.hub,
    )


@dataclasses.dataclass
class Written:
    """What one write sent, and what it changed."""

    bodies: list
    effect: bool


def write(world, patches, service, do):
    sent = patches(world)
    do(api_of(world), service)
    now = world.service()
    bodies = [body for _, body in sent]
    for text, name in ((service.metadata.uid, "UID"), (service.metadata.resource_version, "RV")):
        bodies = [body.replace(f'"{text}"', f'"{name}"') for body in bodies]
    effect = now.metadata.resource_version != service.metadata.resource_version
    return Written(bodies, effect)


@pytest.mark.parametrize(
    ("before", "body", "effect"),
    [
        pytest.param(
            [FINALIZER],
            f'{{"metadata":{{{ADDED},"resourceVersion":"RV","uid":"UID"}}}}',
            False,
            id="there",
            marks=upstream(
                "TestAddFinalizer/no-op add finalizer",
                instead="Sent all the same, once, before the first load balancer: it changes "
                "nothing and proves that the Service still exists with this UID (decision 0010).",
            ),
        ),
        pytest.param(
            [],
            f'{{"metadata":{{{ADDED},"resourceVersion":"RV","uid":"UID"}}}}',
            True,
            id="none",
            marks=upstream("TestAddFinalizer/add finalizer"),
        ),
        pytest.param(
            [OTHER],
            f'{{"metadata":{{"$setElementOrder/finalizers":["{OTHER}","{FINALIZER}"],{ADDED},'
            '"resourceVersion":"RV","uid":"UID"}}',
            True,
            id="another",
        ),
    ],
)
def test_the_finalizer_is_added(play, patches, before, body, effect):
    def scene(world):
        service = world.add_service(finalizers=before)
        written = write(world, patches, service, ServiceApi.claim)
        assert written == Written([body], effect)
        assert set(world.service().metadata.finalizers) == {*before, FINALIZER}

    play(scene)


@pytest.mark.parametrize(
    ("before", "bodies"),
    [
        pytest.param(
            [OTHER],
            [],
            id="not there",
            marks=upstream("TestRemoveFinalizer/no-op remove finalizer"),
        ),
        pytest.param(
            [FINALIZER],
            ['{"metadata":{"finalizers":null,"resourceVersion":"RV","uid":"UID"}}'],
            id="the only one",
            marks=upstream("TestRemoveFinalizer/remove finalizer"),
        ),
        pytest.param(
            [OTHER, FINALIZER],
            [
                f'{{"metadata":{{"$deleteFromPrimitiveList/finalizers":["{FINALIZER}"],'
                f'"$setElementOrder/finalizers":["{OTHER}"],"resourceVersion":"RV","uid":"UID"}}}}'
            ],
            id="one of two",
        ),
    ],
)
def test_the_finalizer_is_removed(play, patches, before, bodies):
    def scene(world):
        service = world.add_service(type="ClusterIP", finalizers=before)
        written = write(world, patches, service, ServiceApi.release)
        assert written == Written(bodies, bool(bodies))
        assert (world.service().metadata.finalizers or ()) == tuple(
            name for name in before if name != FINALIZER
        )

    play(scene)


@upstream(
    "TestPatchService",
    instead="Sent for the version that was looked at: a Service that became another controller's "
    "keeps that one's status. After a conflict the live Service is looked at.",
)
def test_a_write_of_the_status_leaves_everything_else_as_it_is_now(play, patches):
    def scene(world):
        old = world.add_service(finalizers=["foo.example.com/bar"])
        now = world.patch_service({"metadata": {"annotations": {"foo": "bar"}}})
        # What the controller holds is older, and somebody changed its copy.
        spec = msgspec.structs.replace(old.spec, cluster_ip="10.0.0.2")
        mine = msgspec.structs.replace(old, spec=spec)
        status = LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="8.8.8.8"),))
        sent = patches(world)
        api_of(world).report(mine, status)
        # Refused for the old version, it is sent again for the one there is.
        assert [body.replace(old.metadata.uid, "UID") for _, body in sent] == [
            '{"status":{"loadBalancer":{"ingress":[{"ip":"8.8.8.8"}]}},"metadata":{"resourceVersion":'
            f'"{version}","uid":"UID"}}}}'
            for version in (old.metadata.resource_version, now.metadata.resource_version)
        ]
        found = world.service()
        assert found.spec == now.spec
        assert found.metadata.annotations == {"foo": "bar"}
        assert found.metadata.finalizers == old.metadata.finalizers
        assert [item.ip for item in found.status.load_balancer.ingress] == ["8.8.8.8"]

    play(scene)
