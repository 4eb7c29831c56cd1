"""Packaging of Doug: metadata, packages, the twistd plug-in."""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
VERSION: dict[str, str] = {}
exec((HERE / "doug" / "_version.py").read_text(), VERSION)

EXTRAS = {
    "g722": ["G722>=1.2.4"],
    "formats": ["soundfile>=0.13"],
    "standard": ["doug[tls,websocket,g722,formats]"],  # what most want
    "dev": [
        "hypothesis>=6.100",
        "coverage[toml]>=7.5",
        "ruff>=0.8",
        "mypy>=1.13",
        "mypy-zope>=1.0.9",
        "import-linter>=2.1",
        "PyYAML>=6.0",
        "types-PyYAML>=6.0",
        "build>=1.2",
    ],
    "tls": ["twisted[tls]>=25.5"],
    "websocket": ["twisted[websocket]>=25.5"],
    "docs": [
        "sphinx>=8.1",
        "myst-parser>=4.0",
        "furo>=2024.8",
        "pydoctor>=25.4",
    ],
}

setup(
    name="doug",
    version=VERSION["__version__"],
    description="A telephony application server: a phone call as easy to program as a web page",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=[
        "doug",
        "doug.testing",
        "doug.testing.hostile",
        "doug.demo",
        "shtoom",
        "shtoom.agent",
        "shtoom.app",
        "shtoom.audio",
        "shtoom.codecs",
        "shtoom.doug",
        "shtoom.media",
        "shtoom.rtp",
        "shtoom.sdp",
        "shtoom.sip",
        "twisted.plugins",
    ],
    package_data={
        "doug": ["py.typed"],
        "doug.demo": ["prompts/*.wav"],
        "shtoom": ["py.typed"],
        "twisted.plugins": ["doug_plugin.py"],
    },
    scripts=[
        "scripts/shmessage.py",
        "scripts/shecho.py",
        "scripts/shtam.py",
        "scripts/shtoomcu.py",
        "scripts/testcall.py",
        "scripts/testcisco.py",
        "scripts/testdoug.py",
        "scripts/dougdemo.py",
        "scripts/shtoominfo.py",
    ],
    install_requires=[
        "twisted>=25.5",
        "zope.interface>=7.2",
        "numpy>=2.0",
        "pydub>=0.25.1",
        'audioop-lts>=0.2.1; python_version>="3.13"',
    ],
    extras_require=EXTRAS,
    zip_safe=False,
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Framework :: Twisted",
        "Intended Audience :: Developers",
        "Intended Audience :: Telecommunications Industry",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Communications :: Internet Phone",
        "Topic :: Communications :: Telephony",
        "Typing :: Typed",
    ],
)
