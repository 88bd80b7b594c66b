"""What an outreach site has beside clean observations, and what is wrong with some of its files and pages.

Every fourth observation has a companion in its release: an annotated twin, a chart, a portrait, a detail of itself,
some of them typed as what they are not. Some pictures have a trouble that real sites are known for. All of it is made
up, and fixed by the order of the pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scrapers.replica.outreach import Picture

# Kind of picture, its title, ESA/Hubble's type of it, HubbleSite's.
_COMPANIONS = (
    ("annotated", "{}, with labels", "Observation", "Annotated Observations"),
    ("diagram", "How {} was measured", "Observation", "Infographics"),
    ("detail", "Detail of {}", "Observation", "Observations"),
    ("portrait", "The people who took {}", "Photographic", "Photographs"),
    ("chart", "The spectrum of {}", "Chart", "Spectra"),
    ("gray", "{} through one filter", "Observation", "Observations"),
    ("collage", "Four views of {}", "Collage", "Observations"),
    ("portrait", "The discoverer of {}", "Observation", "Observations"),
    ("planet", "A planet before {}", "Planetary", "Observations"),
    ("poster", "A card with {}", "Artwork", "Artwork"),
    ("simulation", "{} in a computer", "Simulation", "Artwork"),
    ("wide_field", "The sky around {} from the ground", "Observation", "Observations"),
    ("spacecraft", "The telescope that saw {}", "Photographic", "Photographs"),
)
# What befalls every second observation that STScI released, in this order, each once:
TROUBLES = (
    "untyped",  # its files come without a Content-Type
    "vast",  # ESA/Hubble's original has gigapixels and would be some gigabytes, its copies stand in for it
    "lost",  # its files are not there
    "print_only",  # HubbleSite offers nothing but files for printing
    "bomb",  # a file of HubbleSite unpacks to far more pixels than its page states
    "rough",  # only the position is known: no scale, and the table of coordinates never ends
    "astray",  # the file says that it lies in another part of the sky than its page does
    "deep",  # the original has 16 bits a channel
    "cmyk",  # the JPEGs are made for printers
    "gray",  # the original is in one channel
    "unsized",  # the list does not know its size and leaves it out
    "embargoed",  # its page asks for a login, and no list has it
)
_EVERY, _STEP = 4, 2


def with_companions(shown: Sequence[Picture]) -> tuple[Picture, ...]:
    """The pictures and what comes with them, the newest first; finished files stay alone and untroubled."""
    observed = sorted((one for one in shown if one.placed), key=lambda one: one.image_id)
    released = [one.name for one in observed if one.release]
    troubled = dict(zip(released[1::_STEP], TROUBLES, strict=False))
    pictures = [replace(one, trouble=troubled.get(one.name)) for one in shown]
    pictures += _companions(observed, {one.name for one in shown})
    return tuple(sorted(pictures, key=lambda one: (one.released, one.name), reverse=True))


def _companions(observed: Sequence[Picture], taken: set[str]) -> Iterator[Picture]:
    for number, beside in enumerate(observed[::_EVERY]):
        kind, title, type, facet = _COMPANIONS[number % len(_COMPANIONS)]
        name = f"{beside.name[:-1]}b"
        if name not in taken:
            yield replace(
                beside,
                name=name,
                image_id=beside.image_id + 5000,
                title=title.format(beside.object),
                type=type,
                facet=facet,
                placed=kind == "annotated",
                drawn=kind,
            )
