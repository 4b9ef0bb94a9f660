"""Build notebooks/ and notebooks/solutions/ from lessons/*.py.

python lessons/build.py            build; outputs of unchanged cells stay
python lessons/build.py --check    say which notebooks are not in step with their lesson; exit status 1 if any
python lessons/build.py --execute  build, run at `cpu` scale on the real data, store the outputs. The solutions run at that
                                   scale; the learner's version runs at `smoke` and takes over what both have in common
Names of lessons (01_mlp_gan …) limit either to those.
"""

import argparse
import ast
import base64
import copy
import hashlib
import json
import os
import re
import sys
import tomllib
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbconvert.preprocessors import TagRemovePreprocessor

LESSONS = Path(__file__).resolve().parent
ROOT = LESSONS.parent
VERSIONS = {"notebooks": "solution", "notebooks/solutions": "stub"}  # folder → the tag that is left out there
COLAB = "https://colab.research.google.com/assets/colab-badge.svg"
BINDER = "https://mybinder.org/badge_logo.svg"
COMPARED = "nbval-check-output"
SPOILER = "spoiler"  # tag of an output that would answer a question above it: the learner's notebook holds it only once it has run
PLACEHOLDER = "# {{bootstrap}}"  # the first code cell of every lesson is this line
# What takes its place. Colab brings torch and most of what the package needs, so nothing of
# that is resolved again: --no-deps. Running the cell again, or running it elsewhere, does nothing.
BOOTSTRAP = """\
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules:  # only on Colab
    if find_spec("gan_course") is None:
        %pip install -q --no-deps git+https://github.com/{{repository}}@{{ref}}
        %pip install -q pooch safetensors filelock
    import torch
    if not torch.cuda.is_available():
        print("No GPU here. To switch one on: Runtime > Change runtime type > T4 GPU > Save, then run from the top.")"""
CELL_SECONDS = 1800


def lessons() -> list[str]:
    """Names of the lessons, in order."""
    return sorted(p.stem for p in LESSONS.glob("[0-9][0-9]_*.py"))


def repository() -> str:
    """OWNER/NAME of the repository that badges and Colab's install line point to (pyproject.toml)."""
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    return urls["Repository"].removeprefix("https://github.com/")


def ref() -> str:
    """What badges and Colab's install line point to: the tag of this version; main between releases (a `.dev` version)."""
    source = (ROOT / "gan_course" / "__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)[1]
    return "main" if ".dev" in version else f"v{version}"


def build(name: str, folder: str) -> nbformat.NotebookNode:
    """One version of one lesson as a notebook without outputs; the same source gives the same bytes."""
    notebook = jupytext.read(LESSONS / f"{name}.py")
    repo, at, path = repository(), ref(), f"{folder}/{name}.ipynb"
    fill = {
        "{{badges}}": f"[![Open in Colab]({COLAB})](https://colab.research.google.com/github/{repo}/blob/{at}/{path}) "
        f"[![Launch on Binder]({BINDER})](https://mybinder.org/v2/gh/{repo}/{at}?urlpath=lab/tree/{path})",
        PLACEHOLDER: BOOTSTRAP,
        "{{repository}}": repo,
        "{{ref}}": at,
        "{{docs}}": os.path.relpath("docs", folder).replace(os.sep, "/"),
    }
    notebook, _ = TagRemovePreprocessor(remove_cell_tags={VERSIONS[folder]}).preprocess(notebook, {})
    learners, seen = folder == "notebooks", set()  # a learner's verdict changes with the answer: it is not compared
    for cell in notebook.cells:
        bootstrap = cell.source == PLACEHOLDER
        key = (
            cell.metadata.pop("name", "bootstrap" if bootstrap else None)
            or hashlib.sha1(f"{cell.cell_type}{cell.source}".encode()).hexdigest()[:12]
        )
        for placeholder, text in fill.items():
            cell.source = cell.source.replace(placeholder, text)
        if cell.cell_type == "code" and "widgets.Prediction(" in cell.source:
            cell.source = seal(cell.source)
        cell.id = key = re.sub(r"[^A-Za-z0-9_-]", "-", key)
        if key in seen:
            raise SystemExit(f'{path}: two cells named {key!r}; name one of them: # %% name="…"')
        seen.add(key)
        tags = [t for t in cell.metadata.get("tags", []) if not (t == COMPARED and learners and "check" in cell.metadata.tags)]
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], 1 if bootstrap else None  # silent, so a new version needs no new run
    spec = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": spec, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def seal(source: str) -> str:
    """A prediction's cell with its answer out of sight: who reads the question has not read what comes out."""
    sealed, n = re.subn(r'    answer=(\d+),\n    why=(".*"),\n', _sealed, source)
    if n != source.count("widgets.Prediction("):
        raise SystemExit(f"write `answer=…,` and `why=…,` as two lines of their own:\n{source}")
    return sealed


