"""Build the book: run the chapters that changed, write the site with every warning an error, then slides.

    python -m tfedu.site.build

Executed chapters are cached by their code cells. That cache knows nothing of the package or of the data that
the cells use, so this module empties it when either changes, and drops one chapter when only its tags did.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BUILD = Path("_build")


def digest(files: Iterable[Path]) -> str:
    """One sha256 over the names and contents of files."""
    whole = hashlib.sha256()
    for path in sorted(files):
        whole.update(path.as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def python_files(folder: Path, but: str = "") -> list[Path]:
    """The Python sources below a folder, without those of one part of it."""
    return [path for path in folder.rglob("*.py") if not (but and but in path.parts)]


def inputs(root: Path) -> dict[str, Any]:
    """What the build depends on, as digests: what cells run on, what pages are made with, the cells' tags."""
    data = [path for path in (root / "data").rglob("*") if path.is_file()]
    tags = {}
    for path in sorted((root / "book").rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            cells = json.loads(path.read_text("utf-8"))["cells"]
            kept = [cell["metadata"] for cell in cells if cell["cell_type"] == "code"]
            tags[path.as_posix()] = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
    # Sphinx copies static files only when some page is out of date, so theirs count as well.
    static = [
        path
        for part in ("book/site", "tfedu/live/static")
        for path in (root / part).rglob("*")
        if path.is_file()
    ]
    return {
        "run": digest([*python_files(root / "tfedu", but="site"), *data, root / "requirements.txt"]),
        "site": digest(
            [*python_files(root / "tfedu" / "site"), *static, root / "_config.yml", root / "_toc.yml"]
        ),
        "tags": tags,
    }


def forget(cache: Path, notebooks: set[str]) -> None:
    """Drop these notebooks from the execution cache."""
    from jupyter_cache import get_cache

    store = get_cache(str(cache))
    for record in store.list_cache_records():
        if any(record.uri.endswith(name) for name in notebooks):
            store.remove_cache(record.pk)


def refresh(root: Path, now: dict[str, Any]) -> None:
    """Compare with the last build and forget what is stale."""
    stamp, cache = root / BUILD / "inputs.json", root / BUILD / ".jupyter_cache"
    before = json.loads(stamp.read_text()) if stamp.exists() else {}
    if before.get("run") != now["run"]:
        shutil.rmtree(cache, ignore_errors=True)
    elif cache.exists():
        changed = {name for name, value in now["tags"].items() if before.get("tags", {}).get(name) != value}
        if changed:
            forget(cache, changed)
    if any(before.get(part) != now[part] for part in ("run", "site", "tags")):
        shutil.rmtree(root / BUILD / ".doctrees", ignore_errors=True)
    stamp.write_text(json.dumps(now, indent=1))


def quiet_kernels(folder: Path) -> None:
    """Keep the kernels' own warnings (about local sockets) out of the build's few lines."""
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 40\n")
    os.environ["IPYTHONDIR"] = str(profile.parent)
    # The chapters' models are small: on a busy machine, threads that wait for each other cost minutes.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def build(root: Path) -> None:
    """Build everything below ``_build/html``.

    Raises:
        SystemExit: if the build gave an error or a warning.
    """
    from jupyter_book.sphinx import build_sphinx

    from tfedu.site import slides

    started = time.monotonic()
    now = inputs(root)
    (root / BUILD).mkdir(exist_ok=True)
    refresh(root, now)
    quiet_kernels(root / BUILD)
    out = root / BUILD / "html"
    print("Building the book: each changed chapter is executed, which takes up to a minute.", flush=True)
    result = build_sphinx(
        root,
        out,
        noconfig=True,
        path_config=root / "_config.yml",
        confoverrides={
            "nitpicky": True,
            "external_toc_path": (root / "_toc.yml").as_posix(),
            "latex_individualpages": False,  # jupyter-book asks for it whatever is built
        },
        warningiserror=True,
        keep_going=True,
        quiet=True,
    )
    if result:
        # A warning is told only when its page is read, so the next build must read every page again.
        shutil.rmtree(root / BUILD / ".doctrees", ignore_errors=True)
        raise SystemExit(f"The book did not build: see above ({result}).")
    (out / "index.html").write_text('<meta http-equiv="refresh" content="0; url=book/index.html">\n')
    decks = slides.build(out)
    print(f"Done in {time.monotonic() - started:.0f} s, with {len(decks)} slide decks. Open in a browser:")
    print(f"  {(out / 'book' / 'index.html').resolve().as_uri()}\nor run `make serve`.", flush=True)


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
