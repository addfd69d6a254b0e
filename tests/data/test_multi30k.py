"""Fetching files: whole or not at all, with an error that says what to do. And Multi30k itself."""

import gzip
import hashlib
import inspect
import os
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tfedu.data import download, multi30k
from tfedu.data.download import DataError, fetch

GOOD = b"a line\n" * 1000
SHA = hashlib.sha256(GOOD).hexdigest()
NAME = "set/file.txt"


class Server(BaseHTTPRequestHandler):
    """Serves /good and /wrong bytes; breaks off in the middle of /broken; /flaky breaks off once."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        breaks = self.path == "/broken" or (self.path == "/flaky" and self.asked.count("/flaky") == 1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(GOOD)))
        self.end_headers()
        body = GOOD.replace(b"line", b"lie.") if self.path == "/wrong" else GOOD
        self.wfile.write(body[: len(body) // 2] if breaks else body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no TFEDU_DATA, no proxy, and no waiting between attempts."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("TFEDU_DATA", raising=False)
    monkeypatch.setenv("TFEDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return tmp_path / "cache"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_download_is_made_once(server: str, cache: Path) -> None:
    path = fetch(NAME, f"{server}/good", SHA)
    assert path == cache / NAME
    assert path.read_bytes() == GOOD
    assert fetch(NAME, f"{server}/good", SHA) == path
    assert Server.asked == ["/good"]
    assert files(cache) == [NAME]


def test_a_download_that_breaks_off_leaves_nothing(server: str, cache: Path) -> None:
    with pytest.raises(DataError, match="broke off") as caught:
        fetch(NAME, f"{server}/broken", SHA)
    assert files(cache) == []
    assert Server.asked == ["/broken"] * (1 + download.RETRIES)
    for needed in (f"{server}/broken", "TFEDU_DATA", str(cache / NAME)):
        assert needed in str(caught.value)


def test_a_download_that_breaks_off_once_is_tried_again(server: str, cache: Path) -> None:
    assert fetch(NAME, f"{server}/flaky", SHA).read_bytes() == GOOD
    assert files(cache) == [NAME]


def test_wrong_bytes_are_not_kept(server: str, cache: Path) -> None:
    actual = hashlib.sha256(GOOD.replace(b"line", b"lie.")).hexdigest()
    with pytest.raises(DataError, match="damaged or has changed") as caught:
        fetch(NAME, f"{server}/wrong", SHA)
    assert files(cache) == []
    assert SHA in str(caught.value)
    assert actual in str(caught.value)


def test_a_refusal_says_so(server: str, cache: Path) -> None:
    with pytest.raises(DataError, match=r"server refused .*404"):
        fetch(NAME, f"{server}/missing", SHA)
    assert files(cache) == []


def test_offline_says_so(cache: Path) -> None:
    with socket.socket() as free:  # a port where nobody listens
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(DataError, match="Go online") as caught:
            fetch(NAME, f"http://127.0.0.1:{port}/good", SHA)
    assert "TFEDU_DATA" in str(caught.value)
    assert files(cache) == []


def test_a_damaged_file_in_the_cache_is_healed_or_named(server: str, cache: Path) -> None:
    (cache / "set").mkdir(parents=True)
    (cache / NAME).write_bytes(GOOD[:-1])
    with pytest.raises(DataError, match="is there but damaged"):
        fetch(NAME, f"{server}/broken", SHA)
    assert (cache / NAME).read_bytes() == GOOD[:-1]  # not ours to delete
    assert fetch(NAME, f"{server}/good", SHA).read_bytes() == GOOD


def test_a_folder_that_holds_the_file_is_used_as_it_is(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "held" / "set").mkdir(parents=True)
    (tmp_path / "held" / NAME).write_bytes(GOOD)
    monkeypatch.setenv("TFEDU_DATA", str(tmp_path / "held"))
    assert fetch(NAME, "http://127.0.0.1:9/nobody", SHA) == tmp_path / "held" / NAME
    assert not cache.exists()
    monkeypatch.setenv("TFEDU_DATA", "/elsewhere")
    assert fetch(NAME, "http://127.0.0.1:9/nobody", SHA, tmp_path / "held") == tmp_path / "held" / NAME


def test_a_damaged_file_in_the_folder_is_an_error(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / NAME).write_bytes(GOOD[:-1])
    monkeypatch.setenv("TFEDU_DATA", str(tmp_path))
    with pytest.raises(DataError, match="is damaged") as caught:
        fetch(NAME, "http://host/file.txt", SHA)
    actual = hashlib.sha256(GOOD[:-1]).hexdigest()
    for needed in (str(tmp_path / NAME), SHA, actual, "http://host/file.txt", "Replace it"):
        assert needed in str(caught.value)


@pytest.mark.parametrize("there", [True, False])
def test_a_file_missing_from_the_folder_is_an_error(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    if there:
        (tmp_path / "set").mkdir()
    monkeypatch.setenv("TFEDU_DATA", str(tmp_path))
    with pytest.raises(DataError, match="is missing") as caught:
        fetch(NAME, "http://host/file.txt", SHA)
    assert ("does not exist" in str(caught.value)) is not there
    for needed in ("TFEDU_DATA", "http://host/file.txt", str(tmp_path / NAME)):
        assert needed in str(caught.value)


def test_a_cache_that_cannot_be_written_is_an_error(
    server: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_file").write_text("in the way")
    monkeypatch.setenv("TFEDU_CACHE", str(tmp_path / "a_file" / "cache"))
    with pytest.raises(DataError, match=r"cannot be written .*: set TFEDU_CACHE"):
        fetch(NAME, f"{server}/good", SHA)


def test_without_pooch_the_error_names_the_extra(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tfedu\[data\]'"):
        fetch(NAME, "http://host/file.txt", SHA)


# Multi30k


def small_multi30k(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: dict[str, list[str]]) -> None:
    (folder / "multi30k").mkdir()
    for language, text in lines.items():
        file = f"val.{language}.gz"
        packed = gzip.compress(("\n".join(text) + "\n").encode())
        (folder / "multi30k" / file).write_bytes(packed)
        monkeypatch.setitem(multi30k.SHA256, file, hashlib.sha256(packed).hexdigest())


def test_lines_pair_up_whatever_characters_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(multi30k.LINES, "val", 2)
    # U+2028 and form feed end a line for str.splitlines, and must not here.
    german = ["Ein\u00a0Mann\u2028steht .", " Zwei  Hunde\x0cim Gras."]
    small_multi30k(tmp_path, monkeypatch, {"de": german, "en": ["A man.", "Two dogs."]})
    assert multi30k.load("val", folder=str(tmp_path)) == [
        ("Ein Mann steht .", "A man."),
        ("Zwei Hunde im Gras.", "Two dogs."),
    ]
    assert multi30k.load("val", "en", "de", str(tmp_path))[1] == ("Two dogs.", "Zwei Hunde im Gras.")


def test_a_wrong_number_of_lines_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_multi30k(tmp_path, monkeypatch, {"de": ["eins"], "en": ["one"]})
    with pytest.raises(DataError, match="holds 1 lines, not 1,014"):
        multi30k.load("val", folder=str(tmp_path))


def test_what_does_not_exist_is_refused() -> None:
    load = inspect.unwrap(multi30k.load)  # past the run-time type check, where that is switched on
    with pytest.raises(ValueError, match="no split 'dev'; Multi30k has train, val, test"):
        load("dev")
    with pytest.raises(ValueError, match="no language 'it'; Multi30k has de, en, fr"):
        load("val", "it")


@pytest.fixture(scope="module")
def real_folder() -> str:
    """TFEDU_DATA, or shared/data beside the repository."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = os.environ.get("TFEDU_DATA") or str(beside)
    if not (Path(folder) / "multi30k").is_dir():
        pytest.skip("no Multi30k here: set TFEDU_DATA to a folder that holds multi30k/train.de.gz and so on")
    return folder


@pytest.mark.real_data
def test_the_real_set_is_whole(real_folder: str) -> None:
    for split in ("train", "val", "test"):
        for source, target in (("de", "en"), ("en", "fr")):
            pairs = multi30k.load(split, source, target, real_folder)  # type: ignore[arg-type]
            assert len(pairs) == multi30k.LINES[split]
            assert all(a and b and a == a.strip() and "\u00a0" not in a for a, b in pairs)
    assert multi30k.load("train", folder=real_folder)[0] == (
        "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
        "Two young, White males are outside near many bushes.",
    )


@pytest.mark.real_data
def test_subwords_give_the_real_test_set_back(real_folder: str) -> None:
    from tfedu.data.text import UNK, SubwordTokenizer

    lines = [german for german, _ in multi30k.load("train", folder=real_folder)]
    tokenizer = SubwordTokenizer.train(lines, 4000)
    assert len(tokenizer) == 4000
    for german, _ in multi30k.load("test", folder=real_folder):
        ids = tokenizer.encode(german)
        assert UNK not in ids
        assert tokenizer.decode(ids) == german
