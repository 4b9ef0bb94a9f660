"""Build the course's site, `site/_build`, from notebooks/ with their stored outputs and from docs/. It runs and fetches nothing.

python site/build.py [--out FOLDER]

New lessons come in by the table of lessons. `solutions = false` under [tool.gan-course-site] in pyproject.toml leaves the
answers out.
"""

import argparse
import ast
import html
import json
import os
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT / "lessons"))

import build as course  # noqa: E402  (lessons/build.py: repository, tag, table, terms)

sys.path.append(str(HERE))

import export  # noqa: E402  (site/export.py: what the twins read)

from gan_course import progress  # noqa: E402
from gan_course.scale import LESSONS as TABLE  # noqa: E402

STAND_IN = "The picture of these controls."  # text/plain of the picture that a control leaves in a notebook (widgets/controls.py)
WIDGET = "application/vnd.jupyter.widget-view+json"
LINK = re.compile(r'\]\(([^)\s]+)(\s+"[^"]*")?\)')
FIRST = ("docs/glossary", "docs/cheat-sheet")  # of what is to look up
ELSEWHERE = ("docs/INSTRUCTORS.md", "docs/project.md")  # what has its place in the contents by hand (index.md)
FENCE = re.compile(r"(?ms)^(```.*?^```|    \S.*?$)")


def solutions() -> bool:
    """Whether the answers are on the site."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["gan-course-site"]["solutions"]


def address() -> str:
    """Where GitHub Pages puts the site of this repository."""
    owner, _, name = course.repository().partition("/")
    return f"https://{owner.lower()}.github.io/{name}/"


def lessons() -> list[str]:
    """Names of the lessons whose notebooks are built."""
    return [name for name in course.lessons() if (ROOT / "notebooks" / f"{name}.ipynb").exists()]


def lesson_table() -> str:
    """The table of lessons, without those that are not built yet."""
    rows = course.lesson_table("notebooks/").replace("| | lesson", "| number | lesson", 1).splitlines()
    unbuilt = [f"(notebooks/{name}.ipynb)" for name in course.lessons() if name not in lessons()]
    return "\n".join(row for row in rows if not any(link in row for link in unbuilt))


def pages() -> list[str]:
    """What the site shows of the repository: paths."""
    folders = ["notebooks"] + ["notebooks/solutions"] * solutions()
    notebooks = [f"{folder}/{name}.ipynb" for folder in folders for name in lessons()]
    notebooks += [
        f"{course.PROJECTS}/{name}.ipynb" for name in course.projects() if (ROOT / course.PROJECTS / f"{name}.ipynb").exists()
    ]
    return notebooks + [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]


def relinked(text: str, page: str) -> str:
    """The text of a page of the repository with links that lead somewhere on the site, or to the repository's own page."""
    folder, known = os.path.dirname(page), pages()

    def link(found: re.Match) -> str:
        target, title = found[1], found[2] or ""
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        path = os.path.normpath(os.path.join(folder, path)).replace(os.sep, "/")
        if path == "notebooks/start.ipynb":
            path, anchor = "index.md", ""
        elif path == "notebooks/glossary.ipynb":
            path, anchor = "docs/glossary.md", anchor.removeprefix("cell-id=")
        elif path not in known and not path.endswith((".png", ".svg")):
            kind = "tree" if (ROOT / path).is_dir() else "blob"
            path = f"https://github.com/{course.repository()}/{kind}/{course.ref()}/{path}"
            return f"]({path}{'#' * bool(anchor)}{anchor}{title})"
        if title and path == "docs/glossary.md":  # a term: its definition stands there, for the pointer and for the Tab key
            return f"](term:{anchor}{title})"
        return f"]({course.relative(path, folder)}{'#' * bool(anchor)}{anchor}{title})"

    parts = FENCE.split(text)
    return "".join(part if i % 2 else terms(LINK.sub(link, part), folder) for i, part in enumerate(parts))


def terms(text: str, folder: str) -> str:
    """Links to terms as HTML that carries the definition."""
    glossary = course.relative("docs/glossary.html", folder)

    def anchor(found: re.Match) -> str:
        return f'<a class="term" href="{glossary}#{found[2]}" title="{html.escape(found[3], quote=True)}">{found[1]}</a>'

    return re.sub(r'\[([^\[\]]+)\]\(term:([^)\s]+)\s+"([^"]*)"\)', anchor, text)


