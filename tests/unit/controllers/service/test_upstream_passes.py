"""Upstream's tables of single passes over a Service, played by the whole controller.

Checked are the calls of the cloud, the events, and the bodies of all patches, byte for byte: they
are upstream's (spec/ccm-core.md 3.1.4) with the UID and the version that was looked at.
"""

import itertools
import re

import pytest

from cloudprovider.errors import CloudProviderError, RetryLater
from cloudprovider.models import LoadBalancerIngress, LoadBalancerStatus, ServicePort
from cloudprovider.testing.faults import Fault

upstream = pytest.mark.upstream

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
VERSION = '"resourceVersion":"RV","uid":"UID"'
CLAIM = f'{{"metadata":{{"finalizers":["{FINALIZER}"],{VERSION}}}}}'
ADDRESS = (
    '{"status":{"loadBalancer":{"ingress":[{"ip":"198.18.0.2"}]}},'
    '"metadata":{"resourceVersion":"CLAIMED","uid":"UID"}}'
)
RELEASE = '{"metadata":{"finalizers":null,"resourceVersion":"RV","uid":"UID"}}'
RELEASE_ALL = RELEASE[:-1] + ',"status":{"loadBalancer":{"ingress":null}}}'

ENSURED = [
    ("Normal", "EnsuringLoadBalancer", "Ensuring load balancer"),
    ("Normal", "EnsuredLoadBalancer", "Ensured load balancer"),
]
DELETED = [
    ("Normal", "DeletingLoadBalancer", "Deleting load balancer"),
    ("Normal", "DeletedLoadBalancer", "Deleted load balancer"),
]
PROVED = (
    "The finalizer is written although it is there, which changes nothing: it proves that the "
    "Service still exists with this UID before a load balancer is made (decision 0010)."
)
LOOKED_AGAIN = (
    "A conflict is met by a look at the live Service, and the status is written again if it still "
    "wants one: told is only the fifth in a row."
)
AT_ONCE = (
    "Finalizer and status go in one write instead of two, on the version that was just read, so "
    "that nothing which others added meanwhile is lost."
)


def row(test, case, instead, *values):
    note = {"instead": instead} if instead else {}
    return pytest.param(*values, id=case, marks=upstream(f"{test}/{case}", **note))


def rows(test, table):
    """Rows (case, what we do instead or None, values…) of one of upstream's tables."""
    return [row(test, *items) for items in table]


#: Whose a Service is, in a label of our own beside what upstream writes; not this file's matter.
RECORD = re.compile(r',"labels":\{"k8s-cloudprovider/provider":("fake"|null)\}')


def plain(sent, service):
    """The bodies as upstream's, with names for what differs from run to run."""
    version = service.metadata.resource_version
    bodies = [RECORD.sub("", body).replace(service.metadata.uid, "UID") for _, body in sent]
    bodies = [body.replace(f'Version":"{version}"', 'Version":"RV"') for body in bodies]
    return [re.sub(r'Version":"\d+"', 'Version":"CLAIMED"', body) for body in bodies]


def prepare(world, *, made="", becomes="", deleted=False, **fields):
    """The Service as a new process finds it; ``made``: its load balancer's address is known."""
    service = world.add_service(**fields)
    if made:
        world.cloud.load_balancer().ensure_load_balancer("", service, ())
        report = {"status": {"loadBalancer": {"ingress": [{"ip": made}]}}}
        world.patch_service(report, subresource="status")
    if becomes:
        world.patch_service({"spec": {"type": becomes}})
    if deleted:
        world.delete_service()
    world.forget()
    return world.service()


def ports(protocol):
    return {"ports": (ServicePort(port=80, protocol=protocol),)}


# -- TestSyncLoadBalancerIfNeeded ----------------------------------------------------------------

GET, ENSURE, DELETE = "get_load_balancer", "ensure_load_balancer", "ensure_load_balancer_deleted"
OURS = {"finalizers": [FINALIZER]}

CLEARED = (
    "The API server has cleared the status with the type, so the load balancer is looked up, and "
    "one patch is left to send instead of two."
)

