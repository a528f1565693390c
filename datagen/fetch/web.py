"""Fetches files from the web, with limits on size and time, retries and a cache.

Only hosts that the config names are asked. Addresses inside this machine or network are refused, unless the config
names the host without `*`: a list of foreign URLs must not reach them, not by a redirect or a DNS name either.
"""

from __future__ import annotations

import email.utils
import hashlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from datagen.core.errors import DataError
from datagen.fetch import http_cache

WEB_SCHEMES = ("http", "https")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_RETRYABLE = (429, 500, 502, 503, 504)
_LONGEST_WAIT = 60.0
"""The longest delay between two tries, in seconds. A server that asks for a longer one fails the file."""
_CHUNK = 2**16
_HOST = re.compile(r"^(\*|(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:]*:[0-9a-f:.]*)$")


class Web(NamedTuple):
    """From which hosts files may be fetched, and the limits on time and tries."""

    hosts: tuple[str, ...] = ()
    """Names of hosts; `*.example.org` allows all subdomains, `*` any host that is not inside this network."""
    timeout_s: float = 60
    """Seconds for one try of one file, from connecting to the last byte."""
    tries: int = 3
    """Tries of one file while the server is busy, broken or unreachable."""


NO_WEB = Web()


class _RetryableError(Exception):
    """A fault that a later try may not have; `wait` is the delay in seconds that the server asks for, 0 for none."""

    def __init__(self, message: str, wait: float = 0) -> None:
        super().__init__(message)
        self.wait = wait


def check_host(pattern: str) -> str:
    """A pattern for `Web.hosts`, in lower case. Raises `ValueError` if it is not one."""
    if not _HOST.match(pattern.lower()):
        raise ValueError(f"'{pattern:.100}' is no host; write images.example.org, *.example.org or *")
    return pattern.lower()


def fetch(url: str, *, web: Web, max_bytes: int, schemes: tuple[str, ...], sha256: str) -> bytes:
    """The bytes of a URL: from the cache, if they are there and have the checksum `sha256` ('' for any); else fetched.

    Raises `DataError` if the URL is not allowed, not found, larger than `max_bytes`, or fails in all `web.tries` tries.
    """
    _target(url, web, schemes)  # the cache gives nothing either that the config no longer allows
    known = http_cache.find(url)
    if known is not None and len(known) <= max_bytes and sha256 in ("", hashlib.sha256(known).hexdigest()):
        return known
    data = _fetch_with_retries(url, web, max_bytes, schemes)
    if sha256 in ("", hashlib.sha256(data).hexdigest()):
        http_cache.save(url, data)
    return data


def _fetch_with_retries(url: str, web: Web, max_bytes: int, schemes: tuple[str, ...]) -> bytes:
    for attempt in range(1, web.tries + 1):
        try:
            return _fetch_once(url, web, max_bytes, schemes)
        except _RetryableError as error:
            if attempt == web.tries:
                times = f" ({attempt} tries)" if attempt > 1 else ""
                raise DataError(f"{error}{times}") from error
            if error.wait > _LONGEST_WAIT:
                raise DataError(f"{error}; it asks to come back in {error.wait:,.0f} s") from error
            time.sleep(max(error.wait, 0.25 * 2**attempt))
    raise DataError("was not asked for: `tries` is 0")


def _fetch_once(url: str, web: Web, max_bytes: int, schemes: tuple[str, ...]) -> bytes:
    with _deadline(web.timeout_s) as deadline:
        for _ in range(_MOST_REDIRECTS + 1):
            target = _target(url, web, schemes)  # a redirect is checked like the first URL
            with _connected(target, web, deadline) as connection:
                connection.request("GET", target.path, headers=_HEADERS)
                with connection.getresponse() as response:
                    if response.status not in _REDIRECTS:
                        return _body(response, max_bytes)
                    url = urljoin(url, response.getheader("Location") or "")
    raise DataError(f"redirects more than {_MOST_REDIRECTS} times")


# `identity`: the bytes that are counted and stored are then those of the file.
_HEADERS = {"User-Agent": "datagen", "Accept": "*/*", "Accept-Encoding": "identity"}


class _Target(NamedTuple):
    """The parts of a URL; the host as DNS names it, in ASCII and lower case."""

    secure: bool
    host: str
    port: int
    path: str


