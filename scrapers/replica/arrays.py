"""Names for the two kinds of pixel arrays here: counts and display bytes."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
ByteArray = NDArray[np.uint8]
