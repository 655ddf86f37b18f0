"""Metrics of controllers that run once for each provider."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry

from cloudprovider.concurrency import RealConcurrency

_M = TypeVar("_M")

_lock = RealConcurrency().lock()
_made: weakref.WeakKeyDictionary[CollectorRegistry, dict[str, Any]] = weakref.WeakKeyDictionary()


def metric_of(
    kind: Callable[..., _M],
    name: str,
    text: str,
    *,
    registry: CollectorRegistry,
    provider: str = "",
    **options: Any,
) -> _M:
    """The metric ``name`` in ``registry``; with ``provider``, the one with that label.

    Where one provider runs the metric is upstream's and has no label. Where several run, each has
    its own under one name; in one registry it is either with or without.
    """
    if not provider:
        return kind(name, text, registry=registry, **options)
    with _lock:
        made = _made.setdefault(registry, {})
        if name not in made:
            made[name] = kind(name, text, ["provider"], registry=registry, **options)
        labelled: _M = made[name].labels(provider)
        return labelled
