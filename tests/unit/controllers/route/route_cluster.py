"""Nodes with ranges of their own, and what the cloud and the API server say of them."""


def cidr(number):
    return f"10.244.{number}.0/24"


def join(world, number, **fields):
    """A node with a range of its own."""
    return world.add_node(f"node-{number}", pod_cidrs=[cidr(number)], **fields)


def table(world):
    """What the cloud routes: target by destination."""
    return {route.destination_cidr: route.target_node for route in world.cloud.route_table}


def network(world, name="node-1"):
    """Status and reason of the condition, or None."""
    found = [i for i in world.node(name).status.conditions if i.type == "NetworkUnavailable"]
    return (found[0].status, found[0].reason) if found else None


ROUTED, UNROUTED = ("False", "RouteCreated"), ("True", "NoRouteCreated")
