"""Which hosts may be asked for an archive: its own address and those it is known to use, nothing inside a network."""

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, urlsplit, urlunsplit

from manifests.errors import UsageError

_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port of an address."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self | None:
        """The origin of an http or https address without a password, else None."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return None
        if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or port == 0:
            return None
        return cls(parts.scheme, parts.hostname, port or _PORTS[parts.scheme])

    @property
    def name(self) -> str:
        """Host, with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in _PORTS.values() else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """`scheme://host:port`, the port only where it is not the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


def base_url(text: str) -> str:
    """An archive's address in canonical form, without a slash at the end.

    Raises:
        UsageError: it is not an http or https address, or carries a query, a fragment or a password.
    """
    origin = Origin.of(text.strip())
    parts = urlsplit(text.strip()) if origin else SplitResult("", "", "", "", "")
    if origin is None or parts.query or parts.fragment or any(c.isspace() for c in text.strip()):
        raise UsageError(f"{text!r} is not an archive's address: give one like https://hla.stsci.edu, path allowed.")
    return origin.url + urlunsplit(("", "", parts.path.rstrip("/"), "", ""))


@dataclass(frozen=True)
class HostList:
    """The archive's own address and the names of other hosts that belong to it."""

    base: str
    friends: frozenset[str] = frozenset()
    own: Origin = field(init=False)

    def __post_init__(self) -> None:
        canonical = base_url(self.base)
        own = Origin.of(canonical)
        object.__setattr__(self, "base", canonical)
        object.__setattr__(self, "own", own)

    def allows(self, origin: Origin) -> bool:
        """Whether the archive may send us there: its own address, https of it, or a public host of its list."""
        if origin == self.own:
            return True
        if origin.port != _PORTS[origin.scheme] or (origin.scheme == "http" and self.own.scheme == "https"):
            return False
        if origin.host == self.own.host:
            return self.own.port == _PORTS[self.own.scheme]
        return origin.host in self.friends and not is_private(origin.host)


def is_private(host: str, *, look_up: bool = True) -> bool:
    """Whether a host is, or by name resolves to, an address inside a network, on loopback or otherwise not public.

    A name that cannot be resolved is not private: the request itself will say so.
    """
    try:
        return not is_public(host)
    except ValueError:
        pass
    if host == "localhost" or host.endswith(".localhost"):
        return True
    if not look_up:
        return False
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):  # a name may be too long to be looked up
        return False
    return any(not is_public(str(address[4][0])) for address in found)


def is_public(address: str) -> bool:
    """Whether an IP address can be reached from everywhere, and stands for one host.

    IPv6 addresses that carry an IPv4 one (mapped, 6to4, NAT64) count as that.

    Raises:
        ValueError: it is not an IP address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(ip.packed[-4:]) if ip in _NAT64 else ip)
    return ip.is_global and not ip.is_multicast
