"""GET, LIST and WATCH, from request to reply."""

from __future__ import annotations

from collections.abc import Callable

from cloudprovider.concurrency import Concurrency
from cloudprovider_sandbox.apiserver import listing, selectors, status, views
from cloudprovider_sandbox.apiserver.messages import Reply, Request
from cloudprovider_sandbox.apiserver.options import check_watch
from cloudprovider_sandbox.apiserver.resources import Resource
from cloudprovider_sandbox.apiserver.routes import Route
from cloudprovider_sandbox.apiserver.store import Entry, Expired, Store
from cloudprovider_sandbox.apiserver.watch import FailedWatch, Tampering, Watch, WatchOptions

Shown = Callable[[], Tampering]  #: what the caller is shown, now


class Reads:
    """Answers reads from a :class:`Store`. ``watch_list`` and ``expired_as_status`` may be set."""

    def __init__(self, store: Store, *, bookmark_every: float, concurrency: Concurrency) -> None:
        self._store = store
        self._bookmark_every = bookmark_every
        self._concurrency = concurrency
        self.watch_list = True  #: whether sendInitialEvents is served
        self.expired_as_status = False  #: a watch from too old a version: HTTP 410, not an event

    def get(self, resource: Resource, route: Route, request: Request, shown: Shown) -> Reply:
        """One object. Raises StatusError 404 or 406."""
        listing.version_of(request.query.get("resourceVersion", ""))
        key = (route.namespace, route.name)
        entry = self._entry(resource, key, _ceiling(request, shown()))
        if entry is None:
            raise status.not_found(resource, route.name)
        return Reply(200, views.negotiate(request, resource, self._concurrency).one(entry.data))

    def _entry(self, resource: Resource, key: tuple[str, str], ceiling: int | None) -> Entry | None:
        if ceiling is None or ceiling >= self._store.version:
            return self._store.get(resource.storage, key)
        with self._store.lock:
            table = self._store.table(resource.storage)
            try:
                return table.at(max(ceiling, table.oldest)).get(key)
            except Expired:  # pragma: no cover - the oldest version is always there
                return table.objects.get(key)

    def list(self, resource: Resource, route: Route, request: Request, shown: Shown) -> Reply:
        """A list, or a page of one. Raises StatusError 400, 410 or 504."""
        selector = selector_of(resource, request)
        ceiling = _ceiling(request, shown())
        page = listing.read(
            self._store, resource, route.namespace, selector, request, ceiling=ceiling
        )
        view = views.negotiate(request, resource, self._concurrency)
        data = [entry.data for entry in page.entries]
        return Reply(200, view.many(data, page.version, page.token, page.remaining))

    def watch(self, resource: Resource, route: Route, request: Request, shown: Shown) -> Reply:
        """A stream of events. Raises StatusError 400, 410 or 422."""
        query = request.query
        check_watch(query, watch_list=self.watch_list)
        version = listing.version_of(query.get("resourceVersion", ""))
        initial = request.flag("sendInitialEvents")
        if version and initial and version > self._store.version:
            error = status.too_large_version(version, self._store.version)
            return Reply(200, stream=FailedWatch(error))
        selector = selector_of(resource, request)
        oldest = self._store.table(resource.storage).oldest
        if version and not initial and version < oldest and self.expired_as_status:
            raise status.gone(f"too old resource version: {version} ({oldest})")
        from_now = "sendInitialEvents" in query and not initial and not version
        options = WatchOptions(
            namespace=route.namespace,
            selector=selector,
            version=self._store.version if from_now else version or None,
            initial_events=initial,
            bookmarks=request.flag("allowWatchBookmarks"),
            seconds=self._seconds(query.get("timeoutSeconds", "")),
            bookmark_every=self._bookmark_every,
            render=views.negotiate(request, resource, self._concurrency).event,
        )
        stream = Watch(
            self._store, resource, options, concurrency=self._concurrency, tampering=shown
        )
        return Reply(200, stream=stream)

    def _seconds(self, text: str) -> float:
        if text.isdigit() and int(text):
            return float(text)
        return 1800.0 + self._concurrency.random.uniform(0, 1800)


def _ceiling(request: Request, shown: Tampering) -> int | None:
    """The newest version that a read may see.

    Only reads that accept a cached state can be served by a server that lags.
    """
    cached = bool(request.query.get("resourceVersion"))
    return shown.held_at if cached or shown.all_reads else None


def selector_of(resource: Resource, request: Request) -> selectors.Selector:
    """The selector of a request. Raises StatusError 400."""
    query = request.query
    return selectors.parse(query.get("labelSelector", ""), query.get("fieldSelector", ""), resource)
