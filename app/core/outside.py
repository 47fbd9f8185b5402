"""Requests to addresses that a user gave: never to the machine itself nor to the network that it stands in.

A name is resolved once, every address that it has is judged, and the connection goes to the address that was judged:
a name that answers differently a moment later leads nowhere else. Redirects are requests like any other.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

import httpx2

from app.core.errors import Invalid
from app.core.language import gettext as _
from app.core.settings import SettingMissing, settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
SCHEMES = ("http", "https")
MOST_REDIRECTS = 3
PATIENCE = httpx2.Timeout(20.0, connect=5.0)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class BadAddress(Invalid):
    """Text that is no web address, or a name that nobody has."""


class PrivateAddress(Invalid):
    """An address of this machine or of a network that is not the public one."""


def client(where: str = "address", redirects: bool = True) -> httpx2.Client:
    """A client that refuses what `check` refuses, also where a redirect leads. `where` names the field in refusals;
    redirects: whether they are followed, or are the answer.

    The environment's proxies are not asked: they would resolve the name themselves.
    """
    return httpx2.Client(
        transport=_Guarded(where),
        timeout=PATIENCE,
        trust_env=False,
        follow_redirects=redirects,
        max_redirects=MOST_REDIRECTS,
    )


def check(url: str, where: str = "address") -> Address:
    """The address that a request to this URL would go to. Raises BadAddress, PrivateAddress."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL:
        raise _no_address(url, where) from None
    return _judged(parsed, where)


def _no_address(url: str, where: str) -> BadAddress:
    return BadAddress(_("“%(text)s” is no web address.", text=url[:80]), where, _("It begins with https://."))


def _judged(url: httpx2.URL, where: str) -> Address:
    if url.scheme not in SCHEMES or not url.host:
        raise _no_address(str(url), where)
    if url.userinfo:
        raise BadAddress(_("An address may not hold a name and a password."), where)
    found = list(_resolved(url.host, url.port or (443 if url.scheme == "https" else 80), where))
    allowed = _allowed()
    if refused := [each for each in found if not (is_public(each) or any(_within(each, net) for net in allowed))]:
        raise PrivateAddress(
            _("%(host)s is at %(address)s, which is not a public address.", host=url.host[:80], address=refused[0]),
            where,
            _("The operator may allow networks by the setting OUTSIDE_ALLOWED."),
        )
    return found[0]


def _resolved(host: str, port: int, where: str) -> Iterator[Address]:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise BadAddress(_("The name “%(host)s” cannot be resolved.", host=host[:80]), where) from None
    for *_family, (address, *_port) in answers:
        yield ipaddress.ip_address(str(address).partition("%")[0])


def is_public(address: Address) -> bool:
    """Whether the public internet knows the address; one that carries another inside it is judged by both."""
    return address.is_global and not address.is_multicast and all(is_public(each) for each in _inside(address))


def _inside(address: Address) -> Iterator[Address]:
    """IPv4 addresses that an IPv6 address stands for: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped or address in NAT64 or int(address) >> 32 == 0:
        yield low
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo


def _within(address: Address, network: Network) -> bool:
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped in network


def _allowed() -> list[Network]:
    """Raises SettingMissing where the setting cannot be read."""
    try:
        return [ipaddress.ip_network(each.strip()) for each in settings().outside_allowed.split(",") if each.strip()]
    except ValueError as problem:
        raise SettingMissing(
            str(problem), "OUTSIDE_ALLOWED", _("Name networks such as 10.1.0.0/16, between commas.")
        ) from None


class _Guarded(httpx2.BaseTransport):
    """Judges each request's address and connects to that very address; TLS still asks for the name."""

    def __init__(self, where: str) -> None:
        self._where = where
        # No connection is kept: two names at one address must not share one.
        self._inner = httpx2.HTTPTransport(trust_env=False, limits=httpx2.Limits(max_keepalive_connections=0))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        address = _judged(request.url, self._where)
        pinned = httpx2.Request(
            request.method,
            request.url.copy_with(host=str(address)),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": request.url.host},
        )
        return self._inner.handle_request(pinned)

    def close(self) -> None:
        self._inner.close()
