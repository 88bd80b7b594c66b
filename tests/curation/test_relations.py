"""What a row says of the pictures it is bound to."""

from curation.relations import RELATIONS, relations_of


def bound(**groups):
    return {relation: groups.get(relation, []) for relation in RELATIONS}


def test_the_closest_relation_of_two_pictures_is_named_once_and_first():
    found = relations_of(bound(exact=[("a", "b")], same_sky=[("b", "c")], same_object=[("c", "b", "a")]))
    assert found == {
        "a": "exact:b,same_object:c",
        "b": "exact:a,same_sky:c",
        "c": "same_sky:b,same_object:a",
    }


def test_eight_of_a_large_group_are_named_in_any_order():
    names = [f"{number:04d}" for number in range(500)]
    found = relations_of(bound(same_object=[names]))
    assert found == relations_of(bound(same_object=[names[::-1]]))
    assert {len(text.split(",")) for text in found.values()} == {8}
    assert found["0499"].split(",")[0] == "same_object:0000" and "0003" not in found["0003"]


def test_a_picture_alone_has_none():
    assert relations_of(bound(same_sky=[("a",)])) == {}
