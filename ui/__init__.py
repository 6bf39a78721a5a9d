"""People and serving: the tabs, their widgets and exports."""
