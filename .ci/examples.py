#!/usr/bin/env python3
"""Looks whether each public item of the libraries is shown in use: examples.py FOLDER

- What rustdoc counts (`--show-coverage`, with all features): each function, method, type and trait of a public module has
  an example.
- What it leaves out is defined in a private module and re-exported. So each page that cargo doc has written to FOLDER (of a
  type, a trait, a macro, a function) shows an example, its own or one of its methods, or its text links to a page of a
  library of ours that shows one.
- Neither says that the example of a type calls each of its methods. So the name of each function and method stands in the
  code of an example of a library: a function's anywhere, a method's behind `.`, `::` or `fn`. Of two methods that have one
  name, one is enough.
"""
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = ["Cargo.toml", "http-hyper/Cargo.toml"]
CODE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGE = re.compile(r"(struct|enum|union|trait|macro|fn)\.\w+\.html")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    libraries = [(manifest, name) for manifest in MANIFESTS for name in published_libraries(manifest)]
    # First, as cargo removes the pages of a library for which it runs rustdoc with other flags.
    without = pages_without(Path(sys.argv[1]), [name for _, name in libraries])
    without += [item for library in libraries for item in items_without(*library)]
    without += names_without([described(*library) for library in libraries])
    for item in without:
        print("no example: " + item)
    if without:
        sys.exit(1)
    print("examples: each public item of %d libraries is shown in use" % len(libraries))


def published_libraries(manifest):
    metadata = json.loads(cargo("metadata", "--no-deps", "--format-version", "1", manifest=manifest).stdout)
    is_library = lambda package: any("lib" in target["kind"] for target in package["targets"])
    return [package["name"] for package in metadata["packages"] if package["publish"] is None and is_library(package)]


def items_without(manifest, library):
    """Where the items stand that rustdoc counts as without an example."""
    counted = rustdoc(manifest, library, "--show-coverage", "--output-format", "json")
    files = json.loads(counted.stdout)
    missing = {name: file["total_examples"] - file["with_examples"] for name, file in files.items()}
    if not any(missing.values()):
        return []
    # The lint says where they are. It tells of blocks of methods, too, which have none by themselves.
    lint = ["--cap-lints", "warn", "-Zcrate-attr=feature(rustdoc_missing_doc_code_examples)"]
    linted = rustdoc(manifest, library, *lint, "-Wrustdoc::missing_doc_code_examples")
    places = re.findall(r"^(\S+):(\d+):\d+: warning: missing code example", linted.stderr, re.MULTILINE)
    folder = Path(manifest).parent
    items = ["%s:%s: %s" % (folder / file, line, source_line(folder / file, int(line))) for file, line in places]
    items = [item for item in items if ": impl" not in item]
    return items + ["%s: %d items by rustdoc's count" % (folder / name, n) for name, n in missing.items() if n]


def described(manifest, library):
    """What rustdoc's JSON has of the library, and the folder that its files are named from."""
    rustdoc(manifest, library, "--output-format", "json", "--cap-lints", "allow")
    metadata = json.loads(cargo("metadata", "--no-deps", "--format-version", "1", manifest=manifest).stdout)
    path = Path(metadata["target_directory"]) / "doc" / (library.replace("-", "_") + ".json")
    return Path(manifest).parent, json.loads(path.read_text())


def names_without(libraries):
    """Where the functions and methods stand whose names are in the code of no example of any library."""
    docs = [item["docs"] or "" for _, library in libraries for item in library["index"].values()]
    code = "\n".join(example for text in docs for example in CODE.findall(text))
    words, methods = set(re.findall(r"\w+", code)), set(re.findall(r"(?:\.|::|\bfn )(\w+)", code))
    missing = {}
    for folder, library in libraries:
        for name, item, is_method in functions(library["index"], library["root"]):
            if name not in (methods if is_method else words):
                place = "%s:%d" % (folder / item["span"]["filename"], item["span"]["begin"][0])
                missing[place] = "%s: fn %s stands in no example" % (place, name)
    return list(missing.values())


def functions(index, number, name=None, is_method=False):
    """The public functions and methods below an item, each with the name that it is exported by."""
    item = index.get(str(number))
    if item is None or item["crate_id"] != 0:
        return
    (kind, inner), = item["inner"].items()
    below = []
    if kind == "function":
        yield name or item["name"], item, is_method
    elif kind == "module":
        below = [(id, None, False) for id in inner["items"]]
    elif kind == "use":
        below = [(inner["id"], None if inner["is_glob"] else inner["name"], False)]
    elif kind == "trait":
        below = [(id, None, True) for id in inner["items"]]
    elif kind in ("struct", "enum", "union"):
        impls = [index[str(id)]["inner"]["impl"] for id in inner["impls"] if str(id) in index]
        below = [(id, None, True) for impl in impls if not impl["trait"] for id in impl["items"]]
    for it in below:
        yield from functions(index, *it)


def source_line(path, number):
    return (ROOT / path).read_text().splitlines()[number - 1].strip()


def rustdoc(manifest, library, *flags):
    return cargo(
        *["rustdoc", "--quiet", "--message-format", "short", "--package", library, "--lib", "--all-features"],
        *["--", "-Zunstable-options", *flags],
        manifest=manifest,
    )


def cargo(command, *arguments, manifest):
    """Runs it, with a rustdoc that may do what nightly compilers do."""
    environment = {**os.environ, "RUSTDOC": str(ROOT / "api/rustdoc")}
    words = ["cargo", command, "--locked", "--manifest-path", str(ROOT / manifest), *arguments]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("%s: %s" % (" ".join(words), done.stderr))
    return done


def pages_without(folder, libraries):
    folders = [folder / library.replace("-", "_") for library in libraries]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.html")) if PAGE.fullmatch(path.name)]
    pages = {path: Page(path) for path in paths}
    shown = {path for path, page in pages.items() if page.has_example}
    # A link across libraries may lead to the page of a private module, which leads on to that of the item.
    shown |= {path for path, page in pages.items() if page.is_redirect and page.links & shown}
    bare = [path for path, page in pages.items() if not page.is_redirect and not shown & ({path} | page.links)]
    return [str(path.relative_to(folder)) for path in bare]


class Page(HTMLParser):
    """A page of rustdoc's: whether it shows an example, and where its texts link to."""

    def __init__(self, path):
        super().__init__()
        self.folder, self.links, self.depth = path.parent, set(), 0
        text = path.read_text()
        self.has_example = "rust-example-rendered" in text
        self.is_redirect = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "meta" and attributes.get("http-equiv") == "refresh":
            self.is_redirect = True
            self.link(attributes["content"].partition("URL=")[2])
        if tag == "div" and (self.depth or "docblock" in attributes.get("class", "").split()):
            self.depth += 1
        if tag == "a" and self.depth:
            self.link(attributes.get("href", ""))

    def handle_endtag(self, tag):
        if tag == "div" and self.depth:
            self.depth -= 1

    def link(self, target):
        self.links.add(Path(os.path.normpath(self.folder / target.partition("#")[0])))


main()
