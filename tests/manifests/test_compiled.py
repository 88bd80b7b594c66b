"""Compiled functions work wherever Deepfield is installed."""

import subprocess
import sys

_WITHOUT_A_PLACE = """
from numba.core import caching
caching.CacheImpl._locator_classes = []
import numpy as np
from manifests.planes import extremes
print(extremes(np.full((1, 1, 3), 7, np.uint8))[0][0, 0])
"""


def test_a_home_and_an_installation_that_cannot_be_written_are_no_hindrance():
    done = subprocess.run([sys.executable, "-c", _WITHOUT_A_PLACE], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
