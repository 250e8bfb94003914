"""Links of pages as a reader of the repository follows them, to where they lead in the built documentation.

A page links to files: `[GAT](../tgnn/models/message_passing/gat.py)`. In the built pages that is the highlighted
source, and a link to the README of an experiment is its page.
"""

import posixpath
import re
import shutil
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")
SHOWN = "tgnn", "experiments"  # whose source has pages


def source_files() -> list[Path]:
    """The Python files that have a page, relative to the project."""
    return sorted(path.relative_to(ROOT) for folder in SHOWN for path in (ROOT / folder).rglob("*.py"))


def source_pages(app):
    """A page for each source file: name, context and template, as Sphinx collects them."""
    for path in source_files():
        code = highlight((ROOT / path).read_text(encoding="utf-8"), PythonLexer(), HtmlFormatter())
        yield f"source/{path.with_suffix('')}", {"title": str(path), "body": f"<h1>{path}</h1>{code}"}, "page.html"


def rewritten(text: str, folder: str, page: str) -> str:
    """The text with its links to files of the project as links of the built pages.

    Args:
        text: Markdown.
        folder: in which its links are meant, relative to the project, such as "experiments/citation".
        page: its name in the documentation, such as "experiments/citation".

    Raises:
        ValueError: if a link leads to nothing.
    """

    def link(match: re.Match) -> str:
        shown, target = match[1], match[2].split("#")[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if not (ROOT / path).exists():
            raise ValueError(f"{page}: the link {match[0]} leads to {path}, which is not there; mend the link")
        here = posixpath.dirname(page)
        if path.endswith(".py") and path.split("/")[0] in SHOWN:
            return f'<a href="{posixpath.relpath(f"source/{path[:-3]}.html", here or ".")}">{shown}</a>'
        readme = re.fullmatch(r"experiments/(\w+)/README\.md", path)
        if readme:
            return f"[{shown}]({posixpath.relpath(f'experiments/{readme[1]}.md', here or '.')})"
        if path.startswith("docs/"):
            return match[0] if folder.startswith("docs") else f"[{shown}]({posixpath.relpath(path[5:], here or '.')})"
        return shown  # a folder, or a file that has no page

    return LINK.sub(link, text)


def rewrite(app, docname: str, source: list[str]) -> None:
    """The links of a page of this folder; generated pages hold theirs already."""
    if not docname.startswith(("experiments/", "reference/", "notebooks/")):
        source[0] = rewritten(source[0], posixpath.dirname(f"docs/{docname}"), docname)


def write_readmes(docs: Path) -> None:
    """The README of each experiment as a page, its figures beside it, and the list of them."""
    folder = docs / "experiments"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    names = sorted(path.parent.name for path in (ROOT / "experiments").glob("*/README.md"))
    for name in names:
        text = (ROOT / "experiments" / name / "README.md").read_text(encoding="utf-8")
        (folder / f"{name}.md").write_text(
            rewritten(text, f"experiments/{name}", f"experiments/{name}"), encoding="utf-8"
        )
        for image in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text):
            (folder / image).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / "experiments" / name / image, folder / image)
    head = "# Experiments\n\nEach is one command with `--help`; each page says what came out.\n"
    index = "\n".join([head, "```{toctree}", *names, "```", ""])
    (folder / "index.md").write_text(index, encoding="utf-8")
