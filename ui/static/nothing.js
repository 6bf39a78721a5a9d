// Shows its HTML and does nothing.
