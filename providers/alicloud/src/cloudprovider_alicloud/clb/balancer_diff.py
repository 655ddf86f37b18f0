"""Differences of the load balancer itself: attributes, tags, and what cannot be changed. Pure.

Only what an annotation says is compared. Source: ``spec/alicloud.md`` 3.1, 3.2, 4.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from cloudprovider.errors import InvalidConfiguration
from cloudprovider.toolkit.ownership import tags_to_write
from cloudprovider_alicloud import annotations as keys
from cloudprovider_alicloud.api.slb import LoadBalancer
from cloudprovider_alicloud.clb import names, operations
from cloudprovider_alicloud.clb.desired import PROTECTION_REASON, Balancer, Desired

#: Attribute, its annotation, and what upstream's message calls it.
_IMMUTABLE = (
    ("address_type", keys.ADDRESS_TYPE, "AddressType"),
    ("resource_group_id", keys.RESOURCE_GROUP_ID, "ResourceGroupId"),
    ("network_type", keys.NETWORK_TYPE, "network type"),
    ("master_zone_id", keys.MASTER_ZONE, "master zone id"),
    ("slave_zone_id", keys.SLAVE_ZONE, "slave zone id"),
    ("ip_version", keys.IP_VERSION, "AddressIPVersion"),
    ("address", keys.IP, "address"),
)


@dataclasses.dataclass(frozen=True)
class Difference:
    """One attribute that can be changed in place."""

    method: str
    sentence: str
    operation: operations.SetBalancer


def differences(
    desired: Desired, found: LoadBalancer
) -> tuple[list[Difference], list[InvalidConfiguration]]:
    """What to change on ``found``, and what is wanted but can never be changed."""
    wanted = desired.balancer
    changes = [*_tags(desired, found), *_attributes(wanted, found), *_charging(wanted, found)]
    return changes, list(_immutable(wanted, found))


def _set(method: str, sentence: str, **arguments: object) -> Difference:
    return Difference(method, sentence, operations.SetBalancer(method, arguments))


def _tags(desired: Desired, found: LoadBalancer) -> Iterator[Difference]:
    missing: Mapping[str, str] = tags_to_write(desired.tags, found.tags, room=names.MOST_TAGS)
    if missing:
        yield _set("tag", f"add tags {', '.join(missing)}", tags=missing)


def _attributes(wanted: Balancer, found: LoadBalancer) -> Iterator[Difference]:
    if wanted.name is not None and wanted.name != found.name:
        yield _set("set_name", f"name it {wanted.name}", name=wanted.name)
    if wanted.delete_protection not in (None, found.delete_protection):
        sentence = f"delete protection {wanted.delete_protection}"
        yield _set("set_delete_protection", sentence, value=wanted.delete_protection)
    if wanted.modification_protection not in (None, found.modification_protection):
        on = wanted.modification_protection == "ConsoleProtection"
        yield _set(
            "set_modification_protection",
            f"modification protection {wanted.modification_protection}",
            status=wanted.modification_protection,
            reason=PROTECTION_REASON if on else "",
        )


def _charging(wanted: Balancer, found: LoadBalancer) -> Iterator[Difference]:
    paid = wanted.instance_charge_type
    if paid is not None and paid != found.instance_charge_type:
        spec = (wanted.spec or "slb.s1.small") if paid == "PayBySpec" else ""
        yield _set("modify_instance_charge_type", f"pay {paid}", kind=paid, spec=spec)
    elif found.instance_charge_type == "PayBySpec" and wanted.spec not in (None, found.spec):
        yield _set("modify_spec", f"specification {wanted.spec}", spec=wanted.spec)
    if found.address_type == "internet":
        yield from _internet(wanted, found)


def _internet(wanted: Balancer, found: LoadBalancer) -> Iterator[Difference]:
    kind = wanted.internet_charge_type
    bandwidth = wanted.bandwidth
    if kind in (None, found.internet_charge_type) and bandwidth in (None, found.bandwidth):
        return
    sentence = f"pay {kind or found.internet_charge_type}"
    if bandwidth is not None:
        sentence += f", {bandwidth} Mbit/s"
    yield _set(
        "modify_internet_spec",
        sentence,
        kind=kind or found.internet_charge_type,
        bandwidth=bandwidth,
    )


def _immutable(wanted: Balancer, found: LoadBalancer) -> Iterator[InvalidConfiguration]:
    for attribute, field, name in _IMMUTABLE:
        value, there = getattr(wanted, attribute), getattr(found, attribute)
        if value is not None and there and value != there:
            hint = ". delete and retry" if attribute == "address_type" else ""
            yield InvalidConfiguration(
                f"alicloud: can not change LoadBalancer {name} once created{hint}",
                field=keys.ANNOTATIONS.full_key(field),
                value=value,
                accepted=there,
            )
