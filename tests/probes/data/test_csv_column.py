from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.probes.data.data import read_column


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "accounts.csv"


@pytest.mark.parametrize(
    "content",
    [
        b"id,name\n1,Ann\n2,Bob\n",
        b"id,name\r\n1,Ann\r\n2,Bob",
        b"\xef\xbb\xbfid,name\n1,Ann\n\n2,Bob\n\n",
        b'name,id\n"Ann, of\nCork",1\nBob,2\n',
    ],
    ids=["plain", "from Windows", "with a byte order mark and empty lines", "quoted"],
)
def test_a_column_is_read_row_after_row(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert list(read_column(path, "id")) == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "accounts.csv is empty, expected a header row with 'id'"),
        (b"idd,name\n", "accounts.csv has no column 'id', did you mean idd?"),
        (b"account,name\n", "accounts.csv has no column 'id', expected one of: account, name"),
        (b"name,id\nAnn,1\nBob\n", "accounts.csv has 1 columns in row 2 below its header, expected 2"),
        (b"id\n\xff\n", "accounts.csv is not UTF-8 text"),
        (b'id\n"1"x\n', "accounts.csv is not comma-separated"),
    ],
)
def test_an_unusable_file_has_a_reason(path: Path, content: bytes, expected: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"accounts\.csv") as error:
        list(read_column(path, "id"))
    assert expected in str(error.value)


def test_a_missing_file_has_a_reason(path: Path) -> None:
    with pytest.raises(ValueError, match=r"accounts\.csv cannot be read: No such file"):
        list(read_column(path, "id"))
