"""Handshakes of a server and a client in this process."""

import ssl

import pki

from cloudprovider.concurrency import RealConcurrency
from cloudprovider_manager import certificates
from cloudprovider_manager.contexts import Contexts, FixedPair
from cloudprovider_manager.tls_settings import TLSSettings

REAL = RealConcurrency()


def meet(server_context, client_context=None, *, name=None):
    """A handshake in this process: the server's and the client's side of the connection."""
    client_context = client_context or ssl._create_unverified_context()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(incoming, outgoing, server_hostname=name)
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(ours, theirs, server_side=True)
    pending = {client, server}
    for _ in range(20):
        for side in (client, server):
            if side in pending:
                try:
                    side.do_handshake()
                    pending.discard(side)
                except ssl.SSLWantReadError:
                    pass
        ours.write(outgoing.read())
        incoming.write(theirs.read())
    assert not pending
    return server, client


def shown(context, **options):
    """The certificate (DER) that a client is shown."""
    return meet(context, **options)[1].getpeercert(binary_form=True)


def pair(issued):
    return certificates.Pair(issued.pem, issued.key_pem)


def contexts(issued=None, settings=None, **options):
    source = FixedPair(pair(issued or pki.server("localhost")))
    return Contexts(source, settings or TLSSettings(), concurrency=REAL, **options)
