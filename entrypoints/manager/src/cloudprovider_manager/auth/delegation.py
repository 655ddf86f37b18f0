"""Authentication and authorization as the options ask for them.

Source: ``spec/ccm-core.md`` 4.2, 4.8 step 2: the API server asked is that of
``--authentication-kubeconfig`` and ``--authorization-kubeconfig``, or the cluster's own; never that
of ``--kubeconfig``. What cannot be asked is not believed.
"""

from __future__ import annotations

import logging

from cloudprovider.concurrency import Concurrency
from cloudprovider_controllers.runtime.client import Client
from cloudprovider_controllers.runtime.clientbuilder import user_agent
from cloudprovider_controllers.runtime.kubeconfig import ConfigError, load_cluster_config
from cloudprovider_controllers.runtime.metrics import RuntimeMetrics
from cloudprovider_controllers.runtime.transport import HttpTransport
from cloudprovider_manager.access import check_certificates
from cloudprovider_manager.auth.authentication import Authenticator
from cloudprovider_manager.auth.authorization import Authorizer, PublicPaths
from cloudprovider_manager.auth.lookup import WHERE, Lookup, LookupFailed
from cloudprovider_manager.auth.reviews import AccessReviews, Reviewer, TokenReviews
from cloudprovider_manager.auth.trust import Proxy, Trust, TrustError, authorities
from cloudprovider_manager.files import FileFault, FromFiles, read
from cloudprovider_manager.options import Options
from cloudprovider_manager.release import version

_log = logging.getLogger(__name__)

#: Seconds to wait for the ConfigMap, up to three times: no port is open meanwhile.
_TIMEOUT = 5.0


class DelegationError(Exception):
    """Callers cannot be authenticated or authorized as was asked for. The message says why."""


class Delegation:
    """Who may do what on the secure port.

    Args:
        options: Which files, names, paths and times.
        authentication: A client whose identity may review tokens; None: there is none.
        authorization: A client whose identity may review access; None: there is none.

    Raises:
        DelegationError: a bundle of authorities cannot be used, or the ConfigMap not be read.

    """

    def __init__(
        self,
        options: Options,
        authentication: Client | None,
        authorization: Client | None,
        *,
        concurrency: Concurrency,
    ) -> None:
        self._options = options
        self._concurrency = concurrency
        tokens = reviews = None
        if authentication is not None:
            tokens = TokenReviews(
                Reviewer(authentication, concurrency=concurrency),
                options.authentication_token_webhook_cache_ttl,
                concurrency=concurrency,
            )
        if authorization is not None:
            reviews = AccessReviews(
                Reviewer(authorization, concurrency=concurrency),
                allowed_for=options.authorization_webhook_cache_authorized_ttl,
                refused_for=options.authorization_webhook_cache_unauthorized_ttl,
                concurrency=concurrency,
            )
        self._clients = self._bundle(options.client_ca_file, "client CA")
        self._proxies = self._bundle(options.requestheader_client_ca_file, "request-header CA")
        self._lookup = self._look_up(authentication)
        self.authenticator = Authenticator(self.trust, tokens)
        self.authorizer = Authorizer(PublicPaths(options.authorization_always_allow_paths), reviews)

    @classmethod
    def open(
        cls, options: Options, metrics: RuntimeMetrics, *, concurrency: Concurrency
    ) -> Delegation:
        """Read kubeconfigs and bundles, and the ConfigMap where it is wanted.

        Raises:
            DelegationError: see the class; or a kubeconfig cannot be used.

        """
        authentication = _client(
            options.authentication_kubeconfig, "authentication", metrics, concurrency
        )
        authorization = _client(
            options.authorization_kubeconfig, "authorization", metrics, concurrency
        )
        if authentication is None:
            _log.warning(
                "no --authentication-kubeconfig, and this is no Pod of a cluster: every bearer "
                "token counts as anonymous, and %s is not read",
                WHERE,
            )
        if authorization is None:
            _log.warning(
                "no --authorization-kubeconfig, and this is no Pod of a cluster: all but %s is "
                "forbidden",
                ", ".join(options.authorization_always_allow_paths) or "nothing",
            )
        return cls(options, authentication, authorization, concurrency=concurrency)

    def trust(self) -> Trust:
        """Whose certificates are believed now."""
        published = self._lookup.published if self._lookup else None
        clients = self._clients.current() if self._clients else None
        if clients is None:
            clients = published.clients if published else frozenset()
        proxy = published.proxy if published else None
        if self._proxies is not None:
            proxy = self._proxy(self._proxies.current())
        return Trust(clients, proxy)

    def close(self) -> None:
        """Read the ConfigMap no more."""
        if self._lookup is not None:
            self._lookup.stop()

    def _proxy(self, bundle: frozenset[bytes]) -> Proxy:
        options = self._options
        return Proxy(
            bundle,
            allowed_names=options.requestheader_allowed_names,
            username_headers=options.requestheader_username_headers,
            uid_headers=options.requestheader_uid_headers,
            group_headers=options.requestheader_group_headers,
            extra_prefixes=options.requestheader_extra_headers_prefix,
        )

    def _bundle(self, path: str, what: str) -> FromFiles[frozenset[bytes]] | None:
        if not path:
            return None

        def make() -> frozenset[bytes]:
            try:
                return authorities(read(path, what), f"{what} {path}")
            except TrustError as error:
                raise FileFault(str(error)) from error

        try:
            return FromFiles([path], make, concurrency=self._concurrency)
        except FileFault as error:
            raise DelegationError(str(error)) from error

    def _look_up(self, client: Client | None) -> Lookup | None:
        both_given = self._clients is not None and self._proxies is not None
        if self._options.authentication_skip_lookup or both_given or client is None:
            return None
        lookup = Lookup(client, concurrency=self._concurrency)
        try:
            lookup.read()
        except LookupFailed as error:
            if not tolerated(self._options):
                raise DelegationError(
                    f"{error}; --authentication-tolerate-lookup-failure=true starts all the same, "
                    "--authentication-skip-lookup=true does not ask"
                ) from error
            _log.warning("%s; client certificates and proxies are not believed yet", error)
        lookup.start()
        return lookup


def tolerated(options: Options) -> bool:
    """Whether a failure to read the ConfigMap lets the manager start all the same.

    An identity that nobody named, the Pod's own, may lack the right: manifests from before there
    was delegated authentication go on starting, and whom we cannot check is not believed.
    """
    named = options.authentication_kubeconfig
    asked = "authentication-tolerate-lookup-failure" in options.given
    return options.authentication_tolerate_lookup_failure or not (named or asked)


def _client(
    kubeconfig: str, what: str, metrics: RuntimeMetrics, concurrency: Concurrency
) -> Client | None:
    """A client of the file, or of the cluster around us; None without either."""
    try:
        config = load_cluster_config(kubeconfig)
        check_certificates(config)
    except ConfigError as error:
        if kubeconfig:
            raise DelegationError(f"--{what}-kubeconfig={kubeconfig}: {error}") from error
        return None
    agent = f"{user_agent('cloud-controller-manager', f'v{version()}')}/{what}"
    transport = HttpTransport(config, user_agent=agent, concurrency=concurrency)
    return Client(transport, qps=0, metrics=metrics.requests(config.host), concurrency=concurrency)
