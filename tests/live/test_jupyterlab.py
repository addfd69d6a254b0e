"""A lab in a real JupyterLab: what is typed in the page is read in Python, and the other way round."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tfedu
from tfedu.live import lab
from tfedu.live.labs import translate

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
PATIENCE = 60_000  # milliseconds, on a busy machine
TYPED = "Zwei Hunde spielen im Schnee."
CELLS = [
    'from tfedu.live import Lab\nlab = Lab("translate")\nlab',
    "print(lab.text); print(lab.translation); print(len(lab.weights))",
    'lab.text = "Ein Kind isst Eis."',
    "lab",
]


def notebook(cells: list[str]) -> dict[str, Any]:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{i}",
                "metadata": {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for i, source in enumerate(cells)
        ],
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """JupyterLab on a free port, without a token, its every file in a temporary folder."""
    pytest.importorskip("jupyterlab")
    pytest.importorskip("anywidget")
    home = tmp_path_factory.mktemp("jupyter")
    (home / "work").mkdir()
    (home / "work" / "lab.ipynb").write_text(json.dumps(notebook(CELLS)), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "HOME": str(home),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(home / "ipython"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(tfedu.__file__).parents[1]),  # the kernel's tfedu is the one under test
    }
    environment.pop(lab.BOOK, None)
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
        f"--ServerApp.root_dir={home / 'work'}", "--ServerApp.terminals_enabled=False",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    log = (home / "log").open("w+")
    process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/api", timeout=2).close()
                break
            except (OSError, urllib.error.URLError):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    pytest.fail(f"JupyterLab did not start:\n{log.read()[-3000:]}")
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()  # it stops its kernels
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


class Notebook:
    """The open notebook."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.page.locator(".jp-Notebook .jp-CodeCell").nth(len(CELLS) - 1).wait_for(timeout=PATIENCE)

    def cell(self, number: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def run(self, number: int) -> None:
        """Run a cell, wait until it is done."""
        prompt = self.cell(number).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        self.cell(number).locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Control+Enter")
        self.page.wait_for_function(
            "([at, before]) => { const text = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[at]"
            ".querySelector('.jp-InputPrompt').innerText; return text !== before && /\\[\\d+\\]/.test(text); }",
            arg=[number, before],
            timeout=PATIENCE,
        )

    def printed(self, number: int) -> list[str]:
        return str(self.cell(number).locator(".jp-OutputArea-output").first.inner_text()).strip().split("\n")


def test_the_page_and_python_tell_each_other(browser: Any, server: str) -> None:
    expect = pytest.importorskip("playwright.sync_api").expect
    # As tall as the notebook: JupyterLab takes cells that are out of sight out of the page.
    context = browser.new_context(viewport={"width": 1280, "height": 3000}, reduced_motion="reduce")
    page = context.new_page()
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server}/lab/tree/lab.ipynb?reset")
    book = Notebook(page)
    first = translate.record(translate.MODEL)
    expected = translate.record(translate.MODEL, TYPED)

    book.run(0)
    shown = book.cell(0).locator("tf-lab[data-ready]")
    shown.wait_for(timeout=PATIENCE)
    result = shown.locator(".result")
    assert result.inner_text() == first["translation"]

    shown.locator("#text").fill(TYPED)
    result.get_by_text(expected["translation"], exact=True).wait_for(timeout=PATIENCE)
    book.run(1)
    assert book.printed(1) == [TYPED, expected["translation"], str(len(expected["weights"]))]

    third = translate.record(translate.MODEL, "Ein Kind isst Eis.")
    book.run(2)
    result.get_by_text(third["translation"], exact=True).wait_for(timeout=PATIENCE)
    assert shown.locator("#text").input_value() == "Ein Kind isst Eis."
    book.run(1)
    assert book.printed(1)[:2] == ["Ein Kind isst Eis.", third["translation"]]

    # Typed letters are the lab's: "a" and "b" do not make new cells, "x" cuts none.
    shown.locator("#text").fill("")
    page.keyboard.type("ein axt baum dd")
    assert shown.locator("#text").input_value() == "ein axt baum dd"
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == len(CELLS)
    expect(result).to_have_text(translate.record(translate.MODEL, "ein axt baum dd")["translation"])

    # Shown once more, the lab opens with what it was left with, and Python reaches both views.
    book.run(3)
    second = book.cell(3).locator("tf-lab[data-ready]")
    second.wait_for(timeout=PATIENCE)
    expect(second.locator("#text")).to_have_value("ein axt baum dd")
    book.run(2)
    for one in (shown, second):
        one.scroll_into_view_if_needed()
        one.locator(".result").get_by_text(third["translation"], exact=True).wait_for(timeout=PATIENCE)

    # Run again: a new lab in the old one's place, and the other stays as it was.
    book.run(0)
    shown.locator(".result").get_by_text(first["translation"], exact=True).wait_for(timeout=PATIENCE)
    assert second.locator("#text").input_value() == "Ein Kind isst Eis."
    if folder := os.environ.get("TFEDU_PICTURES"):
        page.screenshot(path=f"{folder}/jupyterlab.png")

    # The labs follow JupyterLab's theme.
    ground = "lab => getComputedStyle(lab.shadowRoot.querySelector('#text')).backgroundColor"
    light = second.evaluate(ground)
    page.evaluate("document.body.dataset.jpThemeLight = 'false'")
    assert second.evaluate(ground) != light
    if folder:
        page.screenshot(path=f"{folder}/jupyterlab-dark.png")
    assert errors == []
    assert [url for url in asked if not url.startswith((server, "data:", "blob:"))] == []
    context.close()