def _sealed(found: re.Match) -> str:
    told = json.dumps([int(found[1]), ast.literal_eval(found[2])])
    return f'    sealed="{base64.b64encode(told.encode()).decode()}",\n'


def keep_outputs(notebook, old, but: str = "") -> None:
    """Take over the outputs of cells whose id and source are as before, except of those tagged `but`."""
    before = {cell.id: cell for cell in old.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        was = before.get(cell.get("id"))
        tagged = but in cell.metadata.get("tags", [])
        if cell.cell_type == "code" and was is not None and was.source == cell.source and not tagged:
            cell.outputs, cell.execution_count = was.outputs, was.execution_count


def hide_spoilers(notebook, folder: str) -> None:
    for cell in notebook.cells if folder == "notebooks" else ():
        if SPOILER in cell.metadata.get("tags", []):
            cell.outputs = []


def execute(notebook, folder: Path, scale: str) -> None:
    """Run a notebook in its folder and store what it shows."""
    os.environ["GAN_COURSE_SCALE"] = scale
    metadata = copy.deepcopy(notebook.metadata)
    NotebookClient(notebook, timeout=CELL_SECONDS, resources={"metadata": {"path": folder}}, store_widget_state=False).execute()
    notebook.metadata = metadata  # the client writes this machine's Python into it
    private = {os.environ.get("GAN_COURSE_DATA"): "/your/data", str(ROOT): "gan-course", str(Path.home()): "~"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.pop("transient", None)
            for shown in (output, output.get("data", {})):
                for key, value in shown.items():
                    for path in filter(None, private if isinstance(value, str) and not key.startswith("image/") else ()):
                        shown[key] = shown[key].replace(path, private[path])
            if output.get("name") == "stderr":
                print(f"  {cell.id} wrote to stderr: {output.text.strip()[:200]}", file=sys.stderr)


def text(notebook) -> str:
    return nbformat.writes(notebook) + "\n"


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--execute", action="store_true")
    parser.add_argument("--scale", choices=("smoke", "cpu", "gpu"), default="cpu", help="of --execute; what is committed is cpu")
    parser.add_argument("names", nargs="*", metavar="LESSON", help="default: all")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(lessons()):
        parser.error(f"no lesson called {', '.join(sorted(unknown))}; there are: {', '.join(lessons())}")
    behind = []
    for name in args.names or lessons():
        solutions = None
        for folder in reversed(VERSIONS):
            path = ROOT / folder / f"{name}.ipynb"
            notebook = build(name, folder)
            if path.exists():
                keep_outputs(notebook, nbformat.read(path, as_version=4))
            hide_spoilers(notebook, folder)
            if args.check:
                if not path.exists() or path.read_text(encoding="utf-8") != text(notebook):
                    behind.append(f"{folder}/{name}.ipynb")
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if args.execute:
                print(f"running {folder}/{name}.ipynb", flush=True)
                execute(notebook, path.parent, args.scale if solutions is None else "smoke")
                if solutions is None:
                    solutions = notebook
                else:
                    keep_outputs(notebook, solutions, but="check")
                    hide_spoilers(notebook, folder)
            path.write_text(text(notebook), encoding="utf-8")
            print(f"{folder}/{name}.ipynb: {path.stat().st_size / 1000:.0f} kB")
    if behind:
        print(f"not in step with lessons/: {', '.join(behind)}; run `make notebooks`", file=sys.stderr)
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
