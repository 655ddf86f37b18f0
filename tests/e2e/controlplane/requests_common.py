"""Bodies and paths that several topics use."""

NODES = "/api/v1/nodes"
SERVICE_ACCOUNTS = "serviceaccounts"


def port(number, **fields):
    """A Service port."""
    return {"port": number, **fields}


def service(name, *ports, **spec):
    """A Service of ``ports``."""
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    return {**body, "spec": {**({"ports": list(ports)} if ports else {}), **spec}}


def node(x, name, **fields):
    """A Node of the topic ``x``: nodes have no namespace, so its name and label say whose it is."""
    meta = {"name": f"{x.ns}-{name}", "labels": {"topic": x.ns}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, **fields}
