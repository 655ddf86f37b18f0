"""Write a kubeconfig for the server."""

from __future__ import annotations

import base64
from typing import Any

import yaml

NAME = "cloud-sandbox"


def kubeconfig(server: str, *, token: str = "", ca: bytes = b"", namespace: str = "default") -> str:
    """Text of a kubeconfig.

    Args:
        server: URL of the API server.
        token: Bearer token of the user; empty = none.
        ca: PEM of the certificate authority; empty = none.
        namespace: The context's namespace.

    """
    cluster: dict[str, Any] = {"server": server}
    if ca:
        cluster["certificate-authority-data"] = base64.b64encode(ca).decode()
    user: dict[str, Any] = {"token": token} if token else {}
    context = {"cluster": NAME, "user": NAME, "namespace": namespace}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": user}],
        "contexts": [{"name": NAME, "context": context}],
        "current-context": NAME,
    }
    return yaml.safe_dump(config, sort_keys=False)
