"""Settings for all tests."""

import os

# Before anything imports PyTorch: OpenMP threads that spin while they wait slow each other down under xdist.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# A server that the settings of this folder name must not get the tests' runs.
os.environ.setdefault("DO_NOT_TRACK", "1")

from hypothesis import settings

# A deadline measures the machine and what else it does, not the code.
settings.register_profile("deepfield", deadline=None)
settings.load_profile("deepfield")