def headings(texts: list[str]) -> list[str]:
    """The texts of a page with one title, and every other heading one level below the one that it belongs to."""
    above: list[int] = []

    def level(found: re.Match) -> str:
        own = len(found[1])
        while len(above) > 1 and above[-1] >= own:
            above.pop()
        above.append(own if above else 0)
        return "#" * len(above) + " "

    done = []
    for text in texts:
        parts = FENCE.split(text)
        done.append("".join(part if i % 2 else re.sub(r"(?m)^(#{1,6}) ", level, part) for i, part in enumerate(parts)))
    return done


def twin(source: str) -> tuple[str, dict] | None:
    """(name of the control, its plain settings) that a cell shows."""
    for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*%.*$", "pass", source))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "widgets":
            settings = {}
            for key, value in [*enumerate(node.args), *((k.arg, k.value) for k in node.keywords)]:
                try:
                    settings[str(key)] = ast.literal_eval(value)
                except ValueError:
                    settings[str(key)] = {"code": ast.unparse(value)}
            return node.func.attr, settings
    return None


def play(cell, number: str) -> None:
    """A cell that shows a control gets its playing twin, around the picture that stands there where no script runs.

    number: of the lesson, "01". The monitor's twin shows the run that was recorded for it, where there is one.
    """
    for output in cell.outputs:
        picture = output.get("data", {}).get("text/html")
        if picture is None or not re.search(r'<div class="gan-course-\w+">', picture) or not (found := twin(cell.source)):
            continue
        name, settings = found
        if name == "TrainingMonitor":
            if not (export.RUNS / f"{number}.json").exists():
                continue
            settings = {"run": number}
        config = html.escape(json.dumps(settings), quote=True)
        picture = re.sub(r"(?s)<script>.*?</script>", "", picture)
        output.data = nbformat.from_dict(
            {"text/html": f'<div class="twin" data-twin="{name}" data-config="{config}">{picture}</div>'}
        )


def notebook(path: str) -> str:
    """A notebook as the site shows it."""
    nb = nbformat.read(ROOT / path, as_version=4)
    words = [cell for cell in nb.cells if cell.cell_type == "markdown"]
    for cell, text in zip(words, headings([relinked(cell.source, path) for cell in words]), strict=True):
        cell.source = text
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            continue
        cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
        play(cell, Path(path).stem[:2])
        tags = cell.metadata.get("tags", [])
        folded = {"solution": "hide-input"} | ({"bootstrap": "hide-input"} if cell.id == "bootstrap" else {})
        cell.metadata["tags"] = tags + [folded[name] for name in (*tags, cell.id) if name in folded]
        for output in cell.outputs:
            if "text/html" in output.get("data", {}):  # a picture is in it already
                output.data.pop("image/png", None)
    return nbformat.writes(nb)


def markdown(path: str) -> str:
    """A page of docs/ as the site shows it."""
    return headings([relinked((ROOT / path).read_text(encoding="utf-8"), path)])[0]


def contents() -> str:
    """The page for teachers: a lesson, its minutes, what one can do after it, its exercises."""
    parts = []
    for name in lessons():
        row, source = TABLE[name[:2]], (course.LESSONS / f"{name}.py").read_text(encoding="utf-8")
        words = re.sub(r"(?m)^# ?", "", source)
        able = re.search(r"(?s)\*\*You will be able to\*\*\n\n(.*?)\n\n", words)
        needs = re.search(r"(?s)\*\*You need\*\* (.*?)\n\n", words)
        controls = sorted({re.sub(r"(?<!^)(?=[A-Z])", " ", found).lower() for found in re.findall(r"widgets\.([A-Z]\w+)\(", words)})
        predictions = len(re.findall(r"widgets\.Prediction\(", words))
        told = {
            "Minutes": f"{course.minutes(name, 'cpu')} on two cores; {course.minutes(name, 'gpu')} on a GPU",
            "Data": row.data,
            "Needs": re.sub(r"\s+", " ", needs[1]) if needs else "",
            "Exercises": ", ".join(progress.EXERCISES.get(row.number, {}).values()),
            "Predictions": str(predictions or ""),
            "Controls": ", ".join(c for c in controls if c != "prediction"),
        }
        parts.append(f"## [{course.heading(name)}](notebooks/{name}.ipynb)\n{row.what[0].upper()}{row.what[1:]}.\n")
        parts.append((able[1] if able else "") + "\n")
        parts += [f"- **{key}**: {value}" for key, value in told.items() if value]
        parts.append("")
    return (
        relinked("\n".join(parts).replace("{{docs}}/", "docs/"), "notebooks/x.ipynb")
        .replace("](../", "](")
        .replace("](0", "](notebooks/0")
    )


