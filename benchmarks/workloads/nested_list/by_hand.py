"""Rows of statements by hand to the dicts of the answer, whichever driver brought them: tuples of every kind will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Dicts = list[dict[str, Any]]


def tags_by_post(ids: Iterable[int], rows: Iterable[Any]) -> dict[int, Dicts]:
    """Rows of post, tag and name."""
    tags: dict[int, Dicts] = {id_: [] for id_ in ids}
    for post_id, id_, name in rows:
        tags[post_id].append({"id": id_, "name": name})
    return tags


def posts_with(
    posts: Iterable[Any],
    tags: Mapping[int, Dicts],
    comments: Iterable[Any],
    authors: Mapping[int, dict[str, Any]],
) -> Dicts:
    """Posts and comments whose last column is the author's key; the authors are there by key."""
    comments_of: dict[int, Dicts] = {id_: [] for id_ in tags}
    for post_id, id_, body, created_at, author_id in comments:
        comments_of[post_id].append(
            {"id": id_, "body": body, "created_at": created_at, "author": authors[author_id]}
        )
    return [
        {
            "id": id_,
            "title": title,
            "body": body,
            "created_at": created_at,
            "author": authors[author_id],
            "tags": tags[id_],
            "latest_comments": comments_of[id_],
        }
        for id_, title, body, created_at, author_id in posts
    ]


def posts_joined(posts: Iterable[Any], tags: Mapping[int, Dicts], comments: Iterable[Any]) -> Dicts:
    """Posts and comments whose last columns are the author's key and name."""
    comments_of: dict[int, Dicts] = {id_: [] for id_ in tags}
    for post_id, id_, body, created_at, author_id, name in comments:
        comments_of[post_id].append(
            {"id": id_, "body": body, "created_at": created_at, "author": {"id": author_id, "name": name}}
        )
    return [
        {
            "id": id_,
            "title": title,
            "body": body,
            "created_at": created_at,
            "author": {"id": author_id, "name": name},
            "tags": tags[id_],
            "latest_comments": comments_of[id_],
        }
        for id_, title, body, created_at, author_id, name in posts
    ]
