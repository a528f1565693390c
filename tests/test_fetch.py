"""Fetching: parts of files by their addresses; from the web only what is allowed, and never for ever."""

from __future__ import annotations

import datetime
import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from foreign import PNG, write_tar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rings import example_count
from web_server import Server, serving

from datagen.core.errors import DataError, SetupError
from datagen.core.record import Record
from datagen.core.stage import Failed
from datagen.fetch import SCHEMES, Web, check_host, http_cache, read_file, resolved, web
from datagen.fetch.addresses import cell_address, parse_part, range_address
from datagen.pipeline.validation_errors import explain
from stages.read_image import ReadImage

LOCAL = Web(hosts=("127.0.0.1",), timeout_s=5, tries=2)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is kept in the user's own cache."""
    monkeypatch.setenv(http_cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return tmp_path / "cache"


def read(uri: str, *, base: str = "", allowed: Web = LOCAL, most: int = 10**6, sha256: str = "") -> bytes:
    schemes = (*SCHEMES, "http", "https")
    return read_file(uri, base=base, schemes=schemes, max_bytes=most, web=allowed, sha256=sha256)


def fault(uri: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(uri, **options)
    return str(caught.value)


# Parts of files


def test_bytes_in_a_tar(tmp_path: Path) -> None:
    data = write_tar(tmp_path / "a.tar", {"x.txt": b"hello", "y.txt": b"world"}).read_bytes()
    where = data.index(b"world")
    for address in (f"{tmp_path}/a.tar", f"file://{tmp_path}/a.tar"):
        assert read(range_address(address, offset=where, size=5)) == b"world"
    assert read(f"tar://{where}+5/a.tar", base=f"{tmp_path}/") == b"world"
    assert read("tar://0+0/a.tar", base=f"{tmp_path}/") == b""
    fsspec.filesystem("memory").pipe("/t/a.tar", data)
    assert read(f"tar://{where}+5/memory://t/a.tar") == b"world"
    error = fault(f"tar://{len(data) - 2}+5/a.tar", base=f"{tmp_path}/")
    assert error.endswith("has 2 of the 5 bytes from byte 10238 on; it was cut or replaced")
    assert (
        fault("tar://0+11/a.tar", base=f"{tmp_path}/", most=10)
        == "is larger than 10 bytes, the limit set by `max_bytes`"
    )


@pytest.fixture(params=["parquet", "arrow", "arrow file"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """Scheme and path of a table of 25 rows, ten in a group."""
    column = pa.array(
        [{"bytes": b"p%d" % n, "path": f"{n}.png"} for n in range(24)] + [{"bytes": None, "path": "z.png"}]
    )
    plain = pa.array([b"b%d" % n for n in range(25)])
    made = pa.table({"image": column, "a/b.c": plain, "none": pa.nulls(25), "number": list(range(25))})
    path = tmp_path / "t"
    if request.param == "parquet":
        pq.write_table(made, path, row_group_size=10)
        return "parquet", str(path)
    new = pa.ipc.new_stream if request.param == "arrow" else pa.ipc.new_file
    with new(str(path), made.schema) as writer:
        writer.write_table(made, max_chunksize=10)
    return "arrow", str(path)


@settings(max_examples=example_count(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.integers(0, 23), max_size=12))
def test_cells_of_tables_in_any_order(table: tuple[str, str], rows: list[int]) -> None:
    scheme, path = table
    for row in rows:
        assert read(cell_address(path, scheme=scheme, row=row, column="image")) == b"p%d" % row
        assert read(cell_address(path, scheme=scheme, row=row, column="a/b.c")) == b"b%d" % row


def test_a_cell_without_a_picture_says_what_it_holds(table: tuple[str, str]) -> None:
    scheme, path = table
    cells = {
        (24, "image"): "row 24, column 'image' holds only a file's name, z.png; store the pictures themselves",
        (3, "none"): "row 3, column 'none' holds NoneType, not the bytes of a picture",
        (3, "number"): "row 3, column 'number' holds int, not the bytes of a picture",
        (25, "image"): "has 25 rows, number 25 was asked for (the first is 0)",
    }
    for (row, column), found in cells.items():
        assert fault(cell_address(path, scheme=scheme, row=row, column=column)) == found
    assert fault(cell_address(path, scheme=scheme, row=0, column="imagf")).startswith(
        f"cannot be read as {scheme.title()}: "
    )
    assert read(cell_address(path, scheme=scheme, row=1, column="image")) == b"p1"


def test_a_table_in_a_bucket(table: tuple[str, str]) -> None:
    scheme, path = table
    fsspec.filesystem("memory").pipe("/t/table", Path(path).read_bytes())
    assert read(cell_address("memory://t/table", scheme=scheme, row=21, column="image")) == b"p21"


@settings(max_examples=example_count(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 2**16), byte=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_table_fails_its_record(table: tuple[str, str], at: int, byte: int, cut: bool) -> None:
    scheme, path = table
    data = bytearray(Path(path).read_bytes())
    at %= len(data)
    data[at] ^= byte
    damaged = Path(f"{path}.{at}.{byte}")
    damaged.write_bytes(data[:at] if cut else data)
    for row in (0, 12, 23):
        with suppress(DataError):
            assert isinstance(read(cell_address(str(damaged), scheme=scheme, row=row, column="image")), bytes)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("tar://x", "write it as tar://OFFSET+SIZE/ADDRESS"),
        ("tar://-1+5/a.tar", "write it as tar://OFFSET+SIZE/ADDRESS"),
        ("tar://1+5", "write it as tar://OFFSET+SIZE/ADDRESS"),
        ("tar://1+999999999999999999999/a.tar", "write it as tar://OFFSET+SIZE/ADDRESS"),
        ("parquet://1/image", "write it as parquet://ROW/COLUMN/ADDRESS"),
        ("arrow://1//a", "write it as arrow://ROW/COLUMN/ADDRESS"),
        ("tar://1+5/tar://1+5/a.tar", "a part of a part of a file is not read"),
        ("tar://1+5/ftp://127.0.0.1/a.tar", "the scheme 'ftp' is not allowed"),
        ("tar://1+5/http://127.0.0.1/a.tar", "a part of a file on the web is not read; download the file first"),
        ("parquet://1/x/nowhere.parquet", "there is no such file"),
        ("tar://0+5//dev/zero", "is not a regular file but a pipe, socket or device"),
    ],
)
def test_an_address_of_a_part_that_is_none(uri: str, expected: str) -> None:
    assert fault(uri).startswith(expected)


@given(
    st.integers(0, 10**17),
    st.text(min_size=1, max_size=20).filter(lambda t: not set(t) & set("\ud800")),
    st.text("ab/.+ :", min_size=1),
)
def test_addresses_of_parts_are_read_as_they_are_written(row: int, column: str, address: str) -> None:
    if "://" in address:
        return
    column = column.encode("utf-8", "replace").decode()
    part = parse_part(cell_address(address, scheme="parquet", row=row, column=column))
    assert (part.first, part.second, part.address) == (row, column, address)
    inside = resolved(range_address(address, offset=row, size=7), "s3://b/f/")
    assert parse_part(inside).address == resolved(address, "s3://b/f/")


# The web


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as served:
        yield served


def test_a_url_is_fetched_once_and_kept(server: Server, own_cache: Path) -> None:
    url = server.give("/a.png?size=2&b=%20c", 200, PNG)
    assert [read(url), read(url)] == [PNG, PNG]
    assert server.requests == ["/a.png?size=2&b=%20c"]
    [file] = [path for path in own_cache.rglob("*") if path.is_file()]
    file.write_bytes(file.read_bytes()[:-1])
    assert read(url) == PNG
    assert len(server.requests) == 2


def test_a_kept_file_with_another_checksum_is_fetched_anew(server: Server) -> None:
    url = server.give("/a.png", 200, b"old")
    read(url)
    server.give("/a.png", 200, b"new")
    assert read(url) == b"old"
    assert read(url, sha256=hashlib.sha256(b"new").hexdigest()) == b"new"
    assert read(url) == b"new"
    read(url, sha256="0" * 64)  # the caller says that it does not fit; what was kept stays
    assert server.requests == ["/a.png"] * 3


def test_nothing_is_kept_where_the_cache_is_turned_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(http_cache.VARIABLE, "")
    url = server.give("/a.png", 200, PNG)
    read(url), read(url)
    assert len(server.requests) == 2


def test_a_cache_that_cannot_be_written_stops_the_run(server: Server, own_cache: Path) -> None:
    own_cache.write_text("a file")
    with pytest.raises(SetupError, match="set DATAGEN_CACHE to a folder that can, or to nothing to keep nothing"):
        read(server.give("/a.png", 200, PNG))


def test_what_is_no_picture_is_asked_for_again(server: Server) -> None:
    url = server.give("/a.png", 200, b"<html>come back later</html>")
    stage = ReadImage(ReadImage.Config(schemes=("http",), hosts=("127.0.0.1",)))
    record = Record("a", {"uri": url, "base": "", "sha256": ""})
    assert isinstance(stage.process([record])[0], Failed)
    server.give("/a.png", 200, PNG)
    assert not isinstance(stage.process([record])[0], Failed)


def test_a_batch_is_fetched_side_by_side(server: Server) -> None:
    together = threading.Barrier(4)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        together.wait(5)  # breaks, and with it the answer, unless all are asked for at once
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PNG) + PNG)

    stage = ReadImage(ReadImage.Config(schemes=("http",), hosts=("127.0.0.1",), tries=1))
    urls = [server.do(f"/{n}.png", answer) for n in range(4)]
    answers = stage.process([Record(url, {"uri": url, "base": "", "sha256": ""}) for url in urls])
    assert not any(isinstance(answer, Failed) for answer in answers)


def test_redirects_are_followed_where_they_are_allowed(server: Server) -> None:
    server.give("/b.png", 200, PNG)
    assert read(server.give("/a.png", 302, Location="/b.png")) == PNG
    away = server.give("/away", 301, Location="http://elsewhere.invalid/x.png")
    assert fault(away) == "the host 'elsewhere.invalid' is not allowed; `hosts` lists: 127.0.0.1"
    assert fault(server.give("/file", 302, Location="file:///etc/passwd")).startswith("leads to the scheme 'file'")
    assert fault(server.give("/round", 302, Location="/round")) == "redirects more than 5 times"
    assert fault(server.give("/none", 302)) == "redirects more than 5 times"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, status: int) -> None:
    url = server.give("/a.png", status, Retry_After="1")

    def then(handler: BaseHTTPRequestHandler) -> None:
        server.give("/a.png", 200, PNG)
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    assert fault(url).startswith(f"the server answers {status} ")
    assert fault(url).endswith(" (2 tries)")
    assert len(server.requests) == 4
    assert read(server.do("/a.png", then)) == PNG


