"""What a new cluster holds before anybody writes to it."""

from __future__ import annotations

from collections.abc import Sequence

from cloudprovider_sandbox.apiserver.patches.apply import Manager
from cloudprovider_sandbox.apiserver.registry import Registry, Write
from cloudprovider_sandbox.apiserver.resources import NAMESPACES, SERVICES


def bootstrap(registry: Registry, namespaces: Sequence[str]) -> None:
    """The first namespaces and the Service ``kubernetes``, which takes the first cluster IP."""
    # Nobody will ever dispute these fields: no need to keep book of who owns them.
    write = Write(Manager("kube-apiserver", "Update", "v1"), tracked=False)
    for name in namespaces:
        registry.create(NAMESPACES, "", {"metadata": {"name": name}}, write)
    if "default" not in namespaces:
        return
    labels = {"component": "apiserver", "provider": "kubernetes"}
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
    service = {
        "metadata": {"name": "kubernetes", "labels": labels},
        "spec": {"type": "ClusterIP", "ports": ports},
    }
    registry.create(SERVICES, "default", service, write)
