"""Four reviewers as processes, 10,000 decisions, two kill -9 of the server: none lost, doubled, or shown to two."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
sys.path.append(str(Path(__file__).parents[1] / "tests" / "review"))
from crowd import review_in_company


def main() -> None:
    """Run and print; an assertion fails where anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pace = review_in_company(Path(folder), options.decisions, 3600.0)
    print(f"{options.decisions} decisions, two kills: none lost, none doubled, none shown twice; {pace:.0f} a second")


if __name__ == "__main__":
    main()
