"""Sphinx's settings of the course's site. `site/build.py` lays the pages out beside this file and calls Sphinx."""

import json
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

facts = json.loads((Path(__file__).parent / "facts.json").read_text(encoding="utf-8"))  # what build.py knows of the repository
project = html_title = "The GAN course"
author = copyright = "the authors of the GAN course"
release = version = facts["version"]
extensions = ["myst_nb"]
exclude_patterns = ["_build"]
nb_execution_mode = "off"  # pages show the stored outputs
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4  # the anchors that GitHub gives headings
myst_dmath_double_inline = True
html_baseurl = facts["address"]
html_theme = "sphinx_book_theme"
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["site.css"]
html_js_files = [("site.js", {"type": "module"})]
html_show_sourcelink = html_copy_source = html_use_index = False
html_theme_options = {
    "repository_url": f"https://github.com/{facts['repository']}",
    "repository_branch": facts["ref"],
    "path_to_docs": "",
    "use_repository_button": True,
    "use_download_button": False,
    "home_page_in_toc": True,
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "notebook_interface": "jupyterlab",
    },
}
DESCRIPTION = 200  # letters of a description that other sites show


def formula(visitor, node) -> None:
    """A formula as MathML, which every browser draws by itself: nothing is loaded for it."""
    tex = re.sub(r"\\[bB]igg?(?=[^a-zA-Z])", "", node.astext())  # MathML's own brackets grow
    block = isinstance(node, nodes.math_block)
    mathml = tex2mathml(tex, as_block=block)
    visitor.body.append(f'<div class="formula">{mathml}</div>' if block else mathml)
    raise nodes.SkipNode


def social(app, pagename, templatename, context, doctree) -> None:
    """What another site shows where somebody puts a link to a page (the Open Graph protocol)."""
    title = re.sub(r"<[^>]+>", "", context.get("title", "")) or project
    told = (p.astext() for p in (doctree.findall(nodes.paragraph) if doctree else ()))
    words = next((text for text in told if len(text) > 80 and "→" not in text), "")  # not the line of ways to the neighbours
    words = re.sub(r"\s+", " ", words) or facts["description"]
    if len(words) > DESCRIPTION:
        words = words[:DESCRIPTION].rsplit(" ", 1)[0] + " …"
    about = {
        "og:title": title,
        "og:type": "website",
        "og:site_name": project,
        "og:url": context.get("pageurl") or facts["address"],
        "og:description": words,
        "og:image": f"{facts['address']}_static/playground.png",
        "og:image:alt": "The playground: real points, fakes with arrows, and D's opinion as the ground",
        "twitter:card": "summary_large_image",
    }
    escape = app.builder.templates.environment.filters["e"]
    tags = "".join(f'<meta property="{name}" content="{escape(text)}">' for name, text in about.items())
    tags += f'<meta name="description" content="{escape(words)}">'
    if pagename == "404":  # it is shown at addresses of any depth
        tags = f'<base href="/{facts["address"].split("/", 3)[3]}">' + tags
    context["metatags"] = tags + context.get("metatags", "")


def setup(app) -> None:
    app.add_html_math_renderer("mathml", inline_renderers=(formula, None), block_renderers=(formula, None))
    app.connect("html-page-context", social)


html_math_renderer = "mathml"
