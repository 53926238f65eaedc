"""Splitting a policy file into its policies, with their lines."""

from hypothesis import given
from hypothesis import strategies as st

from policies.cedar import parse
from policies.statements import split

POLICIES = [
    "permit (principal, action, resource);",
    '@id("a;b")\n@reason("// no comment \\" ; ")\nforbid (principal, action, resource)\nwhen { context has x };',
    'permit (principal, action, resource == Service::"a//b;c") // trailing ; comment\n;',
]
BETWEEN = st.sampled_from(["", "\n", "  ", '// a comment; with "semicolon\n', "\r\n\n", "\t// x\n"])


def test_a_statement_begins_at_its_first_annotation() -> None:
    """Comments and blank lines before a policy are not part of it."""
    text = '// head\n\n@id("x")\npermit (principal, action, resource);\n// tail\n'
    (statement,) = split(text)
    assert (statement.line, statement.text) == (3, '@id("x")\npermit (principal, action, resource);')


def test_what_follows_the_last_semicolon_is_a_statement() -> None:
    """A policy without its semicolon is not forgotten: it is there to be refused."""
    assert [statement.text for statement in split("permit (principal, action, resource);\nforbid (")][-1] == "forbid ("


def test_a_file_of_comments_has_no_statements() -> None:
    """Comments and white space alone say nothing."""
    assert split("// permit (principal, action, resource);\n \n") == []


def test_the_line_of_a_word_is_where_it_stands() -> None:
    """A mistake inside a policy points at its own line, and at the policy's first when the word is not there."""
    (statement,) = split("\nforbid (principal, action, resource)\nwhen {\n  context.amount > 1 };")
    assert statement.line_of("amount") == 4
    assert statement.line_of("amoun") == 2


@given(st.lists(st.tuples(BETWEEN, st.sampled_from(POLICIES)), max_size=6), BETWEEN)
def test_every_policy_is_found_whatever_stands_between(parts: list[tuple[str, str]], end: str) -> None:
    """As many statements as policies, in order, each of which Cedar reads, each on its line."""
    text = "".join(between + policy for between, policy in parts) + end
    found = split(text)
    assert [statement.text for statement in found] == [policy for _, policy in parts]
    lines = text.replace("\r\n", "\n").split("\n")
    for statement in found:
        parse(statement.text)
        assert statement.text.split("\n")[0] in lines[statement.line - 1]


@given(st.text(alphabet='permit();"\\/ \n@', max_size=60))
def test_no_text_is_lost(text: str) -> None:
    """Whatever the text, what is in no statement is white space, comments or lone semicolons' surroundings."""
    rest = text
    for statement in split(text):
        before, _, rest = rest.partition(statement.text)
        outside = [line.split("//")[0].strip() for line in before.split("\n")]
        assert not any(outside), (text, before)
