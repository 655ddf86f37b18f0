"""What users do, written once and run at every boundary (``spec/reliability.md`` 3.5).

Scenario 25, the leader that fails over in the middle, is all of them with two managers, under the
kinds of fault that need those.
"""

from cluster import as_ports
from route_world import RouteWorld, cidr
from world import World

from cloudprovider_controllers.runtime.resources import NAMESPACES

SPEC = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-scheduler"


def create_and_delete(world):
    """1: create, converge, delete."""
    world.settle()
    world.expose(80)
    world.settle()
    world.delete()
    world.settle()
    world.finish()
    world.nothing_left()


def change_ports(world):
    """2: add, change, remove a port."""
    world.expose(80)
    world.settle()
    for ports in [(80, 443), (80, 1443), (1443,)]:
        world.set_ports(*ports)
        world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def change_protocol(world):
    """3: another protocol on the same port, and back."""
    world.expose(80)
    world.settle()
    for protocol in ("UDP", "TCP"):
        world.edit({"ports": as_ports([80], protocol)})
        world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def change_type(world):
    """4: LoadBalancer, ClusterIP, LoadBalancer."""
    world.expose(80)
    world.settle()
    for kind in ("ClusterIP", "LoadBalancer"):
        world.edit({"type": kind})
        world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def recreate_at_once(world):
    """5: delete, and create again under the same name at once."""
    world.settle()
    world.expose(80)
    world.settle()
    world.delete()
    world.wait_until_gone()
    world.expose(80, 81)
    world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def change_policy(world):
    """6: external traffic policy Cluster, Local, Cluster; Local has a port for health checks."""
    world.expose(80)
    world.settle()
    for policy in ("Local", "Cluster"):
        world.edit({"externalTrafficPolicy": policy})
        world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def many_services(world, count=50):
    """12: fifty Services at once, one of which nobody could serve."""
    world.broken = {"web-1"}
    for number in range(1, count + 1):
        annotations = {SPEC: "nonsense"} if f"web-{number}" in world.broken else {}
        world.expose(1000 + number, name=f"web-{number}", annotations=annotations)
    world.expect_warning("web-1", SPEC, "nonsense")
    world.settle()
    world.delete(name="web-1")
    world.settle()
    world.finish()
    for number in range(2, count + 1):
        world.delete(name=f"web-{number}")
    world.settle()
    world.nothing_left()


def initialise_nodes(world):
    """16: nodes are initialised: one, three more, and a crowd."""
    for crowd in ([1], [2, 3, 4], range(5, 5 + world.crowd)):
        for number in crowd:
            world.join(f"node-{number}")
        world.settle()
    world.finish()


def change_nodes(world):
    """17: a node joins, one leaves, one is cordoned, one is excluded and comes back."""
    world.expose(80)
    world.settle()
    world.join("node-3")
    world.settle()
    world.leave("node-1")
    world.settle()
    world.cordon("node-2")
    world.settle()
    world.exclude("node-2")
    world.settle()
    world.include("node-2")
    world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def replace_node(world):
    """18: another instance takes over the name of a node."""
    world.expose(80)
    world.settle()
    world.replace("node-1")
    world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def lose_instances(world):
    """19: an instance is shut down and comes back, another is released."""
    world.expose(80)
    world.settle()
    world.stop("node-1")
    world.settle()
    world.resume("node-1")
    world.settle()
    world.terminate("node-2")
    world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def lose_the_cloud(world):
    """20: the cloud does not answer for an hour, while every node is silent: none is deleted."""
    world.expose(80)
    world.settle()
    world.cloud_fails(3600)
    world.silence("node-1", "node-2")
    world.time.sleep(3600)
    world.hear("node-1", "node-2")
    world.settle()
    world.finish()
    world.delete()
    world.settle()
    world.nothing_left()


def change_routes(world):
    """21: routes: nodes come, go and get another range; one is lost, one stands in the way."""
    for number in (1, 2, 3):
        world.join_with_range(f"node-{number}", number)
    world.settle()
    world.leave("node-1")
    world.settle()
    world.join_with_range("node-4", 1)  # the range of the node that left
    world.put(cidr(5), "i-gone")
    world.join_with_range("node-5", 5)  # a black hole, somebody's, stands in its way
    world.settle()
    world.change_range("node-2", 6)
    world.lose_route("node-3")
    world.settle()
    world.finish()


def delete_namespace(world, count=20):
    """27: a namespace with twenty Services is deleted."""
    world.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    for number in range(1, count + 1):
        world.expose(1000 + number, name=f"web-{number}", namespace="team")
    world.settle()
    world.client.delete(NAMESPACES, "team")
    world.settle()
    world.finish()
    world.nothing_left()


def some_services(world):
    """12, where every boundary is tried: six stand for fifty (``spec/reliability.md`` 3.4)."""
    many_services(world, 6)


def delete_small_namespace(world):
    """27, where every boundary is tried: three Services stand for twenty."""
    delete_namespace(world, 3)


class EmptyWorld(World):
    """No node yet; the crowd to come is represented by few (``spec/reliability.md`` 3.4)."""

    crowd = 9

    def __init__(self, **options):
        super().__init__(nodes=0, **options)


ALL = {
    1: create_and_delete,
    2: change_ports,
    3: change_protocol,
    4: change_type,
    5: recreate_at_once,
    6: change_policy,
    12: some_services,
    16: initialise_nodes,
    17: change_nodes,
    18: replace_node,
    19: lose_instances,
    20: lose_the_cloud,
    21: change_routes,
    27: delete_small_namespace,
}

#: Worlds that are not the usual one, by scenario.
WORLDS = {16: EmptyWorld, 21: RouteWorld}
