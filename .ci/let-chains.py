"""Prints each `if let .. && ..` of the Rust files given: a let chain, which needs Rust 1.88. Exits with 1 if there is one."""
import re
import sys

OPEN, CLOSE = "([", ")]"


def chains(text):
    for start in re.finditer(r"\b(?:if|while)\s+(?:let\b|[^{;]*?&&\s*let\b)", text):
        depth = 0
        for at in range(start.start(), len(text)):
            if text[at] in OPEN:
                depth += 1
            elif text[at] in CLOSE:
                depth -= 1
            elif depth == 0 and text[at] in "{;":
                break
            elif depth == 0 and text.startswith("&&", at):
                yield text.count("\n", 0, start.start()) + 1
                break
            if depth < 0:
                break


def main():
    found = False
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            text = re.sub(r"//[^\n]*|'(?:[^'\\\n]|\\.)'|\"(?:[^\"\\]|\\.)*\"",
                          lambda part: re.sub(r"[^\n]", " ", part.group()), file.read())
        for line in chains(text):
            print(f"{path}:{line}: a let chain")
            found = True
    sys.exit(found)


main()