# fmt: off
# (case, what we do instead, the Service, calls, patches, events)
SYNCS = [
    ("service doesn't want LB", None, {"type": "ClusterIP"}, [], [], []),
    ("udp service that wants LB", None, ports("UDP"), [ENSURE], [CLAIM, ADDRESS], ENSURED),
    ("tcp service that wants LB", None, ports("TCP"), [ENSURE], [CLAIM, ADDRESS], ENSURED),
    ("sctp service that wants LB", None, ports("SCTP"), [ENSURE], [CLAIM, ADDRESS], ENSURED),
    ("service specifies loadBalancerClass", None,
     {"load_balancer_class": "example.com/custom-loadbalancer"}, [], [], []),
    ("service with finalizer that no longer wants LB", CLEARED,
     OURS | {"made": "8.8.8.8", "becomes": "ClusterIP"}, [GET, DELETE], [RELEASE], DELETED),
    ("service that needs cleanup", AT_ONCE,
     OURS | {"made": "8.8.8.8", "deleted": True}, [DELETE], [RELEASE_ALL], DELETED),
    ("service with finalizer that wants LB", PROVED, OURS, [ENSURE], [CLAIM, ADDRESS], ENSURED),
]
# fmt: on


@pytest.mark.parametrize(
    ("fields", "calls", "bodies", "events"), rows("TestSyncLoadBalancerIfNeeded", SYNCS)
)
def test_what_one_pass_does(play, patches, fields, calls, bodies, events):
    def scene(world):
        world.add_node("node1")
        service = prepare(world, **fields)
        sent = patches(world)
        world.start("service", settle=5)
        assert [call.method for call in world.cloud.calls] == calls
        assert plain(sent, service) == bodies
        assert {path for path, _ in sent} <= {"/api/v1/namespaces/default/services/web/status"}
        assert world.events("web") == events
        balancers = [balancer.nodes for balancer in world.cloud.balancers.values()]
        assert balancers == ([("node1",)] if ENSURE in calls else [])

    play(scene)


# -- TestProcessServiceCreateOrUpdate ------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    rows(
        "TestProcessServiceCreateOrUpdate",
        [
            ("If updating a valid service", None, "192.168.1.1"),
            ("If Updating Loadbalancer IP", None, "192.168.1.11"),
        ],
    ),
)
def test_the_provider_gets_the_service_as_it_is_now(play, made, address):
    def scene(world):
        world.start("service")
        service = world.add_service(load_balancer_ip="192.168.1.1")
        world.wait(3)
        world.patch_service({"spec": {"loadBalancerIP": address}})
        world.wait(3)
        seen = world.cloud.balancers[service.metadata.uid].service
        assert seen.spec.load_balancer_ip == address
        assert made[0].queue.pending() == made[0].queue.failures("default/web") == 0
        assert world.cloud.count("ensure_load_balancer") == (1 if address.endswith(".1") else 2)

    play(scene)


@pytest.mark.parametrize(
    ("status", "times", "warning"),
    rows(
        "TestProcessServiceCreateOrUpdateK8sError",
        [
            ("conflict error", LOOKED_AGAIN, 409, 5, "failed to update load balancer status: "),
            ("not found error", None, 404, 1, ""),
        ],
    ),
)
def test_a_status_that_cannot_be_written(play, made, status, times, warning):
    def scene(world):
        service = prepare(world, **OURS)
        # The first patch is the proof that the Service is there, the second its status.
        op = "PATCH services/status"
        fault = Fault(kind="error", api="k8s", op=op, nth=2, times=times, status=status)
        world.server.faults.add(fault)
        world.start("service", settle=1)
        assert world.server.faults.fired() == [times]
        told = [event for event in world.events("web") if event[1] == "SyncLoadBalancerFailed"]
        if warning:
            [(kind, _, message)] = told
            assert kind == "Warning"
            assert message.startswith(f"Error syncing load balancer: {warning}")
        else:
            assert told == []
        assert made[0].queue.failures("default/web") == len(told)
        world.wait(10)
        if warning:
            assert world.service().status.load_balancer.ingress
        assert world.reasons("web").count("SyncLoadBalancerFailed") == len(told)
        assert world.cloud.count("ensure_load_balancer") == 1
        assert service.metadata.uid in world.cloud.balancers

    play(scene)


