"""Fieldsets: from text to value and back, what is refused and how it is named."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, computed_field

from batchrepo import Fieldset, InvalidArgument, InvalidFields, Page, parse_fields
from batchrepo.plan.fieldsets import MAX_DEPTH, MAX_LENGTH, MAX_NAMES, check_fields, read_fields

# --- from text to value ----------------------------------------------------------------------------------

SAME = [
    ("id", "id"),
    ("title,id", "id,title"),
    (" id ,\n\ttitle\u00a0", "id,title"),
    ("id,id,id", "id"),
    ("artist(name)", "artist(name)"),
    ("artist.name", "artist(name)"),
    ("artist . name", "artist(name)"),
    ("artist.name,artist(id)", "artist(id,name)"),
    ("artist(id),title,artist(name)", "artist(id,name),title"),
    ("tracks(name,genre(name))", "tracks(genre(name),name)"),
    ("tracks.genre.name,tracks.name", "tracks(genre(name),name)"),
    ("tracks(genre.name,name)", "tracks(genre(name),name)"),
    ("tracks.genre(name),tracks(genre(id))", "tracks(genre(id,name))"),
    ("artist,artist(name)", "artist"),
    ("artist(name),artist", "artist"),
    ("artist.name,artist,artist.id", "artist"),
    ("tracks(genre),tracks.genre.name", "tracks(genre)"),
    ("größe,@id,first-name,名前,$ref", "$ref,@id,first-name,größe,名前"),
]


@pytest.mark.parametrize(("text", "canonical"), SAME)
def test_what_means_the_same_is_the_same(text: str, canonical: str):
    found = parse_fields(text)
    assert str(found) == canonical
    assert found == parse_fields(canonical)
    assert hash(found) == hash(parse_fields(canonical))
    assert repr(found) == f"<Fieldset {canonical}>"


def test_different_fieldsets_differ():
    texts = ["id", "id,title", "artist", "artist(id)", "artist(id,name)", "artist(id(x))"]
    assert len({parse_fields(text) for text in texts}) == len(texts)
    assert parse_fields("id") != {"id": None}


def test_a_fieldset_is_a_mapping():
    found = parse_fields("id,artist(name)")
    assert dict(found) == {"id": None, "artist": parse_fields("name")}
    assert list(found) == ["artist", "id"]
    assert len(found) == 2
    assert "id" in found
    assert "name" not in found
    assert found == Fieldset({"id": None, "artist": Fieldset({"name": None})})


def test_a_fieldset_survives_pickling():
    found = parse_fields("id,artist(name)")
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert hash(again) == hash(found)


def test_what_is_given_as_fields():
    found = parse_fields("id")
    assert read_fields(None) is None
    assert read_fields(found) is found
    assert read_fields("id") == found


Tree = dict[str, Any]
names = st.text(st.characters(exclude_characters="(),."), min_size=1, max_size=5).filter(
    lambda name: name == "".join(name.split())
)
trees = st.recursive(
    st.dictionaries(names, st.none(), min_size=1, max_size=3),
    lambda below: st.dictionaries(names, st.none() | below, min_size=1, max_size=3),
    max_leaves=10,
)


def depth(tree: Tree) -> int:
    return max((0 if below is None else 1 + depth(below)) for below in tree.values())


@st.composite
def written(draw: st.DrawFn, tree: Tree) -> str:
    """The tree as somebody may write it: in any order, with dots, spaces and repetitions."""
    items: list[str] = []
    for name, below in draw(st.permutations(list(tree.items()))):
        if below is None:
            items.append(name)
            continue
        for part in draw(st.permutations(list(below.items()))) if draw(st.booleans()) else [None]:
            inside = draw(written(below if part is None else dict([part])))
            dotted = "," not in inside and draw(st.booleans())
            items.append(f"{name}.{inside}" if dotted else f"{name}({inside})")
    space = draw(st.sampled_from(["", " ", "\n "]))
    return f"{space},{space}".join([*items, draw(st.sampled_from(items))])


def value(tree: Tree) -> Fieldset:
    return Fieldset({name: None if below is None else value(below) for name, below in tree.items()})


@given(st.data(), trees.filter(lambda tree: depth(tree) < MAX_DEPTH))
def test_any_way_to_write_it_is_the_same_value(data: st.DataObject, tree: Tree):
    text = data.draw(written(tree))
    if len(text) <= MAX_LENGTH:
        assert parse_fields(text) == value(tree)
        assert parse_fields(str(value(tree))) == value(tree)


@given(st.text(st.sampled_from("ab(),. \u2028é"), max_size=40))
def test_any_text_is_a_fieldset_or_refused(text: str):
    found: Fieldset | InvalidFields
    try:
        found = parse_fields(text)
    except InvalidFields as refusal:
        found = refusal
    if isinstance(found, InvalidFields):
        assert found.position is not None
        assert 0 <= found.position <= len(text)
    else:
        assert parse_fields(str(found)) == found


# --- what is refused -------------------------------------------------------------------------------------

WRONG = [
    ("", 0, "expected a name, but the text ends at character 1"),
    ("  ", 2, "expected a name, but the text ends at character 3"),
    (",", 0, "expected a name, but found ',' at character 1"),
    ("id,", 3, "expected a name, but the text ends at character 4"),
    ("id,,title", 3, "expected a name, but found ',' at character 4, near 'id,,title'"),
    ("()", 0, "expected a name, but found '(' at character 1"),
    ("artist()", 7, "expected a name, but found ')' at character 8"),
    ("artist(", 7, "expected a name, but the text ends at character 8"),
    ("artist.", 7, "expected a name, but the text ends at character 8"),
    ("artist..name", 7, "expected a name, but found '.' at character 8"),
    (".name", 0, "expected a name, but found '.' at character 1"),
    ("artist(name", 6, "a parenthesis is never closed at character 7"),
    ("a(b),c(d(e)", 6, "a parenthesis is never closed at character 7"),
    ("artist(name))", 12, "this parenthesis closes nothing at character 13"),
    ("artist.name)", 11, "this parenthesis closes nothing at character 12"),
    ("id title", 3, "expected ',', '.', '(' or ')', but found 'title' at character 4"),
    ("artist(name)id", 12, "expected ',' or ')', but found 'id' at character 13"),
    ("artist(name).id", 12, "expected ',' or ')', but found '.' at character 13"),
    ("artist(name)(id)", 12, "expected ',' or ')', but found '(' at character 13"),
]


@pytest.mark.parametrize(("text", "position", "message"), WRONG)
def test_where_a_text_goes_wrong_is_said(text: str, position: int, message: str):
    with pytest.raises(InvalidFields) as caught:
        parse_fields(text)
    assert caught.value.position == position
    assert str(caught.value).startswith(f"fields: {message}")
    assert "'id,title,artist(name)'" in str(caught.value)
    assert isinstance(caught.value, InvalidArgument)


def nested(levels: int) -> str:
    return "a(" * levels + "a" + ")" * levels


BOUNDS = [
    (",".join(["a"] * MAX_NAMES), ",".join(["a"] * (MAX_NAMES + 1)), f"more than {MAX_NAMES} names"),
    (nested(MAX_DEPTH), nested(MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels"),
    ("a." * MAX_DEPTH + "a", "a." * (MAX_DEPTH + 1) + "a", f"nested deeper than {MAX_DEPTH} levels"),
    (
        "a" * MAX_LENGTH,
        "a" * (MAX_LENGTH + 1),
        f"the text has {MAX_LENGTH + 1} characters; at most {MAX_LENGTH}",
    ),
]


@pytest.mark.parametrize(("allowed", "refused", "message"), BOUNDS, ids=["names", "depth", "dots", "length"])
def test_bounds(allowed: str, refused: str, message: str):
    parse_fields(allowed)
    with pytest.raises(InvalidFields, match=message):
        parse_fields(refused)


@pytest.mark.parametrize("fields", [1, b"id", ["id"], {"id": None}, True])
def test_something_else_than_a_text_is_refused(fields: Any):
    with pytest.raises(
        InvalidFields, match=r"fields= expects a text, such as 'id,title,artist\(name\)'; got "
    ):
        read_fields(fields)


@pytest.mark.parametrize("names", [{}, {1: None}, {"id": 1}, {"id": {"x": None}}])
def test_a_fieldset_of_something_else_than_names_is_refused(names: Any):
    with pytest.raises(InvalidFields):
        Fieldset(names)


# --- names of a view -------------------------------------------------------------------------------------


class Names(RootModel[list[str]]):
    pass


class Genre(BaseModel):
    id: int
    name: str


class Track(BaseModel):
    id: int
    title: str = Field(serialization_alias="trackTitle")
    genre: Genre | None


class Album(BaseModel):
    id: int
    tracks: list[Track]
    pages: Page[Track]
    secret: str = Field(exclude=True)
    hidden_if: int = Field(exclude_if=bool)
    words: Names

    @computed_field(alias="genreOfAll")
    @property
    def genre_of_all(self) -> Genre | None:
        return None

    def method(self) -> int:
        return 1

    @property
    def plain_property(self) -> int:
        return 1


@pytest.mark.parametrize(
    "fields",
    [
        "id,tracks,hidden_if,words,genreOfAll,pages",
        "tracks(trackTitle,genre(name))",
        "pages(trackTitle,genre.name)",
        "genreOfAll(name)",
    ],
)
def test_what_is_in_the_json_of_a_view_can_be_had(fields: str):
    check_fields(parse_fields(fields), Album)


def test_without_aliases_fields_have_their_own_names():
    check_fields(parse_fields("tracks.title,genre_of_all.id"), Album, by_alias=False)
    with pytest.raises(InvalidFields, match="Track has no field 'trackTitle'"):
        check_fields(parse_fields("tracks.trackTitle"), Album, by_alias=False)


REFUSED = [
    ("trakcs", "fields: Album has no field 'trakcs'. Did you mean 'tracks'?"),
    ("id,tracks(id,gener)", "fields: Track has no field 'gener' (in tracks). Did you mean 'genre'?"),
    ("tracks.genre.nam", "fields: Genre has no field 'nam' (in tracks.genre). Did you mean 'name'?"),
    ("pages.nam", "fields: Track has no field 'nam' (in pages). It has: genre, id, trackTitle."),
    ("pages.items", "fields: Track has no field 'items' (in pages). It has: genre, id, trackTitle."),
    ("id(x)", "fields: id of Album is a value, which has no fields. Write 'id' alone."),
    ("words(root)", "fields: words of Album is a value, which has no fields. Write 'words' alone."),
    (
        "tracks.genre.id.x",
        "fields: tracks.genre.id of Genre is a value, which has no fields. Write 'id' alone.",
    ),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_what_a_view_does_not_have_is_refused_with_the_near_names(fields: str, message: str):
    with pytest.raises(InvalidFields) as caught:
        check_fields(parse_fields(fields), Album)
    assert str(caught.value) == message
    assert caught.value.position is None


@pytest.mark.parametrize(
    "name",
    ["secret", "tracks(title)", "genre_of_all", "method", "plain_property", "__class__", "__dict__", "model_fields",
     "model_dump", "root", "ID", "*"],
)  # fmt: skip
def test_only_what_is_in_the_json_of_a_view_can_be_had(name: str):
    with pytest.raises(InvalidFields, match="has no field"):
        check_fields(parse_fields(name), Album)
