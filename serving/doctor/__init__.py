"""What is installed, what is here, and what is wrong with it."""
