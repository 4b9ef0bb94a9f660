"""Every link inside the repository leads somewhere; every badge opens a notebook that is here; environment files agree."""

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PAGES = [p for folder in (ROOT, ROOT / "docs") for p in sorted(folder.glob("*.md"))]
NOTEBOOKS = sorted(p for folder in ("", "solutions") for p in (ROOT / "notebooks" / folder).glob("[0-9][0-9]_*.ipynb"))
PROJECTS = sorted((ROOT / "notebooks" / "projects").glob("*.ipynb"))
OTHERS = [ROOT / "notebooks" / f"{name}.ipynb" for name in ("start", "glossary")]
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")


def text(path: Path) -> str:
    if path.suffix != ".ipynb":
        return re.sub(r"(?ms)^```.*?^```", "", path.read_text(encoding="utf-8"))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def links(path: Path) -> list[str]:
    """Targets of the links and pictures of a page; a badge is both, so the pictures inside links are looked at first."""
    pictures = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", text(path))
    return pictures + LINK.findall(re.sub(r"!\[([^\]]*)\]\([^)\s]+\)", r"\1", text(path)))


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page, or JupyterLab those of a notebook."""
    headings = re.findall(r"(?m)^#+\s+(.+)$", text(path))
    if path.suffix == ".ipynb":  # of JupyterLab
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return {heading.strip().replace(" ", "-") for heading in headings} | {f"cell-id={cell['id']}" for cell in cells}
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES + NOTEBOOKS + PROJECTS + OTHERS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page):
    for link in links(page):
        parts = urlsplit(link)
        if parts.scheme:
            continue
        target = (page.parent / parts.path).resolve() if parts.path else page
        assert target.exists() and target.is_relative_to(ROOT), link
        assert not parts.fragment or parts.fragment in anchors(target), link


def repository_and_ref() -> tuple[str, str]:
    spec = importlib.util.spec_from_file_location("build", ROOT / "lessons" / "build.py")
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    return build.repository(), build.ref()


def badge_target(link: str) -> tuple[str, str, str] | None:
    """(repository, ref, path) that a launch badge opens."""
    url = urlsplit(link)
    if url.netloc == "colab.research.google.com" and url.path.startswith("/github/"):
        owner, name, _, ref, *path = url.path.removeprefix("/github/").split("/")
        return f"{owner}/{name}", ref, "/".join(path)
    if url.netloc == "mybinder.org" and url.path.startswith("/v2/"):
        owner, name, ref = url.path.removeprefix("/v2/gh/").split("/")
        return f"{owner}/{name}", ref, parse_qs(url.query)["urlpath"][0].removeprefix("lab/tree/")
    return None


@pytest.mark.parametrize("page", NOTEBOOKS + PROJECTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_lessons_badges_open_that_lesson(page):
    targets = [target for link in links(page) if (target := badge_target(link))]
    path = page.relative_to(ROOT).as_posix()
    assert targets == [(*repository_and_ref(), path)] * 2


def test_the_readmes_badges_open_notebooks_that_are_here():
    for repository, ref, path in filter(None, map(badge_target, links(ROOT / "README.md"))):
        assert (repository, ref) == repository_and_ref()
        assert (ROOT / path).is_file(), path


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(lines) -> dict[str, Requirement]:
    found = [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]
    return {canonicalize_name(r.name): r for r in found}


def conda() -> dict[str, SpecifierSet]:
    """Packages of environment.yml under their PyPI names; `python` is among them."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    lines = [d for d in environment["dependencies"] if isinstance(d, str)] + [d for d in pip if not d.startswith("--")]
    parsed = [re.fullmatch(r"([\w-]+)\s*(.*)", line) for line in lines]
    names = {"pytorch": "torch"}
    return {names.get(m[1], m[1]): SpecifierSet(re.sub(r"^=(?!=)(.*)$", r"==\1.*", m[2])) for m in parsed}


