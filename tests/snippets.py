"""The snippets of a document: they run as pasted, one after the other, and print what they say they print."""

import re
import subprocess
import sys

MARK = "=== end of a block ==="


def blocks(text, language):
    """Return the fenced blocks of a language in a Markdown text."""
    every = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for found, block in every if found == language]


def run(python, folder):
    """Run blocks of Python in one fresh process, warnings being errors, in a folder; return what each has printed."""
    script = folder / "snippets.py"
    script.write_text("".join(f"{block}\nprint({MARK!r})\n" for block in python), encoding="utf-8")
    command = [sys.executable, "-W", "error", script.name]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout.split(MARK + "\n")[:-1]


def promised(block):
    """Return what a block says that it prints: the comments behind its calls of print."""
    return re.findall(r"^print\(.*\)  # (.+)$", block, re.MULTILINE)
