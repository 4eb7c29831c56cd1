"""How Sphinx makes the documentation's site: `make docs`, see DOC/api.md."""

from pathlib import Path

VERSION: dict[str, str] = {}
exec((Path(__file__).parents[1] / "doug" / "_version.py").read_text(), VERSION)

project = "Doug"
author = "the Doug project"
project_copyright = author
release = version = VERSION["__version__"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
myst_heading_anchors = 3  # links to headings as in the files themselves
highlight_language = "none"  # indented blocks are commands and output

html_theme = "furo"
html_title = f"Doug {release}"
html_copy_source = False
html_show_sourcelink = False
