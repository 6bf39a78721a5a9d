"""Exit with 0 where a server on this machine answers 200: `healthcheck.py PORT PATH`.

For the health checks of the containers; goes past any proxy that is set for the internet.
"""

import http.client
import sys

try:
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=4)
    connection.request("GET", sys.argv[2])
    sys.exit(connection.getresponse().status != http.client.OK)
except OSError as error:
    sys.exit(str(error))
