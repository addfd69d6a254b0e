"""Files from elsewhere: fetched once, checked by sha256 every time.

Two environment variables say where they live:

- ``TFEDU_DATA`` names a folder that already holds them (``multi30k/train.de.gz`` and so on). Nothing is
  downloaded then, and nothing is written there.
- ``TFEDU_CACHE`` names the folder for downloads; without it, the user's cache folder.
"""

import hashlib
import os
from pathlib import Path

RETRIES = 2  # connections break off; servers that are wrong twice stay wrong


class DataError(RuntimeError):
    """A data file is missing, damaged or out of reach. The message says which, and what to do."""


def cache_dir() -> Path:
    """The folder of downloads: ``TFEDU_CACHE``, or the user's cache folder."""
    import pooch

    return Path(os.environ.get("TFEDU_CACHE") or pooch.os_cache("tfedu")).expanduser()


def fetch(name: str, url: str, sha256: str, folder: str | Path | None = None) -> Path:
    """The path of a data file whose bytes are known to be right, downloaded if need be.

    A download goes to a temporary file and takes its name only when its checksum is right, so a broken one
    leaves nothing behind. A file in the cache that has gone bad is downloaded again.

    Args:
        name: where the file lies inside the folder, e.g. ``"multi30k/train.de.gz"``.
        url: where it comes from.
        sha256: of the whole file, 64 hex digits.
        folder: a folder that already holds the file; by default ``TFEDU_DATA``, if that is set.

    Raises:
        DataError: if the folder lacks the file, the file or the download has the wrong checksum, or the
            server cannot be reached or refuses, or the cache cannot be written.
        ModuleNotFoundError: if a download is needed and pooch is not installed.
    """
    held = folder or os.environ.get("TFEDU_DATA")
    if held:
        return _held(Path(held).expanduser() / name, url, sha256, "folder" if folder else "TFEDU_DATA")
    return _downloaded(name, url, sha256)


def _held(path: Path, url: str, sha256: str, called: str) -> Path:
    if not path.is_file():
        where = path.parent if path.parent.is_dir() else "a folder that does not exist"
        raise DataError(
            f"{path} is missing: {called} leads to {where}.\n"
            f"Put the file from {url} there, or leave {called} unset to have it downloaded into the cache."
        )
    actual = _sha256(path)
    if actual != sha256:
        raise DataError(
            f"{path} is damaged.\n  expected sha256 {sha256}\n  actual   sha256 {actual}\n"
            f"Replace it with the file from {url}, or leave {called} unset to have it downloaded."
        )
    return path


def _downloaded(name: str, url: str, sha256: str) -> Path:
    try:
        import pooch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"pooch is needed to download {name}: pip install 'tfedu[data]', or set TFEDU_DATA to a folder "
            f"that holds {name}.",
            name="pooch",
        ) from error
    import requests

    cache = cache_dir()
    path = cache / name
    # pooch cannot tell a damaged file from an outdated one; a failed repair should say what was wrong.
    damaged = f"\n({path} is there but damaged: it may be deleted.)" if path.is_file() else ""
    instead = (
        f"Or get {url} elsewhere and save it as {path}, or in a folder that TFEDU_DATA names, as {name}."
    )
    source = pooch.create(
        path=cache,
        base_url="",
        registry={name: f"sha256:{sha256}"},
        urls={name: url},
        retry_if_failed=RETRIES,
    )
    try:
        return Path(source.fetch(name, downloader=pooch.HTTPDownloader(timeout=30)))
    except requests.HTTPError as error:
        raise DataError(
            f"{name}: the server refused {url} ({error}).\nTry again later. {instead}{damaged}"
        ) from error
    except requests.RequestException as error:
        raise DataError(
            f"{name} could not be downloaded: no connection to {url}, or it broke off "
            f"({RETRIES + 1} attempts; {type(error).__name__}). Nothing half-written was kept.\n"
            f"Go online and run this again. {instead}{damaged}"
        ) from error
    except ValueError as error:  # pooch's word for a wrong checksum
        raise DataError(
            f"{name}: what {url} sends is damaged or has changed ({RETRIES + 1} attempts).\n"
            f"  expected sha256 {sha256}\n  actual:  {error}\n"
            f"Nothing was kept. Download again later. {instead}{damaged}"
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error}): set TFEDU_CACHE to a folder of your own with room in it."
        ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
