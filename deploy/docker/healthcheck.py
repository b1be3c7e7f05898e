"""Ask the exporter in this container whether it lives. HEALTH_URL names another port, or https."""  # noqa: INP001  a script of its own

import os
import ssl
import sys
import urllib.request

URL = os.environ.get("HEALTH_URL", "http://127.0.0.1:10115/-/healthy")
# The certificate is for the name by which others reach the container, not for loopback.
CONTEXT = ssl._create_unverified_context()  # noqa: S323, SLF001

try:
    with urllib.request.urlopen(URL, timeout=4, context=CONTEXT) as answer:  # noqa: S310
        sys.exit(answer.status != 200)  # noqa: PLR2004
except OSError as error:
    sys.exit(str(error))
