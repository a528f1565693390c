"""Text, names and pictures that came with the data, as someone careless or malicious would make them."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from building import PAINT, ledger_rows, toy_config
from commands import call
from picture_files import header, noise, png_of, saved
from PIL import Image as Pillow

import datagen
from datagen import cli
from datagen.imaging.image import Image

HOSTILE = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "front": "MIT\n---\nlicense: evil\nconfigs: []\n---\n",
    "yaml": "!!python/object/apply:os.system ['touch pwned']",
    "shell": "$(touch pwned); `touch pwned` && touch pwned | tee pwned",
    "escape": "\x1b[2J\x1b]0;owned\x07\x9b31m\r\b",
    "turned": "gpj.\u202eexe",
    "link": "[click](javascript:alert(1)) ![x](http://tracker.example/x.png)",
    "bar": "a | b\n| c |\u2028d",
}
"""What a caption, a licence or a credit may hold."""

IDS = [
    "../../x",
    "/etc/passwd",
    "a\0b",
    "x" * 10_000,
    "\u202eevil",
    "a\nb",
    "<b>",
    "C:\\x",
    "-rf",
    ".",
    "..",
    "%2e%2e",
    "CON",
    "é" * 99,
]


def _run(config: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> Any:
    return call("run", config, "--engine", "local", "--out", out, capfd=capfd)


def test_text_of_the_data_runs_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    rows = [
        {"id": name, "uri": f"{name}.png", "caption": text, "license": text, "credit": text, "session": text}
        for name, text in HOSTILE.items()
    ]
    rows += [{**row, "id": f"{row['id']}-bomb", "caption": "bomb"} for row in rows]
    out = tmp_path / "out"
    assert _run(toy_config(tmp_path, [{"use": "blow_up"}, PAINT], rows=rows), out, capfd).code == cli.SOME_FAILED
    for row in rows:
        assert call("show", out, row["id"], capfd=capfd).code == cli.OK
    assert not (tmp_path / "pwned").exists()
    card = (out / "README.md").read_text()
    _, front, body = card.split("---\n", 2)
    result = yaml.safe_load(front)
    assert result["license"] == "other"
    assert [part["config_name"] for part in result["configs"]] == ["default"]
    assert "\n---\n" not in body
    assert "<script" not in card
    assert "](javascript" not in card
    assert not {sign for sign in card if not sign.isprintable()} - {"\n"}
    [found] = [sample.info for sample in datagen.open(str(out)) if sample.key == "script"]
    assert found["license"] == HOSTILE["script"], "in the data itself it stays what it is"


def test_a_thousand_licences_do_not_make_a_card_of_a_thousand_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [{"id": f"r{n}", "uri": "x", "license": f"own {n} {'terms ' * 300}"} for n in range(300)]
    out = tmp_path / "out"
    assert _run(toy_config(tmp_path, [PAINT], rows=rows, slice_size=100), out, capfd).code == cli.OK
    card = (out / "README.md").read_text()
    assert "| 200 others | 200 |" in card
    assert max(map(len, card.splitlines())) < 2000


def test_an_id_is_never_a_path(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": id, "uri": "x.png"} for id in IDS]
    before = {path for path in tmp_path.parent.rglob("*") if "out" not in path.parts}
    out = tmp_path / "a" / "b" / "out"
    assert _run(toy_config(tmp_path, [PAINT], rows=rows), out, capfd).code == cli.OK
    assert sum(row["status"] == "accepted" for row in ledger_rows(out).values()) == len(IDS)
    for shard in (out / "shards").iterdir():
        with tarfile.open(shard) as tar:
            assert all(entry.isreg() and not {"/", "..", "\0"} & {entry.name, *entry.name} for entry in tar)
    after = {path for path in tmp_path.parent.rglob("*") if "out" not in path.parts}
    assert after - before <= {tmp_path / "manifest.jsonl", tmp_path / "toy.yaml", tmp_path / "a", tmp_path / "a" / "b"}
    assert call("verify", out, capfd=capfd).code == cli.OK


SVG = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>alert(1)</script></svg>"
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(pwned) (w) file closefile\n%%EOF\n"
PICTURES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "there is no such file"),
    "empty": (b"", "the file is empty"),
    "text": (b"not a picture at all", "not a picture that can be read"),
    "page": (b"<!doctype html><title>404 Not Found</title>", "not a picture that can be read"),
    "svg": (SVG, "not a picture that can be read"),
    "eps": (EPS, "not a picture that can be read"),
    "cut": (saved(noise(40, 40), "PNG")[:900], "the picture is damaged"),
    "cut jpeg": (saved(noise(40, 40), "JPEG")[:900], "the picture is damaged"),
    "no size": (png_of(header(0, 0), (b"IDAT", b"")), ""),
    "bomb": (png_of(header(50_000, 50_000), (b"IDAT", b"")), "2500000000"),
}


def test_a_picture_that_is_wrong_fails_alone_by_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, (data, _) in PICTURES.items():
        if data is not None:
            (tmp_path / f"{name}.png").write_bytes(data)
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    (tmp_path / "good.png").write_bytes(saved(noise(40, 40), "PNG"))
    names = [*PICTURES, "folder", "pipe", "loop", "good"]
    config = toy_config(
        tmp_path, [{"use": "read_image"}, PAINT], rows=[{"id": name, "uri": f"{name}.png"} for name in names]
    )
    assert _run(config, tmp_path / "out", capfd).code == cli.SOME_FAILED
    ends = ledger_rows(tmp_path / "out")
    assert [id for id, row in ends.items() if row["status"] == "accepted"] == ["good"]
    for name, (_, message) in PICTURES.items():
        assert ends[name]["detail"].startswith(f"{name}.png: ")
        assert message in ends[name]["detail"].replace(",", "").replace("50000x50000", "2500000000")
        assert "Traceback" not in ends[name]["detail"]
    assert "pipe, socket or device" in ends["pipe"]["detail"]
    assert "Traceback" not in ends["folder"]["detail"] + ends["loop"]["detail"]


def test_pictures_that_are_odd_but_sound_are_taken(tmp_path: Path) -> None:
    picture = saved(noise(8, 6), "PNG")
    grey = io.BytesIO()
    sixteen = Pillow.new("I;16", (6, 8))
    sixteen.save(grey, "PNG")
    turned = Pillow.Exif()
    turned[0x0112] = 6
    odd = {
        "16 bit": grey.getvalue(),
        "cmyk": saved(Pillow.new("CMYK", (6, 8)), "JPEG"),
        "turned": saved(noise(6, 8), "JPEG", exif=turned),
        "animated": saved(Pillow.new("P", (6, 8)), "GIF", save_all=True, append_images=[Pillow.new("P", (6, 8), 1)]),
        "with something behind its end": picture + b"<script>" * 99,
    }
    for name, data in odd.items():
        assert Image.decode(data).array.shape == (8, 6, 3), name


LINES = {
    "[]": "a line is one JSON object, this one is a list",
    "{": "not valid JSON",
    '{"id": "a", "uri": ["x"]}': "'uri': input should be a valid string",
    '{"id": "a", "uri": "x", "url": "y"}': "unknown key 'url'; did you mean 'uri'?",
    '{"id": "a", "id": "b", "uri": "x"}': "the key 'id' is there twice",
    '{"id": "a", "uri": "x", "sha256": "abc"}': "'sha256'",
    "[" * 100_000: "nested too deep",
    "\x1b[31m": "not valid JSON",
}


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_that_is_wrong_fails_alone_with_its_number(
    tmp_path: Path, number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    line, message = list(LINES.items())[number]
    good = json.dumps({"id": "good", "uri": "x"})
    out = tmp_path / "out"
    assert _run(toy_config(tmp_path, [PAINT], rows=[good, line]), out, capfd).code == cli.SOME_FAILED
    ends = ledger_rows(out)
    assert ends.pop("good")["status"] == "accepted"
    [(id, row)] = ends.items()
    assert f"manifest.jsonl:2: {message}" in row["detail"] or message in row["detail"]
    assert call("show", out, id, capfd=capfd).code == cli.OK