def floor(spec: SpecifierSet) -> str | None:
    return next((s.version for s in spec if s.operator == ">="), None)


def test_conda_brings_every_package_that_the_course_needs_with_the_same_bounds():
    have = conda()
    lab = project()["optional-dependencies"]["lab"]
    for name, needed in requirements(project()["dependencies"] + lab).items():
        if name == "ipython":  # comes with ipykernel
            continue
        assert name in have, f"{name} is missing in environment.yml"
        assert all(s.operator != ">=" or needed.specifier.contains(s.version) for s in have[name]), name
    assert have["ipykernel"] == SpecifierSet(">=6.31,<7")
    assert SpecifierSet(project()["requires-python"]).contains("3.12") and have["python"] == SpecifierSet("==3.12.*")


def test_the_exact_set_satisfies_the_packages_bounds():
    exact = requirements((ROOT / "requirements.txt").read_text().splitlines())
    extras = project()["optional-dependencies"]
    for name, needed in requirements(project()["dependencies"] + extras["lab"] + extras["test"]).items():
        (pin,) = exact[name].specifier
        assert needed.specifier.contains(pin.version), f"{name}=={pin.version}"


def test_binder_takes_the_cpu_torch_of_the_exact_set_and_prefetches():
    lines = (ROOT / "binder" / "requirements.txt").read_text().splitlines()
    binder, exact = requirements(lines), requirements((ROOT / "requirements.txt").read_text().splitlines())
    assert any(line.startswith("--extra-index-url") and line.endswith("/whl/cpu") for line in lines)
    for name in ("torch", "torchvision"):
        (theirs,), (ours,) = binder[name].specifier, exact[name].specifier
        assert theirs.version == f"{ours.version}+cpu"
    assert binder["ipykernel"].specifier == SpecifierSet(">=6.31,<7")
    for name, needed in requirements(project()["optional-dependencies"]["lab"]).items():
        assert floor(binder[name].specifier) == floor(needed.specifier)
    version = re.fullmatch(r"python-(\d+\.\d+)\s*", (ROOT / "binder" / "runtime.txt").read_text())[1]
    assert SpecifierSet(project()["requires-python"]).contains(version)
    assert "data.load" in (ROOT / "binder" / "postBuild").read_text()


@pytest.mark.parametrize("path", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda p: p.name)
def test_workflows_are_read_as_what_they_are(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow[True] is not None  # `on`
    assert all("runs-on" in job and job["timeout-minutes"] for job in workflow["jobs"].values())


def test_the_workflow_that_instructors_are_told_to_call_takes_what_they_hand_it():
    told = yaml.safe_load(re.search(r"(?s)```yaml\n(.*?)```", (ROOT / "docs" / "INSTRUCTORS.md").read_text())[1])["jobs"]["grade"]
    path = told["uses"].partition("@")[0].removeprefix("OWNER/NAME/")
    inputs = yaml.safe_load((ROOT / path).read_text())[True]["workflow_call"]["inputs"]
    assert {name for name, kind in inputs.items() if kind.get("required")} <= set(told["with"]) <= set(inputs)


def test_the_dev_container_builds_what_make_builds():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    target = container["onCreateCommand"].split()[1]
    assert target == ".venv/.ready"
    assert target.split("/")[1] in (ROOT / "Makefile").read_text()


def test_every_line_that_starts_jupyterlab_keeps_the_repository_as_its_root_and_opens_the_start_page():
    """`jupyter lab FOLDER` makes that folder the root, and links out of it lead nowhere."""
    for page in (ROOT / "README.md", ROOT / "Makefile"):
        for line in re.findall(r"(?m)^.*\bjupyter lab\b.*$", page.read_text(encoding="utf-8")):
            if "--" in line or page.name == "Makefile" or line.startswith("    "):
                assert (ROOT / re.search(r"--LabApp\.default_url=/lab/tree/(\S+)", line)[1]).is_file(), line
                assert not re.search(r"jupyter lab (?!-)\S", line), line
