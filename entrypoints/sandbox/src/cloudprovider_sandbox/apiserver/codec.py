"""Request bodies: JSON, YAML and the protobuf that some kubectl commands insist on."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from cloudprovider_sandbox.apiserver import protobuf, status
from cloudprovider_sandbox.apiserver.messages import JSON, Request

PROTOBUF = "application/vnd.kubernetes.protobuf"
YAML = "application/yaml"


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: a timestamp is a string."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def media_type(request: Request) -> str:
    """The content type of the body, without parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def decode(request: Request) -> Any:
    """The body of a create, update or delete.

    Raises:
        StatusError: 400 for a broken body, 415 for a foreign content type.

    """
    kind = media_type(request)
    if kind in {"", JSON}:
        return decode_json(request.body)
    if kind == YAML:
        return decode_yaml(request.body)
    if kind == PROTOBUF:
        try:
            return protobuf.decode(request.body)
        except protobuf.UnknownMessage as error:
            raise status.unsupported_media_type((JSON, YAML)) from error
        except (ValueError, IndexError) as error:
            raise status.bad_request("the protobuf body cannot be decoded") from error
    raise status.unsupported_media_type((JSON, YAML, PROTOBUF))


def decode_json(body: bytes) -> Any:
    """JSON. Raises StatusError 400."""
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise status.bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def decode_yaml(body: bytes) -> Any:
    """YAML, of which JSON is a part. Raises StatusError 400."""
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        pass
    try:
        return yaml.load(body, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise status.bad_request("error decoding YAML") from error


def decode_object(request: Request) -> dict[str, Any]:
    """A body that must be an object. Raises StatusError 400 or 415."""
    value = decode(request)
    if not isinstance(value, dict):
        raise status.bad_request("the body is not an object")
    return value
