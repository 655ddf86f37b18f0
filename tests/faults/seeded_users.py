"""What users do while the managers of a seeded run are killed, paused and cut off."""

from __future__ import annotations

import contextlib

import msgspec
from histories import NOTICED
from seeded_plan import PREFIX
from world import World

from cloudprovider.testing.harness import oracles
from cloudprovider_controllers.runtime.errors import AlreadyExists, ApiError
from cloudprovider_controllers.runtime.resources import NODES, SERVICES


class UsersWorld(World):
    """A world whose users carry out the actions of a plan, each by its name."""

    def __init__(self, **options):
        super().__init__(**options)
        self.ranges = {}
        self.terminated = {}  #: when instances went, by the name of their Node
        self.done = []  #: of the plan
        self.waiting = []  #: users who wait for something
        self._asked = {}  #: since when each port of each Service is asked for

    def carry_out(self, action):
        """Carry ``action`` out, if it is still possible."""
        with contextlib.suppress(ApiError, KeyError):
            getattr(self, action.do)(*action.args)
            self.done.append(action)
        self._note_asked()

    def _note_asked(self):
        now = self.time.monotonic()
        view = oracles.View(services=self._services(), balancers=(), foreign={})
        asked = [
            (service.metadata.uid, (port.protocol, port.port))
            for service in view.services
            if view.wants(service)
            for port in service.spec.ports
        ]
        self._asked = {key: self._asked.get(key, now) for key in asked}

    def view_after(self, record):
        """The view, where only what could be known when the call was sent has been asked for.

        A call that was sent cannot be called back, and a slow cloud may carry it out much later.
        """
        known = record.t - NOTICED
        fresh = frozenset(key for key, since in self._asked.items() if since > known)
        return msgspec.structs.replace(self.view(), fresh=fresh)

    def expose_ports(self, name, ports):
        spec = {"type": "LoadBalancer", "selector": {"app": name}, "ports": service_ports(ports)}
        self.client.create(SERVICES, {"metadata": {"name": name}, "spec": spec}, "default")

    def change_ports(self, name, ports):
        patch = [{"op": "replace", "path": "/spec/ports", "value": service_ports(ports)}]
        self.client.patch(SERVICES, name, patch, namespace="default", patch_type="json")

    def change_type(self, name, kind):
        self.edit({"type": kind}, name=name)

    def annotate(self, name, key, value):
        change = {"metadata": {"annotations": {PREFIX + key: value or None}}}
        self.client.patch(SERVICES, name, change, namespace="default", patch_type="merge")

    def remove(self, name):
        self.delete(name=name)

    def recreate(self, name, ports):
        """Delete it, and create it again under its name as soon as it is gone."""
        self._when_gone(SERVICES, name, "default", lambda: self.expose_ports(name, ports))
        self.delete(name=name)

    def add_node(self, name):
        """It joins, and kube-controller-manager gives it a range."""
        self.stopped -= {name}
        self.join(name)
        free = set(range(1, 100)) - set(self.ranges.values())
        self.ranges[name] = number = min(free)
        spec = {"podCIDR": cidr(number), "podCIDRs": [cidr(number)]}
        self.client.patch(NODES, name, {"spec": spec}, patch_type="merge")

    def leave_node(self, name):
        self._forget(name)
        self.leave(name)

    def terminate_node(self, name):
        self._forget(name)
        self.terminate(name)
        self.terminated.setdefault(name, []).append(self.time.monotonic())

    def replace_node(self, name):
        """Its instance goes, and another comes up under its name."""
        self._when_gone(NODES, name, "", lambda: self.add_node(name))
        self.terminate_node(name)

    def _forget(self, name):
        self.ranges.pop(name)
        self.stopped -= {name}

    def stop_node(self, name):
        self.stop(name)

    def resume_node(self, name):
        self.resume(name)

    def cordon_node(self, name):
        self.cordon(name)

    def exclude_node(self, name):
        self.exclude(name)

    def include_node(self, name):
        self.include(name)

    def _when_gone(self, resource, name, namespace, act):
        uid = self.client.get(resource, name, namespace).metadata.uid

        def run():
            with contextlib.suppress(ApiError):
                while self.client.get(resource, name, namespace).metadata.uid == uid:
                    self.time.sleep(0.2)
            with contextlib.suppress(AlreadyExists):
                act()
            self._note_asked()

        self.waiting.append(self.time.start_thread(run, name="user"))


def cidr(number):
    """The Pods' range of a node."""
    return f"172.16.{number}.0/24"


def service_ports(ports):
    """Service ports; the node port follows from the port, and DNS is UDP."""
    return [
        {
            "name": f"p{port}",
            "port": port,
            "protocol": "UDP" if port == 53 else "TCP",
            "nodePort": 30000 + port,
        }
        for port in ports
    ]
