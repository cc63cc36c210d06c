"""Small on purpose: nothing grows past what can be read at once."""

from tests.architecture.source import source_files

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
FILES = source_files("webui", "launcher")


def test_every_file_parses_on_the_oldest_python() -> None:
    for file in FILES:
        file.tree()


def test_no_long_file() -> None:
    lengths = {str(file): len(file.text.splitlines()) for file in FILES}
    long = [f"{name}: {n} lines" for name, n in lengths.items() if n > MAX_FILE_LINES]
    assert not long, "\n".join(long)


def test_no_long_function() -> None:
    long = [
        f"{file}:{line} {name}: {n} lines"
        for file in FILES
        for name, line, n in file.functions()
        if n > MAX_FUNCTION_LINES
    ]
    assert not long, "\n".join(long)
