"""A machine whose clock is wrong, for a process whose PYTHONPATH has this folder: SKEW says by how many seconds."""

import os
import time

_right, _skew = time.time, float(os.environ.get("SKEW", "0"))
time.time = lambda: _right() + _skew
