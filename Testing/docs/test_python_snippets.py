"""The Python that the pages show runs: the README's session with its results, the other blocks compile."""

from __future__ import annotations

import ast
import doctest

import pytest
from documentation import ROOT, code_blocks, name_of, pages

SESSION = "\n".join(
    code for language, code in code_blocks((ROOT / "README.md").read_text(encoding="utf-8")) if ">>>" in code
)
BLOCKS = [
    (name_of(page), code)
    for page in pages()
    for language, code in code_blocks(page.read_text(encoding="utf-8"))
    if language == "python" and ">>>" not in code
]


def test_the_readme_session_runs_as_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    test = doctest.DocTestParser().get_doctest(SESSION, {}, "README.md", "README.md", 0)
    assert len(test.examples) >= 6
    messages: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    result = runner.run(test, out=messages.append)
    assert result.failed == 0, "".join(messages)


@pytest.mark.parametrize(("page", "code"), BLOCKS, ids=[page for page, _ in BLOCKS])
def test_other_blocks_are_python(page: str, code: str):
    ast.parse(code, page)
