"""What the page does, on the command line: one small file a command."""
