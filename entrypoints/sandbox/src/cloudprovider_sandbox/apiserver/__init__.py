"""An embedded Kubernetes API server, for trying and for testing.

:class:`~cloudprovider_sandbox.apiserver.server.ApiServer` is the server without sockets;
:class:`~cloudprovider_sandbox.apiserver.http.ApiServerHttp` serves it to kubectl;
:class:`~cloudprovider_sandbox.apiserver.inprocess.InProcessTransport` gives it to a manager in the
same process.
"""
