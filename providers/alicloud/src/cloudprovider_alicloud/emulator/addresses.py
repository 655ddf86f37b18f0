"""Private addresses of a vSwitch."""

from __future__ import annotations

import ipaddress

from cloudprovider_alicloud.emulator.resources import VSwitch
from cloudprovider_alicloud.emulator.state import State


def take_address(state: State, vswitch: VSwitch) -> str:
    """The next free address of ``vswitch``; it is no longer available."""
    network = ipaddress.ip_network(vswitch.cidr)
    state.change(vswitch, available=vswitch.available - 1, next_host=vswitch.next_host + 1)
    return str(network.network_address + vswitch.next_host)


def release_address(state: State, vswitch_id: str) -> None:
    """One more address is available in the vSwitch, if it still exists."""
    vswitch = state.vswitches.get(vswitch_id)
    if vswitch is not None:
        state.change(vswitch, available=vswitch.available + 1)
