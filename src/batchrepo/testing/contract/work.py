"""How many statements a relation may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import class_mapper

from batchrepo.testing.contract.oracle import Related, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.testing.contract.cases import RelationCase


def allowed_statements(case: RelationCase, owners: Sequence[Any], expected: Related) -> set[int]:
    """How many statements the relation of these owners may take, when the scope holds nothing but them.

    One number, except where nothing is found and whether that can be known beforehand is a matter of wit.
    """
    if not owners:
        return {0}
    if not case.is_equality:
        return {1} if any(expected.values()) else {0, 1}
    keys = {tuple(getattr(owner, name) for name in case.local_attributes) for owner in owners}
    complete = {key for key in keys if None not in key}
    if not case.leads_to_primary_key:
        return {1} if complete else {0}
    # Only a relation within one hierarchy can lead to an owner, which the scope holds already.
    if class_mapper(case.owner).base_mapper is not case.target.base_mapper:
        return {1} if complete else {0}
    held = {key_of(owner): owner for owner in owners}
    if complete - held.keys():
        return {1}
    of_other_class = any(not isinstance(held[key], case.target.class_) for key in complete)
    return {0, 1} if of_other_class else {0}