def fill(text: str, **values: str) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def lay_out(source: Path) -> None:
    """All that Sphinx reads, in a folder of its own, laid out as the repository is."""
    version = re.search(r'__version__ = "(.+)"', (ROOT / "gan_course" / "__init__.py").read_text(encoding="utf-8"))[1]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    intro = re.search(r"(?s)^# .+?\n\n(.+?)\n\n", readme)[1]
    facts = {
        "version": version,
        "repository": course.repository(),
        "ref": course.ref(),
        "address": address(),
        "description": re.sub(r"\s+", " ", intro),
    }
    (source / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    shutil.copy(HERE / "conf.py", source)
    shutil.copytree(HERE / "static", source / "_static")
    export.write(source / "_static" / "twins")
    for page in pages():
        (source / page).parent.mkdir(parents=True, exist_ok=True)
        text = notebook(page) if page.endswith(".ipynb") else markdown(page)
        (source / page).write_text(text, encoding="utf-8")
    for picture in (ROOT / "docs").glob("*.png"):
        shutil.copy(picture, source / "docs")
    shutil.copy(ROOT / "docs" / "playground.png", source / "_static")
    folders = [*course.VERSIONS, course.PROJECTS]
    lists = {folder: [p.removesuffix(".ipynb") for p in pages() if os.path.dirname(p) == folder] for folder in folders}
    answers = "\n".join(lists["notebooks/solutions"])
    answers = answers and f"\n```{{toctree}}\n:hidden:\n:caption: Solutions\n\n{answers}\n```\n"
    looked_up = [p.removesuffix(".md") for p in pages() if p.startswith("docs/") and p not in ELSEWHERE]
    values = {
        "intro": intro,
        "lessons": lesson_table(),
        "repository": course.repository(),
        "ref": course.ref(),
        "first": lessons()[0],
        "lesson_pages": "\n".join(lists["notebooks"]),
        "docs_pages": "\n".join(sorted(looked_up, key=lambda page: (page not in FIRST, page))),
        "solutions": answers,
        "project_pages": "\n".join(sorted(lists[course.PROJECTS], key=lambda page: ("template" not in page, page))),
        "contents": contents(),
    }
    for name in ("index.md", "contents.md", "versions.md", "404.md"):
        (source / name).write_text(fill((HERE / name).read_text(encoding="utf-8"), **values), encoding="utf-8")


def lighten(out: Path) -> None:
    """Take away what the theme loads and the site does not need: 1.5 MB of icons, of which `site.css` draws the few used,
    and the index of words on every page but the one that searches."""
    for heavy in {*(out / "_static").rglob("*.map"), *(out / "_static").rglob("fontawesome*.js*")}:
        heavy.unlink()
    (out / "_sources").rmdir()
    for page in out.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        text = text.replace(
            'id="pst-primary-sidebar" class', 'id="pst-primary-sidebar" role="navigation" aria-label="Course" class'
        )
        text = re.sub(r'<script[^>]*fontawesome\.js[^>]*></script>|<link[^>]*href="[^"]*fontawesome\.js[^>]*>', "", text)
        if page.name != "search.html":
            text = re.sub(r'<script[^>]*src="[^"]*searchindex\.js[^>]*></script>', "", text)
        page.write_text(text, encoding="utf-8")


def main(argv=None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "_build")
    args = parser.parse_args(argv)
    shutil.rmtree(args.out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        source, made, trees = (Path(folder) / name for name in ("source", "made/html", "trees"))  # myst-nb writes beside `made`
        source.mkdir()
        lay_out(source)
        status = sphinx(["-W", "--keep-going", "-q", "-b", "html", "-d", str(trees), str(source), str(made)])
        if not status:
            lighten(made)
            (made / ".nojekyll").touch()  # GitHub Pages leaves out folders with _ otherwise
            shutil.copytree(made, args.out)
    return status


if __name__ == "__main__":
    sys.exit(main())
