"""The words that stand on every page, export and API answer."""

NOTICE = "Draft for clinician review. Not a medical device."

MODEST = (
    "The default model is very small (135 million parameters): it shows how the workbench works, "
    "but it often leaves things out, repeats itself or invents. Check every line against the notes."
)
