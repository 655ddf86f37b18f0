"""Which version this is."""

from __future__ import annotations

import functools
import importlib.metadata

_DISTRIBUTION = "k8s-cloudprovider-manager"


@functools.cache
def version() -> str:
    """The version of the manager's distribution."""
    return importlib.metadata.version(_DISTRIBUTION)
