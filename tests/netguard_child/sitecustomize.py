"""Found through PYTHONPATH (tests/netguard.py sets it): every Python child is watched too."""

import rounds_netguard

rounds_netguard.install()