def test_how_long_a_server_may_put_us_off(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    fault(server.give("/a.png", 429, Retry_After="7"))
    assert waits == [7]
    assert fault(server.give("/b.png", 429, Retry_After="3600")).endswith("it asks to come back in 3,600 s")
    fault(server.give("/c.png", 429, Retry_After="soon"))
    fault(server.give("/d.png", 503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"))
    assert waits == [7, 0.5, 0.5]


@pytest.mark.parametrize("status", [400, 403, 404, 410, 204, 206, 418, 599])
def test_any_other_answer_is_told_and_not_asked_for_again(server: Server, status: int) -> None:
    assert fault(server.give("/a.png", status)).startswith(f"the server answers {status}")
    assert len(server.requests) == 1


def test_a_file_that_is_too_large_is_not_read_to_its_end(server: Server) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.stopping.is_set():
            handler.wfile.write(bytes(1000))

    for url in (server.give("/said", 200, bytes(5000)), server.do("/unsaid", endless)):
        assert fault(url, most=4999) == "is larger than 4,999 bytes, the limit set by `max_bytes`"
    assert read(server.give("/fits", 200, bytes(5000)), most=5000) == bytes(5000)


def slow(server: Server, *parts: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """Sends something, and then a byte now and then, for ever."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        for part in parts:
            handler.wfile.write(part)
        while not server.stopping.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    return answer


@pytest.mark.parametrize(
    "parts",
    [(), (b"HTTP/1.1 200 OK\r\nX-Y: ",), (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",)],
    ids=["status", "header", "body"],
)
def test_a_server_that_drips_is_cut_off(server: Server, parts: tuple[bytes, ...]) -> None:
    begun = time.monotonic()
    error = fault(server.do("/a.png", slow(server, *parts)), allowed=LOCAL._replace(timeout_s=0.3, tries=1))
    assert error == "took longer than 0.3 s, the limit set by `timeout_s`"
    assert time.monotonic() - begun < 3


def test_a_server_that_hangs_is_left(server: Server) -> None:
    url = server.do("/a.png", lambda handler: server.stopping.wait(10) and None)
    assert fault(url, allowed=LOCAL._replace(timeout_s=0.2, tries=1)).startswith("took longer than 0.2 s")


def test_a_file_that_breaks_off_is_not_taken(server: Server, own_cache: Path) -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + bytes(100))

    def chunks(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + bytes(50))

    assert fault(server.do("/a.png", cut)) == "breaks off after 100 of 500 bytes (2 tries)"
    assert fault(server.do("/b.png", chunks)).startswith("cannot be fetched: ")
    assert not own_cache.exists()


def test_what_is_no_http_is_told(server: Server) -> None:
    url = server.do("/a.png", lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n") and None)
    assert fault(url).startswith("cannot be fetched: SSH-2.0")
    packed = server.give("/b.png", 200, b"x", Content_Encoding="gzip")
    assert fault(packed) == "is sent in the coding 'gzip', which was not asked for"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert fault(f"http://127.0.0.1:{port}/x") == "cannot be fetched: Connection refused (2 tries)"
    assert "cannot be fetched" in fault(server.address.replace("http", "https"))


@pytest.mark.parametrize("url", ["http://127.0.0.1/x", "http://localhost/x", "http://[::1]/x", "http://2130706433/x"])
def test_inside_the_network_only_a_host_that_is_named_is_asked(url: str) -> None:
    error = fault(url, allowed=Web(hosts=("*",), tries=1))
    assert "inside this machine or network; if that is meant, name it in `hosts` without '*'" in error


def test_a_name_that_leads_inside_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [
        "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "127.0.0.2", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "2002:0a00:0001::",
    ]  # fmt: skip
    for address in inside:
        rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in ("93.184.216.34", address)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, rows=rows, **__: rows)
        error = fault("http://pictures.example.org/x", allowed=Web(hosts=("*.example.org",), tries=1))
        assert error.startswith(f"the host 'pictures.example.org' is at {address}, inside this machine or network")
    assert not web._is_inside("93.184.216.34")
    assert not web._is_inside("2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    ("host", "hosts", "allowed"),
    [
        ("a.example.org", ("*.example.org",), True),
        ("a.b.example.org", ("*.example.org",), True),
        ("example.org", ("*.example.org",), False),
        ("badexample.org", ("*.example.org",), False),
        ("example.org.evil.com", ("*.example.org", "example.org"), False),
        ("EXAMPLE.org", ("example.org",), True),
        ("bücher.example", ("xn--bcher-kva.example",), True),
        ("x.com", ("*",), True),
        ("x.com", (), False),
    ],
)
def test_which_hosts_are_allowed(
    host: str, hosts: tuple[str, ...], allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    error = fault(f"http://{host}/x", allowed=Web(hosts=hosts, tries=1))
    assert ("is not found" in error) == allowed
    assert ("is not allowed; `hosts` lists" in error) != allowed


@pytest.mark.parametrize(
    "url", ["http://", "http://user:secret@127.0.0.1/x", "http://127.0.0.1:99999/x", "http://[::1/x", "http://a..b/x"]
)
def test_what_is_no_plain_url(url: str) -> None:
    error = fault(url)
    assert "is no plain URL" in error or "is no URL" in error or "is not allowed" in error
    assert "secret" not in error


@pytest.mark.parametrize("url", ["http://127.0.0.1/a b\r\nX: y", "http://127.0.0.1/\x00é?q=\n"])
def test_no_text_of_a_url_becomes_a_header(server: Server, url: str) -> None:
    fault(url.replace("http://127.0.0.1", server.address))
    assert server.headers == [["Accept", "Accept-Encoding", "Host", "User-Agent"]] * len(server.requests)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for `localhost` that nobody trusts, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "certificate.pem"
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(*plain))
    return path


def test_certificates_are_checked(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    here = Web(hosts=("localhost", "127.0.0.1"), tries=1)
    with serving(tls=tls) as server:
        url = server.give("/a.png", 200, PNG)
        assert fault(url, allowed=here).startswith("its host's certificate is not trusted: self-signed certificate")
        monkeypatch.setattr(web, "_tls", lambda: ssl.create_default_context(cafile=str(certificate)))
        assert read(url, allowed=here) == PNG
        error = fault(url.replace("localhost", "127.0.0.1"), allowed=here)
        assert error.startswith("its host's certificate is not trusted: IP address mismatch")


# What a config may say


def message(**options: Any) -> str:
    import pydantic

    from datagen.pipeline.yaml_file import Located

    with pytest.raises(pydantic.ValidationError) as caught:
        ReadImage.Config(**options)
    return explain(caught.value, ReadImage.Config, Located(options, {(): "x.yaml:3"}), ())[0]


def test_a_config_that_allows_the_web_has_to_name_hosts() -> None:
    error = message(schemes=["file", "https"])
    assert "`schemes` allows https; say from where, such as hosts: [example.org]" in error
    assert "`schemes` allows neither http nor https; add one" in message(hosts=["example.org"])
    for wrong in ("http://example.org", "exa mple.org", "*.*.org", "", "a/b"):
        assert "is no host; write images.example.org, *.example.org or *" in message(schemes=["http"], hosts=[wrong])
    assert check_host("IMAGES.example.ORG") == "images.example.org"
    assert ReadImage.Config(schemes=("https",), hosts=("*", "::1", "localhost", "*.a.b")).hosts
