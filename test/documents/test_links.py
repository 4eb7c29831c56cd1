"""Links lead somewhere; what documents say about files, commands and requirements is so."""

from __future__ import annotations

import ast
import re

from twisted.trial.unittest import SynchronousTestCase

from test.documents.markdown import ROOT, Document, documents


class LinkTests(SynchronousTestCase):
    """Links within the project."""

    def test_everyRelativeLinkLeadsToAFile(self) -> None:
        """And to a heading of it, where it names one."""
        for document in documents():
            for link in document.links:
                if "://" in link:
                    continue
                name, _, anchor = link.partition("#")
                target = (document.path.parent / name).resolve() if name else document.path
                self.assertTrue(target.is_file(), f"{document.name}: {link}")
                if anchor:
                    anchors = Document(str(target.relative_to(ROOT))).anchors
                    self.assertIn(anchor, anchors, f"{document.name}: {link}")

    def test_everyGuideIsFoundFromTheREADME(self) -> None:
        """Or CONTRIBUTING.md, or the index of the guides."""
        entrances = [Document("README.md"), Document("CONTRIBUTING.md")]
        named = {name for page in entrances for name in (*page.links, *page.spans)}
        index = ROOT / "DOC" / "index.md"
        contents = index.read_text().split() if index.exists() else []
        for document in documents():
            if document.path.parent == ROOT / "DOC" and document.path != index:
                found = document.name in named or document.path.stem in contents
                self.assertTrue(found, f"nothing leads to {document.name}")


class CommandTests(SynchronousTestCase):
    """What can be typed."""

    def test_everyTargetOfMakeExists(self) -> None:
        """`make run`, `make test` and the like."""
        rules = re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        targets = {target for rule in rules for target in rule.split()}
        for document in documents():
            named = re.findall(r"(?:^    |`)make ([a-z][\w-]*)", document.text, re.MULTILINE)
            self.assertLessEqual(set(named), targets, document.name)

    def test_everyVariableOfMakeExists(self) -> None:
        """`PORT=` and the like, as the README has them."""
        variables = set(re.findall(r"^(\w+) \?=", (ROOT / "Makefile").read_text(), re.MULTILINE))
        named = set(re.findall(r"\b([A-Z]+)=", Document("README.md").text))
        self.assertLessEqual(named, variables)

    def test_everyFolderAndModuleExists(self) -> None:
        """`doug/`, `shtoom/media/`, `doug.testing`, `DOC/testing.md` where they are named."""
        for document in documents():
            for span in document.spans:
                if re.fullmatch(r"(doug|shtoom|test|scripts|DOC|twisted)/(?!_)[\w/.]*", span):
                    self.assertTrue((ROOT / span).exists(), f"{document.name}: {span}")
                if re.fullmatch(r"(doug|shtoom)(\.[a-z]\w*)+", span):
                    path = ROOT / span.replace(".", "/")
                    exists = path.is_dir() or path.with_suffix(".py").is_file()
                    self.assertTrue(exists, f"{document.name}: {span}")


class RequirementTests(SynchronousTestCase):
    """DOC/dependencies.md and setup.py."""

    def test_theTableHasWhatSetupRequires(self) -> None:
        """Each requirement with its version, and no other."""
        required: list[str] = []
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
            if isinstance(node, ast.keyword) and node.arg == "install_requires":
                required = ast.literal_eval(node.value)
        table = re.findall(r"^\| `([^`]+)`", Document("DOC/dependencies.md").text, re.MULTILINE)
        self.assertEqual([re.split("[>;]", name)[0] for name in required], names(table))
        for line, requirement in zip(table, required, strict=True):
            self.assertTrue(requirement.startswith(line), f"{line}, required: {requirement}")


def names(requirements: list[str]) -> list[str]:
    """Without their versions."""
    return [requirement.split(">")[0] for requirement in requirements]