# -- TestSyncService -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "calls"),
    rows(
        "TestSyncService",
        [
            (
                "if an invalid service name is synced",
                "Keys come from objects alone. One that names nothing is done with: no error, no "
                "call, no retry.",
                "invalid/key/string",
                [],
            ),
            ("if valid service", None, "default/web", ["ensure_load_balancer"]),
        ],
    ),
)
def test_a_key_that_is_done_leaves_nothing_in_the_queue(play, made, key, calls):
    def scene(world):
        world.start("service")
        world.add_service()
        world.wait(3)
        world.forget()
        [controller] = made
        controller._states.drop("default/web")  # as at a start
        controller.queue.add(key)
        world.wait(3)
        assert [call.method for call in world.cloud.calls] == calls
        assert controller.queue.pending() == controller.queue.failures(key) == 0

    play(scene)


# -- TestProcessServiceDeletion ------------------------------------------------------------------

GONE = "error Deleting the Loadbalancer"


@pytest.mark.parametrize(
    ("known", "error", "calls"),
    rows(
        "TestProcessServiceDeletion",
        [
            ("If a non-existent service is deleted", None, False, None, 0),
            ("If cloudprovided failed to delete the service", None, True, GONE, 2),
            ("If delete was successful", None, True, None, 1),
        ],
    ),
)
def test_a_service_that_vanished_without_waiting(play, made, known, error, calls):
    def scene(world):
        world.add_node()
        world.start("service")
        [controller] = made
        if known:
            world.add_service()
            world.wait(3)
        if error:
            world.cloud.fail(DELETE, CloudProviderError(error), times=1)
        world.forget()
        if known:
            world.patch_service({"metadata": {"finalizers": None}})
            world.delete_service()
        else:
            controller.queue.add("default/web")
        world.wait(0.5)
        assert controller.queue.failures("default/web") == (1 if error else 0)
        assert bool(controller._states.get("default/web")) is bool(error)
        text = f"Error deleting load balancer: {error}"
        failed = [event for event in world.events("web") if event[0] == "Warning"]
        assert failed == ([("Warning", "DeleteLoadBalancerFailed", text)] if error else [])
        world.wait(10)
        assert [call.method for call in world.cloud.calls] == [DELETE] * calls
        assert controller._states.get("default/web") is None
        assert world.cloud.balancers == {}
        assert world.events("web")[-1:] == (DELETED[-1:] if known else [])

    play(scene)


# -- TestPatchStatus -----------------------------------------------------------------------------

KNOWN = LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="8.8.8.8"),))
REPORT = ADDRESS.replace("198.18.0.2", "8.8.8.8")

# fmt: off
# (case, what we do instead, the Service, patches)
STATUSES = [
    ("no-op add status", None, OURS | {"made": "8.8.8.8"}, []),
    ("add status", PROVED, OURS, [CLAIM, REPORT]),
    ("no-op clear status", None, OURS | {"type": "ClusterIP"}, [RELEASE]),
    ("clear status", AT_ONCE, OURS | {"made": "8.8.8.8", "deleted": True}, [RELEASE_ALL]),
]
# fmt: on


@pytest.mark.parametrize(("fields", "bodies"), rows("TestPatchStatus", STATUSES))
def test_a_status_is_written_only_where_it_differs(play, patches, fields, bodies):
    def scene(world):
        service = prepare(world, **fields)
        world.cloud.answer(ENSURE, KNOWN)
        sent = patches(world)
        world.start("service", settle=5)
        assert plain(sent, service) == bodies

    play(scene)


# -- TestServiceQueueDelay -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "failures", "delay"),
    rows(
        "TestServiceQueueDelay",
        [
            ("processing successful", None, None, 0, None),
            ("regular error", None, CloudProviderError("something went wrong"), 1, 5),
            ("retry error", None, RetryLater("LB create in progress", after=42), 0, 42),
        ],
    ),
)
def test_when_a_service_is_tried_again(play, made, error, failures, delay):
    def scene(world):
        world.start("service")
        if error:
            world.cloud.fail(ENSURE, error, times=1)
        world.add_service()
        world.wait(3)
        [controller] = made
        assert controller.queue.failures("default/web") == failures
        assert controller.queue.pending() == (1 if delay else 0)
        world.wait(100)
        times = [call.started for call in world.cloud.called(ENSURE)]
        assert [round(later - first) for first, later in itertools.pairwise(times)] == (
            [delay] if delay else []
        )
        assert controller.queue.pending() == controller.queue.failures("default/web") == 0

    play(scene)
