"""What users do, written once and run at every boundary (``spec/reliability.md`` 3.5)."""


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


ALL = {
    1: create_and_delete,
    2: change_ports,
    4: change_type,
    5: recreate_at_once,
    17: change_nodes,
    19: lose_instances,
}

#: Worlds that are not the usual one, by scenario.
WORLDS = {}
