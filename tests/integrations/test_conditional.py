"""Entity tags and `If-None-Match`, as RFC 9110 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrepo.integrations.conditional import is_known
from batchrepo.plan.pages import etag_of

TAG = 'W/"a"'


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ([], False),
        ([""], False),
        (['W/"a"'], True),
        (['"a"'], True),  # weak comparison: strong or weak is the same
        (['"b"'], False),
        (['"b", W/"a"'], True),
        (['"b",W/"a","c"'], True),
        (['"b"', '"a"'], True),  # two headers are one list
        (["*"], True),
        ([" * "], True),
        (['"*"'], False),  # the tag *, not any tag
        (["a"], False),  # no tag without its quotes
        (['"a'], False),
        (['w/"a"'], True),  # W/ counts in upper case only, and what follows it is a tag
        (['"x,W/", "a"'], True),  # a comma may be a part of a tag
        (['W/"A"'], False),
    ],
)
def test_what_the_client_has(told, known):
    assert is_known(TAG, told) is known


def test_a_strong_tag_is_compared_weakly_too():
    assert is_known('"a"', ['W/"a"'])


@given(st.binary(), st.binary())
def test_equal_bytes_have_equal_tags_and_no_others(one, other):
    assert is_known(etag_of(one), [etag_of(other)]) is (one == other)


@given(st.text())
def test_whatever_a_client_sends_is_no_error(told):
    is_known(TAG, [told])
