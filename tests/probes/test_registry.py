from __future__ import annotations

import typing

import pytest

from alertdrill.probes.registry import PROBES, AnyProbe


@pytest.mark.parametrize("kind", PROBES)
def test_a_kind_in_a_file_is_the_file_and_the_class(kind: str) -> None:
    settings = PROBES[kind]
    assert settings.model_fields["kind"].default == kind
    assert settings.__module__ == f"alertdrill.probes.{kind}"
    assert settings.__name__.lower() == kind


def test_a_file_may_hold_every_kind_of_the_table() -> None:
    union, _ = typing.get_args(AnyProbe)
    assert set(typing.get_args(union)) == set(PROBES.values())
