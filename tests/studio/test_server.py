"""Attacks on the server: refused with a reason, and the server goes on."""

import asyncio
import http.client
import io
import json
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studios import gray_picture
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from recolor_torch.studio.guard import Address
from recolor_torch.studio.library import LARGEST_UPLOAD
from recolor_torch.studio.server import MOST_SOCKETS, bind

STROKE = {"points": [[20, 20], [60, 24]], "radius": 3, "color": "#b03020"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("server")
    (folder / "scans").mkdir()
    gray_picture(160, 120).save(folder / "scans" / "a.png")
    (folder / "scans" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    (folder / "secret.txt").write_text("secret")
    gray_picture(50, 50).save(folder / "secret.png")
    (folder / "scans" / "way.png").symlink_to(folder / "secret.png")
    gray_picture(160, 120).save(folder / "scans" / "z.png")
    return folder


@pytest.fixture(scope="module")
def studio(start, folder):
    return start(["scans", "-o", "out"], folder)


def ask(studio, path, method="GET", body=None, **headers):
    """Status, headers and body of an answer; ``path`` is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=60)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    named = {"Host": f"127.0.0.1:{studio.port}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    if body is not None:
        named.setdefault("Content-Length", str(len(body)))
    for name, value in named.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, answer.headers, data


def inside(studio, path=""):
    return f"/{studio.url.split('/')[3]}/{path}"


def alive(studio) -> bool:
    return studio.process.poll() is None and ask(studio, inside(studio, "api/desk"))[0] == 200


def test_the_page_comes_sealed(studio):
    status, headers, data = ask(studio, inside(studio))
    assert status == 200
    assert b"main.js" in data
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    # Nothing of the page comes from anywhere else.
    page = Path(__file__).parents[2] / "recolor_torch" / "studio" / "page"
    for file in page.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text


@pytest.mark.parametrize(
    "path", ["/", "/x", "/wrong/", "/{t}x/", "/{short}/", "//{t}/", "/api/desk", "/%00", "/wrong/socket/0"]
)
def test_without_the_token_nothing_is_answered(studio, path):
    token = studio.url.split("/")[3]
    status, headers, data = ask(studio, path.format(t=token, short=token[:-1]))
    assert status == 403
    assert b"token" in data
    assert token.encode() not in data
    assert "content-security-policy" in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{p}", "127.0.0.1", "127.0.0.1:1", "localhost.evil:{p}", None]
)
def test_a_foreign_host_is_refused(studio, host):
    named = host.format(p=studio.port) if host else None
    assert ask(studio, inside(studio), Host=named)[0] in (400, 403)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:{p}", "http://127.0.0.1", "http://localhost:{p}"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_is_refused(studio, origin, method):
    where = inside(studio, "api/desk" if method == "GET" else "api/stop")
    assert ask(studio, where, method, b"{}", Origin=origin.format(p=studio.port))[0] == 403


def test_a_post_without_an_origin_is_refused_and_with_its_own_is_not(studio):
    assert ask(studio, inside(studio, "api/stop"), "POST", b"{}")[0] == 403
    assert ask(studio, inside(studio, "api/stop"), "POST", b"{}", Origin=studio.origin)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "page/../server.py", "page/%2e%2e/server.py", "page/..%2fserver.py", "page/%2fetc%2fpasswd", "page//etc/passwd",
        "page/..%5cserver.py", "../secret.txt", "..%2fsecret.txt", "api/reference/..%2f..%2fsecret.png",
        "api/reference/%2fetc%2fpasswd", "api/picture/9/thumb", "api/picture/-1/thumb", "api/picture/..%2fx/thumb",
        "api/picture/0/tile/9/9", "api/picture/0/tile/0/-1", "api/picture/0/proposal/99", "page/index.html%00.js",
        "api/picture/99999999999999999999/original",
    ],
)  # fmt: skip
def test_no_path_leads_out(studio, path):
    status, _, data = ask(studio, inside(studio, path))
    assert status in (403, 404)
    assert b"secret" not in data
    assert b"root:" not in data


def test_a_link_out_of_the_folder_is_not_on_the_desk(studio):
    names = [p["name"] for p in json.loads(ask(studio, inside(studio, "api/desk"))[2])["pictures"]]
    assert names == ["a.png", "broken.png", "z.png"]


def test_a_damaged_picture_is_one_sentence(studio):
    status, _, data = ask(studio, inside(studio, "api/picture/1/original"))
    assert status == 400
    assert "broken.png" in json.loads(data)["error"]


def upload(studio, data, name="x.png", **headers):
    return ask(studio, inside(studio, f"api/reference?name={name}"), "POST", data, Origin=studio.origin, **headers)


def test_uploads_are_limited(studio):
    before = studio.memory()
    status, _, data = upload(studio, None, Content_Length=str(2 * 2**30))
    assert status == 413
    assert "64 MB" in json.loads(data)["error"]
    with suppress(ConnectionError):  # the server may hang up before it is told everything
        assert upload(studio, b"0" * (LARGEST_UPLOAD + 1))[0] == 413
    assert studio.memory() - before < 200e6
    assert alive(studio)


def test_an_upload_in_chunks_without_a_length_ends_at_the_limit(studio):
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=60)
    chunk = b"0" * 2**20
    headers = {"Origin": studio.origin, "Transfer-Encoding": "chunked"}
    before = studio.memory()
    sent = 0

    def chunks():
        nonlocal sent
        for _ in range(2048):
            sent += len(chunk)
            yield chunk

    try:
        connection.request("POST", inside(studio, "api/reference"), chunks(), headers, encode_chunked=True)
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # the server has hung up, as it may
    connection.close()
    assert sent < 2 * 2**30
    assert studio.memory() - before < 400e6
    assert alive(studio)


def bomb(side=60_000) -> bytes:
    """A PNG of a few kilobytes that says it is 3.6 gigapixels."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(bytes(10**7))) + part(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data", [b"", b"not a picture", bomb(), b"\xff\xd8\xff" + b"0" * 999], ids=["empty", "text", "bomb", "cut"]
)
def test_what_is_no_picture_is_refused(studio, data):
    before = studio.memory()
    status, _, answer = upload(studio, data)
    assert status == 400
    reason = json.loads(answer)["error"]
    assert "/" not in reason  # no path of the machine
    assert studio.memory() - before < 100e6
    assert alive(studio)


def test_the_name_of_an_upload_is_only_shown(studio):
    file = io.BytesIO()
    Image.fromarray(np.full((20, 30, 3), 90, np.uint8)).save(file, "PNG")
    status, _, answer = upload(studio, file.getvalue(), "..%2F..%2Fetc%2Fpasswd.png")
    reference = json.loads(answer)["reference"]
    assert status == 200
    assert reference["name"] == "passwd.png"
    assert ask(studio, inside(studio, f"api/reference/{reference['key']}"))[0] == 200


def test_commands_take_no_paths(studio):
    for body in (b"", b"[", b"[]", b'{"recipe": {"kind": "reference", "references": ["/etc/passwd"]}}', b"x" * 70_000):
        status, _, data = ask(studio, inside(studio, "api/picture/0/command"), "POST", body, Origin=studio.origin)
        assert status in (200, 400, 404)
        assert status == 200 or "error" in json.loads(data)
    assert alive(studio)


# ---- sockets


def alone(work):
    """Run a coroutine in a thread of its own: a browser test before may have left a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def socket(studio, index=0, origin=None, path=None):
    url = "ws" + studio.origin.removeprefix("http") + (path or inside(studio, f"socket/{index}"))
    return connect(url, origin=(studio.origin if origin is None else origin) or None, max_size=None)


async def refused(opening) -> bool:
    """Whether a socket is turned away."""
    try:
        async with opening as ws:
            await ws.recv()
    except (InvalidStatus, ConnectionClosed):
        return True
    return False


async def hello(ws):
    message = json.loads(await asyncio.wait_for(ws.recv(), 60))
    assert message["type"] == "hello"
    return message


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_a_socket_of_another_page_is_refused(studio, origin):
    async def run():
        assert await refused(socket(studio, origin=origin))

    alone(run())
    assert alive(studio)


def test_a_socket_without_the_token_is_refused(studio):
    async def run():
        assert await refused(socket(studio, path="/wrong/socket/0"))

    alone(run())


def test_of_fifty_sockets_the_last_are_turned_away_with_a_reason(studio):
    async def run():  # the picture is read for the first time: those that wait for it count too
        sockets = await asyncio.gather(*[socket(studio, 2).__aenter__() for _ in range(50)])
        firsts = await asyncio.gather(*[asyncio.wait_for(s.recv(), 90) for s in sockets], return_exceptions=True)
        turned = [f for f in firsts if isinstance(f, ConnectionClosed)]
        assert sum(isinstance(f, str) for f in firsts) == MOST_SOCKETS
        assert len(turned) == 50 - MOST_SOCKETS
        assert all(f.rcvd.code == 1013 and "pages" in f.rcvd.reason for f in turned)
        await asyncio.gather(*[s.close() for s in sockets], return_exceptions=True)

    alone(run())
    assert alive(studio)


def test_malformed_messages_are_answered_with_a_sentence_and_the_picture_goes_on(studio):
    generator = np.random.default_rng(0)
    good = json.dumps({"type": "paint", "seq": 1, "moving": False, "marks": {"size": [160, 120], "strokes": [STROKE]}})
    bad = [
        "",
        "{",
        "null",
        "[]",
        '{"type": 1}',
        '{"type": "paint"}',
        "[" * 50_000,
        b"\x00\x01",
        good.replace("160", "1"),
    ]
    for _ in range(150):
        data = bytearray(good.encode())
        for at in generator.integers(0, len(data), 3):
            data[at] = generator.integers(32, 127)
        bad.append(data.decode())

    async def run():
        async with socket(studio) as ws:
            await hello(ws)
            for message in bad:
                await ws.send(message)
            await ws.send(good.replace('"seq": 1', '"seq": 777'))
            errors = 0
            while True:
                answer = await asyncio.wait_for(ws.recv(), 60)
                if isinstance(answer, bytes):
                    length = struct.unpack_from("<I", answer)[0]
                    header = json.loads(answer[4 : 4 + length])
                    if header["seq"] == 777 and header["final"]:
                        break
                else:
                    errors += json.loads(answer)["type"] == "error"
            assert errors > 5

    before = studio.memory()
    alone(run())
    assert studio.memory() - before < 300e6
    assert alive(studio)


def test_a_flood_of_strokes_is_answered_with_the_newest(studio):
    async def run():
        async with socket(studio) as ws:
            await hello(ws)
            for seq in range(1, 401):
                moved = {**STROKE, "points": [[20, 20], [20 + seq % 100, 24]]}
                marks = {"size": [160, 120], "strokes": [moved]}
                await ws.send(json.dumps({"type": "paint", "seq": seq, "moving": seq < 400, "marks": marks}))
            frames, header = 0, {}
            while not (header.get("seq") == 400 and header["final"]):
                answer = await asyncio.wait_for(ws.recv(), 60)
                if isinstance(answer, bytes):
                    frames += 1
                    header = json.loads(answer[4 : 4 + struct.unpack_from("<I", answer)[0]])
            assert frames < 200  # stale ones were not solved

    before = studio.memory()
    alone(run())
    assert studio.memory() - before < 100e6


def test_a_message_that_is_too_long_closes_its_socket_alone(studio):
    async def run():
        async with socket(studio) as ws:
            await hello(ws)
            await ws.send("x" * (17 * 2**20))
            await asyncio.wait_for(ws.wait_closed(), 60)
            assert ws.protocol.close_code == 1009

    alone(run())
    assert alive(studio)


def test_a_socket_for_a_damaged_picture_says_why(studio):
    async def run():
        async with socket(studio, 1) as ws:
            message = json.loads(await ws.recv())
            assert message["type"] == "refused"
            assert "broken.png" in message["text"]

    alone(run())


def test_names_that_are_ours():
    local = Address("127.0.0.1", 8080)
    assert local.is_local
    assert local.allows("127.0.0.1:8080")
    assert local.allows("localhost:8080")
    assert not local.allows("192.168.1.5:8080")
    assert not local.allows("evil.example:8080")
    open_to_all = Address("0.0.0.0", 8080)
    assert not open_to_all.is_local
    assert open_to_all.allows("192.168.1.5:8080")
    assert not open_to_all.allows("evil.example:8080")
    assert len({Address("127.0.0.1", 1).token for _ in range(50)}) == 50


def test_a_taken_port_is_one_sentence():
    from recolor_torch.errors import UsageError

    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(UsageError, match="Cannot listen on 127"):
            bind("127.0.0.1", taken.getsockname()[1])


def test_another_host_is_warned_of(start, folder):
    running = start(["scans/a.png", "--host", "0.0.0.0"], folder)
    assert "whoever can reach this machine" in running.output()
    assert running.stop() in (0, 130)
    assert "Traceback" not in running.output()


def test_nothing_went_wrong_inside(studio):
    assert "Traceback" not in studio.output()
    assert os.path.exists(f"/proc/{studio.process.pid}") or os.name != "posix"
