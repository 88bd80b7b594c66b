"""Connections that do not lead inside: where a name really points is known only once it was connected to.

A name may be public when it is looked up and private a moment later, so that the address of the peer is judged, before
anything is sent to it. Behind a proxy the peer is the proxy, which then has to judge.
"""

import socket
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from scrapers.attempts import HttpError
from scrapers.hosts import Origin, is_public


class GuardedAdapter(HTTPAdapter):
    """Keeps `connections` open to each of a few hosts; of private addresses only that of `own` is connected to."""

    def __init__(self, own: Origin, connections: int) -> None:
        self._own = own
        super().__init__(pool_connections=4, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, as the base class does, with guarded connections."""
        super().init_poolmanager(*args, **kwargs)
        own = self._own

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return _guarded(super()._new_conn(), self, own)

        class Encrypted(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return _guarded(super()._new_conn(), self, own)

        class PlainPool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class EncryptedPool(urllib3.HTTPSConnectionPool):
            ConnectionCls = Encrypted

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}


def _guarded(connected: socket.socket, connection: HTTPConnection, own: Origin) -> socket.socket:
    peer = connected.getpeername()[0]
    host = connection.host.strip("[]").lower()
    if (host, connection.port) == (own.host, own.port) or is_public(peer):
        return connected
    connected.close()
    raise HttpError("refused", "elsewhere", f"{host} leads to {peer}, an address inside a network: not asked.")