def _target(url: str, web: Web, schemes: tuple[str, ...]) -> _Target:
    """The parts of a URL. Raises `DataError` if its scheme or host is not allowed."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode().lower(), parts.port
    except (ValueError, UnicodeError) as error:
        raise DataError(f"is no URL: {error}") from error
    if parts.scheme not in schemes or parts.scheme not in WEB_SCHEMES:
        raise DataError(f"leads to the scheme '{parts.scheme:.40}', which is not allowed; `schemes` lists what is")
    if parts.username is not None or not host:
        raise DataError("is no plain URL: it names a user, or no host")
    if not any(_host_matches(host, pattern) for pattern in web.hosts):
        raise DataError(f"the host '{host:.200}' is not allowed; `hosts` lists: {', '.join(web.hosts) or 'none'}")
    secure = parts.scheme == "https"
    return _Target(secure, host, port or (443 if secure else 80), _path(parts))


def _host_matches(host: str, pattern: str) -> bool:
    return pattern in ("*", host) or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _path(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    return f"{path}?{quote(parts.query, safe='/?%:@!$&()*+,;=~[]')}" if parts.query else path


class _Deadline:
    """Shuts the open socket when the time is up.

    A timeout of the socket alone would not end a download whose server sends a byte now and then.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.passed = False
        self._end = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._shut)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, opened: socket.socket) -> None:
        self._socket = opened
        if self.passed:
            self._shut()

    def left(self) -> float:
        return max(self._end - time.monotonic(), 0.01)

    def end(self) -> None:
        self._timer.cancel()
        self._socket = None

    def _shut(self) -> None:
        self.passed = True
        opened = self._socket
        if opened is not None:
            try:
                socket.socket.shutdown(opened, socket.SHUT_RDWR)
            except OSError:
                return  # it is already closed


@contextmanager
def _deadline(seconds: float) -> Iterator[_Deadline]:
    """Turn errors of the connection in the block into `_RetryableError`; its message says if the time was up."""
    deadline = _Deadline(seconds)
    try:
        yield deadline
        if deadline.passed:  # a response that was cut off by the deadline may look complete
            raise _RetryableError(_too_slow(seconds))
    except (DataError, _RetryableError):
        if deadline.passed:
            raise _RetryableError(_too_slow(seconds)) from None
        raise
    except ssl.SSLCertVerificationError as error:
        raise DataError(f"its host's certificate is not trusted: {error.verify_message}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        slow = deadline.passed or isinstance(error, TimeoutError)
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise _RetryableError(_too_slow(seconds) if slow else f"cannot be fetched: {what:.200}") from error
    finally:
        deadline.end()


def _too_slow(seconds: float) -> str:
    return f"took longer than {seconds:g} s, the limit set by `timeout_s`"


@contextmanager
def _connected(target: _Target, web: Web, deadline: _Deadline) -> Iterator[http.client.HTTPConnection]:
    """A connection to one of the host's addresses, all of which were checked.

    The socket is opened here because `http.client` would resolve the name again, perhaps to another address.
    """
    opened = _open(_addresses(target, web), target.port, deadline)
    try:
        deadline.watch(opened)
        connection = http.client.HTTPConnection(target.host, target.port)
        if target.secure:
            opened = _tls().wrap_socket(opened, server_hostname=target.host, do_handshake_on_connect=False)
            deadline.watch(opened)
            opened.do_handshake()
            connection = http.client.HTTPSConnection(target.host, target.port, context=_tls())
        connection.sock = opened
        yield connection
    finally:
        opened.close()


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _addresses(target: _Target, web: Web) -> list[str]:
    """The IP addresses of a host.

    Raises `DataError` if one is inside this machine or network, unless `hosts` names the host without `*`.
    """
    try:
        rows = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise _RetryableError(f"the host '{target.host:.200}' is not found") from error
    found = list(dict.fromkeys(str(row[4][0]) for row in rows))
    inside = [address for address in found if _is_inside(address)]
    if inside and target.host not in web.hosts:
        raise DataError(
            f"the host '{target.host:.200}' is at {inside[0]}, inside this machine or network; "
            "if that is meant, name it in `hosts` without '*'"
        )
    return found


def _is_inside(address: str) -> bool:
    """Whether an IP address is not public. For an IPv4 address inside an IPv6 one, the inner address counts."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    return not ip.is_global or ip.is_multicast


def _open(addresses: list[str], port: int, deadline: _Deadline) -> socket.socket:
    fault: OSError = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=deadline.left())
        except OSError as error:
            fault = error
    raise fault


def _body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """The whole body. Raises `DataError` if it is no file, or too large; `_RetryableError` if it breaks off."""
    _check_status(response)
    wanted = response.length
    if wanted is not None and wanted > max_bytes:
        raise DataError(f"is larger than {max_bytes:,} bytes, the limit set by `max_bytes`")
    data = bytearray()
    while chunk := response.read1(_CHUNK):
        data += chunk
        if len(data) > max_bytes:
            raise DataError(f"is larger than {max_bytes:,} bytes, the limit set by `max_bytes`")
    if wanted is not None and len(data) < wanted:
        raise _RetryableError(f"breaks off after {len(data):,} of {wanted:,} bytes")
    return bytes(data)


def _check_status(response: http.client.HTTPResponse) -> None:
    status = response.status
    if status == HTTPStatus.OK:
        coding = response.getheader("Content-Encoding") or "identity"
        if coding != "identity":
            raise DataError(f"is sent in the coding '{coding:.40}', which was not asked for")
        return
    phrase = next((known.phrase for known in HTTPStatus if known == status), "")
    message = f"the server answers {status} {phrase}".rstrip()
    if status in _RETRYABLE:
        raise _RetryableError(message, retry_after_seconds(response.getheader("Retry-After") or ""))
    raise DataError(message)


def retry_after_seconds(text: str) -> float:
    """The delay in seconds that a `Retry-After` header asks for, as a number or a date; 0 if it is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return 0.0
