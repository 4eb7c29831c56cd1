"""The documents of the project, cut into what tests look at: blocks, links, code in the text.

Lives here: as much of Markdown as the documents use. Not here: what is true of it (the tests).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")

_FENCE = re.compile(r"```(\S*)$")
_HEADING = re.compile(r"#+ (.+)$")
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`]+)`")


class Block(NamedTuple):
    """Fenced code. line: of its fence. heading: the nearest one above it."""

    line: int
    heading: str
    language: str
    text: str


class Document:
    """One file. name: from the root, "DOC/testing.md". text: all of it. prose: without blocks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = ROOT / name
        self.text = self.path.read_text(encoding="utf-8")
        self.blocks: list[Block] = []
        self.headings: list[str] = []
        self.prose = "\n".join(self._read(iter(enumerate(self.text.splitlines(), 1))))

    def _read(self, lines: Iterator[tuple[int, str]]) -> Iterator[str]:
        for number, line in lines:
            if heading := _HEADING.match(line):
                self.headings.append(heading[1])
            if fence := _FENCE.match(line):
                code = []
                for _, inside in lines:
                    if inside == "```":
                        break
                    code.append(f"{inside}\n")
                above = self.headings[-1] if self.headings else ""
                self.blocks.append(Block(number, above, fence[1], "".join(code)))
            else:
                yield line

    @property
    def links(self) -> list[str]:
        """Where its links lead."""
        return _LINK.findall(self.prose)

    @property
    def spans(self) -> list[str]:
        """Code in the text, a line break within it as a space."""
        return [" ".join(span.split()) for span in _SPAN.findall(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """What a link to a heading may name."""
        return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in self.headings}

    def section(self, heading: str) -> str:
        """The prose under a heading, up to the next one."""
        _, _, rest = self.prose.partition(f"# {heading}\n")
        return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def documents() -> list[Document]:
    """All that a reader finds: the pages at the root, and DOC/."""
    guides = [f"DOC/{path.name}" for path in sorted((ROOT / "DOC").glob("*.md"))]
    return [Document(name) for name in (*PAGES, *guides)]
