"""Loading an application by its name: what is wrong is one line with culprit and cause."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from doug.demo import Demo
from doug.loader import AppNotLoaded, loadApp

GOOD = """
from doug import VoiceApp
class Menu(VoiceApp):
    def __start__(self): return []
class Unstarted(VoiceApp): pass
class Other: pass
def function(): pass
"""


class LoaderTests(SynchronousTestCase):
    """Modules in a folder of the test's own."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        before, modules = list(sys.path), set(sys.modules)
        sys.path.insert(0, str(self.folder))

        def restore() -> None:
            sys.path[:] = before
            for name in set(sys.modules) - modules:
                if name.startswith("load"):
                    del sys.modules[name]

        self.addCleanup(restore)

    def module(self, name: str, text: str) -> Path:
        """Writes a module."""
        path = self.folder / f"{name}.py"
        path.write_text(text)
        return path

    def refused(self, name: str, *words: str) -> str:
        """Loading it fails with one line that has these words."""
        with self.assertRaises(AppNotLoaded) as caught:
            loadApp(name)
        text = str(caught.exception)
        self.assertNotIn("\n", text)
        for word in words:
            self.assertIn(word, text)
        return text

    def test_theClassIsReturned(self) -> None:
        """Of a module, or of one in a package."""
        self.module("loadgood", GOOD)
        self.assertEqual(loadApp("loadgood.Menu").__name__, "Menu")
        self.assertIs(loadApp("doug.demo.Demo"), Demo)

    def test_aNameWithoutAClass(self) -> None:
        """What a name looks like is said."""
        for name in ("menu", "", ".", "a..b", "menu.", "my-module.Menu", "menu.py:Menu"):
            self.refused(name, repr(name), "module.Class")

    def test_aFileInsteadOfAModule(self) -> None:
        """The commonest slip is answered by what would be right."""
        before = Path.cwd()
        self.module("loadfile", GOOD)
        os.chdir(self.folder)
        self.addCleanup(os.chdir, before)
        self.refused("loadfile.py", "loadfile.MyApp")

    def test_noSuchModule(self) -> None:
        """The module that is missing, and where it was looked for."""
        self.refused("loadnowhere.Menu", "'loadnowhere'", str(Path.cwd()), "PYTHONPATH")
        self.refused("doug.nowhere.Menu", "'doug.nowhere'")

    def test_noSuchClass(self) -> None:
        """With the one that was meant, or those that are there."""
        path = self.module("loadgood", GOOD)
        self.refused("loadgood.Menue", "'Menue'", "did you mean 'Menu'", str(path))
        self.refused("loadgood.Xyz", "Menu, Unstarted")

    def test_noApplication(self) -> None:
        """A class, or something else, that does not derive from VoiceApp."""
        self.module("loadgood", GOOD)
        self.refused("loadgood.Other", "loadgood.Other", "doug.VoiceApp")
        self.refused("loadgood.function", "function", "doug.VoiceApp")

    def test_noStart(self) -> None:
        """A class without __start__ cannot answer a call."""
        self.module("loadgood", GOOD)
        self.refused("loadgood.Unstarted", "__start__")

    def test_anInitOfItsOwn(self) -> None:
        """Which the server cannot call; one that hands everything on is fine."""
        self.module(
            "loadinit",
            GOOD
            + "class Named(Menu):\n    def __init__(self, name): pass\n"
            + "class Passing(Menu):\n"
            + "    def __init__(self, *args, **kwargs): super().__init__(*args, **kwargs)\n",
        )
        self.refused("loadinit.Named", "__init__(self, name)", "__start__", "--args", "loadinit.py")
        self.assertEqual(loadApp("loadinit.Passing").__name__, "Passing")

    def test_anExceptionWhileImporting(self) -> None:
        """Module, class, cause, and the line of the module where it happened."""
        path = self.module("loadraises", "import json\n\nSETTINGS = json.loads('{')\n")
        self.refused("loadraises.Menu", "loadraises.Menu", "JSONDecodeError", f"{path}, line 3")

    def test_aModuleThatItImportsIsMissing(self) -> None:
        """It is not mistaken for the application's own."""
        path = self.module("loadneeds", "import loadnothere\n")
        self.refused("loadneeds.Menu", "'loadnothere'", "importing loadneeds", f"{path}, line 1")

    def test_aSyntaxError(self) -> None:
        """With the file and line of the mistake."""
        path = self.module("loadsyntax", "x = 1\ndef f(:\n")
        self.refused("loadsyntax.Menu", "SyntaxError", f"{path}, line 2")

    def test_aModuleThatExits(self) -> None:
        """A script without a main guard does not end the server with its own code."""
        self.module("loadexits", "raise SystemExit('usage: ...')\n")
        self.refused("loadexits.Menu", "SystemExit", "usage: ...")

    def test_aTextOfSeveralLines(self) -> None:
        """Is put on one."""
        self.module("loadlines", "raise ValueError('one\\ntwo')\n")
        self.refused("loadlines.Menu", "one two")
