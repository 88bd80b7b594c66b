import pytest
from fake_archive import Answer, FakeHost

from manifests.errors import UsageError
from manifests.settings import Settings
from scrapers.sky import separation
from scrapers.targets import find, resolve, table


def test_all_of_messier_and_places_that_exist() -> None:
    assert [target.name for target in table()][:110] == [f"M{number}" for number in range(1, 111)]
    for target in table():
        assert 0 <= target.ra < 360 and -90 <= target.dec <= 90
    names = [target.name for target in table()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "ra", "dec"),
    [
        # positions by SIMBAD and NED
        ("M101", 210.8023, 54.3489),
        ("M51", 202.4696, 47.1952),
        ("M13", 250.4235, 36.4613),
        ("NGC 1300", 49.9208, -19.4114),
        ("NGC 3372", 161.265, -59.6845),
        ("30 Doradus", 84.6767, -69.1009),
        ("HUDF", 53.1625, -27.7914),
        ("Abell 2744", 3.5863, -30.4),
        ("Stephan's Quintet", 338.99, 33.96),
    ],
)
def test_places(name: str, ra: float, dec: float) -> None:
    target = find(name)
    assert target is not None
    assert separation(target.ra, target.dec, ra, dec) < 0.01


@pytest.mark.parametrize("name", ["m 101", "Messier 101", "NGC5457", "ngc 05457", "Pinwheel Galaxy", "the pinwheel"])
def test_one_object_by_its_names(name: str) -> None:
    target = find(name)
    assert target is not None and target.name == "M101"


def test_a_name_of_two_objects_is_neither() -> None:
    assert find("Butterfly") is None
    assert find("Butterfly Nebula") != find("Butterfly Cluster")
    assert find("M2-9") is None  # Minkowski's, not Messier 29


def test_sesame_is_asked_for_what_the_table_lacks(host: FakeHost, quick: Settings) -> None:
    host.say(
        "/A", b"# zz Ceti\n#=S=Simbad:    1\n%@ 123\n%J 23.4567 -11.3400 = 01:33:49 -11:20:24\n%I.0 V* zz\n#====Done\n"
    )
    target = resolve("zz Ceti", quick.model_copy(update={"sesame_url": host.url}))
    assert (target.ra, target.dec) == (23.4567, -11.34)
    assert host.asked("/A") == ["/A?zz%20Ceti"]


@pytest.mark.parametrize("answer", [Answer(b"# Wirlpool\n#!S=Simbad: Nothing found\n#====Done\n"), Answer(status=500)])
def test_an_unknown_target_is_one_sentence_with_near_names(host: FakeHost, quick: Settings, answer: Answer) -> None:
    host.say("/A", answer)
    with pytest.raises(UsageError, match=r"Wirlpool.*--ra and --dec.*Near names: Whirlpool Galaxy") as caught:
        resolve("Wirlpool", quick.model_copy(update={"sesame_url": host.url}))
    assert caught.value.exit_code == 2
    assert len(host.asked("/A")) == 1


def test_a_resolver_that_cannot_be_reached_is_one_sentence(quick: Settings) -> None:
    with pytest.raises(UsageError, match=r"cannot be reached.*Give --ra and --dec"):
        resolve("Xyzzy", quick.model_copy(update={"sesame_url": "http://127.0.0.1:9"}))
