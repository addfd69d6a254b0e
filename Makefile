# Everything runs in .venv, made on first use from python3 and requirements.txt. Start with `make book`.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
PORT ?= 8000

.DEFAULT_GOAL := help
.PHONY: help book serve slides test lab train bench clean

help:           ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 book"; exit 1; }
	@test -x $(BIN)/python || { echo "Making .venv"; $(PYTHON) -m venv .venv; }
	@echo "Installing requirements.txt into .venv (the first time takes some minutes)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

book: $(STAMP)  ## run the chapters, build the site and its slides in _build/html
	@$(BIN)/python -m tfedu.site.build

serve: book     ## build, then serve the site at http://127.0.0.1:8000 (PORT=...)
	@echo "http://127.0.0.1:$(PORT)/  (stop with Ctrl-C)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

slides: book    ## the decks, in _build/html/slides (built with the book)
	@ls _build/html/slides/*.html

test: book      ## style, types, every test, the site in a browser, every notebook
	@$(BIN)/python -m tfedu.site.check

lab: $(STAMP)   ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab book

train: $(STAMP) ## train a shipped checkpoint anew: make train RECIPE=translate-grammar-additive
	@test -n "$(RECIPE)" || { echo "Say which: make train RECIPE=..."; ls tfedu/train/recipes 2>/dev/null; exit 2; }
	@$(BIN)/python -m tfedu.train $(RECIPE)

bench: $(STAMP) ## compare speed with other libraries: make bench, or make bench NAME=page
	@if command -v npm >/dev/null; then test -d web/node_modules/onnxruntime-web || npm --prefix web ci --no-audit --no-fund --loglevel=error; fi
	@$(BIN)/python -c 'import x_transformers' 2>/dev/null || $(BIN)/python -m pip install -qq --disable-pip-version-check -e '.[bench]'
	@test -d .venv/peers || $(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --target .venv/peers -r benchmarks/peers.txt
	@$(BIN)/python -m benchmarks $(NAME)

clean:          ## remove what was built; keep the environment
	rm -rf _build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
