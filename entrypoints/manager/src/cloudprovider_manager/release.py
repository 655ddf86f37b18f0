"""Which version this is."""

from __future__ import annotations

import functools
import importlib.metadata
import platform

_DISTRIBUTION = "k8s-cloudprovider-manager"


@functools.cache
def version() -> str:
    """The version of the manager's distribution."""
    return importlib.metadata.version(_DISTRIBUTION)


def version_info() -> dict[str, str]:
    """What ``/version`` answers, in the form of Kubernetes' components."""
    major, minor, *_ = version().split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{version()}",
        "pythonVersion": platform.python_version(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
