"""cloudprovider: list installed providers and start a new one."""
