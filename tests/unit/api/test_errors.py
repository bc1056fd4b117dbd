"""Every error of the tree is a problem with a code of its own, and what a client must be told of is told."""

import inspect

import pytest

from upperbound import errors
from upperbound.api.errors import KINDS, kind_of
from upperbound.errors import UpperboundError

TREE = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, UpperboundError)]


@pytest.mark.parametrize("cls", TREE, ids=lambda cls: cls.__name__)
def test_every_class_of_errors_has_a_problem(cls: type[UpperboundError]) -> None:
    kind = kind_of(cls("it happened"))
    assert 400 <= kind.status < 600
    assert kind.code.replace("_", "").isalpha()
    assert kind.title


def test_codes_are_different_and_no_class_hides_another() -> None:
    codes = [kind.code for _, kind in KINDS]
    assert len(codes) == len(set(codes))
    for place, (cls, _) in enumerate(KINDS):
        hidden = [later.__name__ for later, _ in KINDS[place + 1 :] if issubclass(later, cls)]
        assert hidden == [], f"{cls.__name__} stands above {hidden}"
