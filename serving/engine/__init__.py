"""The vLLM server: started on a leash, watched, started again, told about in plain words.

Kept free of imports: the leash runs from here with the standard library alone.
"""
