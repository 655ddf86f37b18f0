"""Services: defaults, validation and the allocation of cluster IPs and node ports."""

# ruff: noqa: ARG002 - hooks get more than each kind needs
from __future__ import annotations

from collections.abc import Sequence

from cloudprovider_sandbox.apiserver import status
from cloudprovider_sandbox.apiserver.allocators import (
    Addresses,
    Numbers,
    OutOfRange,
    RangeFull,
    Reservation,
    Taken,
)
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.status import FieldError
from cloudprovider_sandbox.apiserver.strategies import service_rules as rules
from cloudprovider_sandbox.apiserver.strategies import service_validation as validation
from cloudprovider_sandbox.apiserver.strategies.base import Json, Strategy


class ServiceStrategy(Strategy):
    """Service.

    Args:
        resource: The resource.
        cidrs: Cluster IP ranges, one per IP family, the primary first.
        node_ports: First and last node port.

    """

    def __init__(
        self, resource: Resource, cidrs: Sequence[str], node_ports: tuple[int, int]
    ) -> None:
        super().__init__(resource)
        self.pools = {pool.family: pool for pool in map(Addresses, cidrs)}
        self.ports = Numbers(*node_ports)

    def default(self, obj: Json) -> None:
        rules.set_defaults(obj)

    def prepare_create(self, obj: Json) -> None:
        obj["status"] = {"loadBalancer": {}}
        rules.fill_cluster_ips(obj)

    def prepare_update(self, new: Json, old: Json) -> None:
        super().prepare_update(new, old)
        if new.get("spec", {}).get("type") != "LoadBalancer":
            new["status"] = {**new.get("status", {}), "loadBalancer": {}}
        rules.keep_allocated(new, old)
        rules.fill_cluster_ips(new)
        rules.drop_unneeded(new, old)
        rules.set_families(new, list(self.pools), old)

    def validate(self, obj: Json) -> list[FieldError]:
        errors = validation.validate(obj)
        policy, many = obj["spec"].get("ipFamilyPolicy"), len(self.pools) > 1
        if policy == "RequireDualStack" and not many and not rules.has_foreign_endpoints(obj):
            why = "this cluster is not configured for dual-stack services"
            errors.append(status.invalid_value("spec.ipFamilyPolicy", policy, why))
        return errors

    def validate_update(self, new: Json, old: Json) -> list[FieldError]:
        return validation.validate_update(new, old) + self.validate(new)

    def validate_status(self, new: Json, old: Json) -> list[FieldError]:
        return validation.validate_status(new)

    def reserve(self, new: Json, old: Json | None) -> Reservation:
        if old is None:
            rules.set_families(new, list(self.pools))
        reservation = Reservation(owner(new))
        try:
            self._reserve_addresses(new, reservation)
            self._reserve_ports(new, reservation)
        except status.StatusError:
            reservation.rollback()
            raise
        if old is not None:
            for address in rules.cluster_ips(old) - rules.cluster_ips(new):
                for pool in self.pools.values():
                    reservation.release(pool, [address] if address in pool else [])
            reservation.release(self.ports, rules.node_ports(old) - rules.node_ports(new))
        return reservation

    def _reserve_addresses(self, service: Json, reservation: Reservation) -> None:
        spec = service["spec"]
        if not rules.needs_cluster_ip(service) or rules.is_headless(service):
            if rules.needs_cluster_ip(service):
                spec["clusterIP"], spec["clusterIPs"] = "None", ["None"]
            return
        held = list(spec.get("clusterIPs") or [])
        for index, family in enumerate(spec["ipFamilies"]):
            pool = self.pools.get(family)
            if pool is None:
                why = f"not configured on this cluster: {family}"
                error = status.invalid_value(f"spec.ipFamilies[{index}]", family, why)
                raise self._invalid(service, error)
            if index < len(held):
                self._claim_address(service, pool, held, reservation)
            else:
                held.append(str(self._take(pool, reservation, "a serviceIP")))
        spec["clusterIP"], spec["clusterIPs"] = held[0], held

    def _claim_address(
        self, service: Json, pool: Addresses, held: list[str], reservation: Reservation
    ) -> None:
        address = next((item for item in held if item in pool), held[0])
        try:
            reservation.claim(pool, address)
            return
        except Taken:
            why = f"failed to allocate IP {address}: provided IP is already allocated"
        except OutOfRange:
            why = (
                f"failed to allocate IP {address}: the provided network does not match the current "
                "range"
            )
        raise self._invalid(service, status.invalid_value("spec.clusterIPs", held, why))

    def _reserve_ports(self, service: Json, reservation: Reservation) -> None:
        spec = service["spec"]
        given: set[int] = set()
        for index, port in enumerate(spec.get("ports") or []):
            if port.get("nodePort") and port["nodePort"] not in given:
                field = f"spec.ports[{index}].nodePort"
                self._claim_port(service, port["nodePort"], field, reservation)
                given.add(port["nodePort"])
        if rules.needs_node_ports(service):
            self._fill_ports(spec.get("ports") or [], reservation)
        if rules.needs_health_check_port(service):
            if spec.get("healthCheckNodePort"):
                self._claim_health_port(spec["healthCheckNodePort"], reservation)
            else:
                taken = self._take(self.ports, reservation, "a HealthCheck NodePort")
                spec["healthCheckNodePort"] = taken

    def _fill_ports(self, ports: list[Json], reservation: Reservation) -> None:
        # Ports of different protocols on one number share a node port, as in kube-apiserver.
        used = {(port.get("nodePort"), port["protocol"]) for port in ports}
        by_number = {port["port"]: port["nodePort"] for port in ports if port.get("nodePort")}
        for port in ports:
            if port.get("nodePort"):
                continue
            candidate = by_number.get(port["port"])
            if candidate is None or (candidate, port["protocol"]) in used:
                candidate = int(self._take(self.ports, reservation, "a nodePort"))
            port["nodePort"] = by_number[port["port"]] = candidate
            used.add((candidate, port["protocol"]))

    def _claim_port(self, service: Json, number: int, field: str, reservation: Reservation) -> None:
        if why := self._refused(number, reservation):
            raise self._invalid(service, status.invalid_value(field, number, why))

    def _claim_health_port(self, number: int, reservation: Reservation) -> None:
        if why := self._refused(number, reservation):
            what = f"failed to allocate requested HealthCheck NodePort {number}"
            raise status.internal(f"{what}: {why}")

    def _refused(self, number: int, reservation: Reservation) -> str:
        """Claim a port; why it cannot be had, empty if it was."""
        try:
            reservation.claim(self.ports, number)
        except Taken:
            return "provided port is already allocated"
        except OutOfRange:
            return (
                "provided port is not in the valid range. The range of valid ports is "
                f"{self.ports.first}-{self.ports.last}"
            )
        return ""

    def _take(self, pool: Numbers | Addresses, reservation: Reservation, what: str) -> int | str:
        try:
            return reservation.take(pool)
        except RangeFull as error:
            raise status.internal(f"failed to allocate {what}: range is full") from error

    def _invalid(self, service: Json, error: FieldError) -> status.StatusError:
        return status.invalid(self.resource, service["metadata"]["name"], [error])

    def released(self, obj: Json) -> None:
        who = owner(obj)
        for address in rules.cluster_ips(obj):
            for pool in self.pools.values():
                pool.release(address, who)
        for number in rules.node_ports(obj):
            self.ports.release(number, who)

    def reset(self) -> None:
        self.ports.clear()
        for pool in self.pools.values():
            pool.numbers.clear()

    def adopt(self, obj: Json) -> None:
        who = owner(obj)
        for address in rules.cluster_ips(obj):
            for pool in self.pools.values():
                if address in pool:
                    pool.claim(address, who)
        for number in rules.node_ports(obj):
            self.ports.claim(number, who)


def owner(service: Json) -> str:
    """Whose allocations they are: ``namespace/name``."""
    meta = service["metadata"]
    return f"{meta.get('namespace', '')}/{meta.get('name', '')}"
