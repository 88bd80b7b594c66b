"""The keep policy: the same answer in any order, and no picture is ever lost."""

import random
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from curation import duplicates
from curation.duplicates import Candidate, Duplicate


def one(image_id, verdict="accept", valid=100, quality=90.0, of_counts=False, lettered=False, pipeline=0):
    return Candidate(image_id, verdict, valid, of_counts, quality, lettered, pipeline)


def resolve(frames, pixels, pairs):
    """Of pairs of one scale, where none is given."""
    return duplicates.resolve(frames, pixels, pairs if isinstance(pairs, dict) else dict.fromkeys(pairs, 1.0))


def test_the_larger_the_fuller_the_less_lossy_is_kept():
    pixels = {"a": "A", "b": "B", "c": "C", "d": "D"}
    pairs = [("A", "B"), ("A", "C"), ("A", "D"), ("B", "C"), ("B", "D"), ("C", "D")]
    frames = [one("a", valid=50), one("b", valid=90), one("c", quality=80.0), one("d")]
    assert resolve(frames, pixels, pairs) == {name: Duplicate("d", "same_rendering") for name in "abc"}


def test_lossless_is_kept_over_jpeg_and_the_smallest_name_breaks_ties():
    assert set(resolve([one("a"), one("b", quality=None)], {"a": "A", "b": "B"}, [("A", "B")])) == {"a"}
    assert set(resolve([one("b"), one("a")], {"a": "A", "b": "B"}, [("A", "B")])) == {"b"}


def test_the_finer_is_kept_where_it_shows_most_of_the_sky():
    # b is a in twice the size less a third of its sky, c is b in nearly the same: what a is to c follows
    frames = [one("a", valid=100), one("b", valid=268), one("c", valid=255)]
    pixels = {"a": "A", "b": "B", "c": "C"}
    assert set(resolve(frames, pixels, {("A", "B"): 2.0, ("B", "C"): 1.01})) == {"a", "c"}
    assert set(resolve(frames, pixels, {("A", "B"): 2.0, ("A", "C"): 2.0, ("B", "C"): 0.99})) == {"a", "c"}


def test_a_close_up_does_not_stand_for_the_sky_that_it_leaves_out():
    # b is half of a in twice the size
    frames = [one("a", valid=100), one("b", valid=200)]
    assert set(resolve(frames, {"a": "A", "b": "B"}, {("A", "B"): 2.0})) == {"b"}
    # where the policy thinks less of the whole it waits for a person, beside the close-up
    frames[0] = one("a", "review", valid=100)
    assert not resolve(frames, {"a": "A", "b": "B"}, {("A", "B"): 2.0})
    frames[0] = one("a", lettered=True, valid=100)
    assert set(resolve(frames, {"a": "A", "b": "B"}, {("A", "B"): 2.0})) == {"a"}


def test_a_lossy_copy_whose_void_is_not_known_for_one_is_a_copy_all_the_same():
    frames = [replace(one("a", valid=50), all_pixels=100), replace(one("b", "review", valid=100), all_pixels=100)]
    assert set(resolve(frames, {"a": "A", "b": "B"}, [("A", "B")])) == {"b"}


def test_an_enlarged_copy_does_not_push_out_its_original():
    for softened, kept in ((0.6, "a"), (0.9, "b")):
        frames = [replace(one("a", valid=100), sharpness=0.9), replace(one("b", valid=400), sharpness=0.9 * softened)]
        assert set("ab") - set(resolve(frames, {"a": "A", "b": "B"}, {("A", "B"): 2.0})) == {kept}


def test_what_was_made_of_counts_is_kept_over_a_picture_of_them_whatever_their_size():
    for pixels in (100, 400):
        frames = [one("a", valid=pixels), one("b", valid=80, of_counts=True)]
        assert set(resolve(frames, {"a": "A", "b": "B"}, [("A", "B")])) == {"a"}


def test_of_two_renderings_the_newer_is_kept():
    frames = [one("a", of_counts=True, pipeline=1), one("b", of_counts=True, pipeline=2)]
    assert set(resolve(frames, {"a": "A", "b": "B"}, [("A", "B")])) == {"a"}


def test_an_annotated_twin_is_never_the_one_that_stays():
    frames = [one("a", "review", valid=150), one("b", "accept", valid=100)]
    assert set(resolve(frames, {"a": "A", "b": "B"}, [("A", "B")])) == {"a"}
    # nor where the policy thinks less of the clean one, or nothing of the letters
    for verdict in ("accept", "review"):
        frames = [one("a", "accept", valid=900, lettered=True), one("b", verdict, valid=100)]
        assert set(resolve(frames, {"a": "A", "b": "B"}, [("A", "B")])) == {"a"}


def test_what_no_split_may_use_is_not_kept_in_place_of_what_one_does():
    # b holds all that a and c show, which are in two splits
    frames = [one("a", valid=100), replace(one("b", valid=900), unused=True), one("c", valid=100)]
    found = resolve(frames, {"a": "A", "b": "B", "c": "C"}, [("A", "B"), ("B", "C")])
    assert found == {"b": Duplicate("a", "same_rendering")}
    # a verdict says more
    frames[0] = frames[2] = one("a", "review")
    assert set(resolve(frames[:2], {"a": "A", "b": "B"}, [("A", "B")])) == {"a"}


def test_a_chain_loses_no_picture():
    # c matches b, which is dropped for a; c does not match a, so it stays
    frames = [one("a", valid=300), one("b", valid=200), one("c", valid=100)]
    found = resolve(frames, {"a": "A", "b": "B", "c": "C"}, [("A", "B"), ("B", "C")])
    assert found == {"b": Duplicate("a", "same_rendering")}


def test_copies_of_a_dropped_picture_point_to_what_is_kept():
    frames = [one("a", valid=300), one("b"), one("c")]
    found = resolve(frames, {"a": "A", "b": "B", "c": "B"}, [("A", "B")])
    assert found == {name: Duplicate("a", "same_rendering") for name in "bc"}
    assert resolve(frames, {"a": "A", "b": "B", "c": "B"}, []) == {"c": Duplicate("b", "exact")}


_frames = st.lists(
    st.tuples(st.sampled_from(["accept", "review", "reject"]), st.integers(1, 3), st.integers(0, 5)),
    min_size=1,
    max_size=14,
)


@settings(max_examples=150, deadline=None)
@given(_frames, st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12), st.integers(0, 99))
def test_any_order_gives_one_answer_and_every_duplicate_matches_a_kept_frame(entries, edges, seed):
    frames = [one(f"{n:02d}", verdict, pixels) for n, (verdict, pixels, _) in enumerate(entries)]
    pixels = {f"{n:02d}": f"P{digest}" for n, (_, _, digest) in enumerate(entries)}
    pairs = [(f"P{a}", f"P{b}") for a, b in edges if a != b]
    found = resolve(frames, pixels, pairs)
    shuffled, turned = frames[:], [(b, a) for a, b in reversed(pairs)]
    random.Random(seed).shuffle(shuffled)
    assert resolve(shuffled, pixels, turned) == found
    related = {frozenset(pair) for pair in pairs}
    for dropped, duplicate in found.items():
        assert duplicate.of not in found
        one_pixels, other = pixels[dropped], pixels[duplicate.of]
        assert one_pixels == other or frozenset((one_pixels, other)) in related
        assert (duplicate.kind == "exact") == (one_pixels == other)
