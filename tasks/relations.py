"""The relation tasks we ship: drug-drug, gene-disease, and clinical relations."""

from tasks.relation import NONE, RelationTask

_NO_DDI = "the text states no interaction of the two"
_NO_CLINICAL = "no such relation, or the two merely stand in one sentence"

_TREATMENT_PROBLEM = {
    "TrIP": "the treatment improves or cures the problem",
    "TrWP": "the treatment worsens the problem, or does not help it",
    "TrCP": "the treatment causes the problem",
    "TrAP": "the treatment is given for the problem, the outcome not said",
    "TrNAP": "the treatment is withheld or stopped because of the problem",
}
_TEST_PROBLEM = {
    "TeRP": "the test shows the problem",
    "TeCP": "the test is done to look into the problem",
}
_PROBLEM_PROBLEM = {"PIP": "one problem goes with, points to or brings about the other"}

RELATION_TASKS = (
    RelationTask(
        "re-ddi",
        "Drug–drug interactions",
        ner_tasks=("ner-chemical",),
        types={
            "effect": "the text tells what the two drugs do together",
            "mechanism": "one drug changes how the body takes up, handles or clears the other",
            "advise": "the text advises on taking or not taking the two together",
            "int": "the text says that they interact and no more",
            NONE: _NO_DDI,
        },
        masks={"Chemical": "@DRUG$", "Drug": "@DRUG$"},
        marks="Two drugs are marked @DRUG$.",
        pairs={("Chemical", "Chemical"): ("effect", "mechanism", "advise", "int")},
    ),
    RelationTask(
        "re-gad",
        "Genes and diseases",
        ner_tasks=("ner-gene", "ner-disease"),
        types={
            "related": "the text links the gene with the disease",
            NONE: "the text states no link between them, or denies one",
        },
        masks={"Gene": "@GENE$", "Disease": "@DISEASE$"},
        marks="A gene is marked @GENE$ and a disease @DISEASE$.",
        pairs={("Gene", "Disease"): ("related",)},
    ),
    RelationTask(
        "re-clinical",
        "Problems, treatments and tests",
        ner_tasks=("ner-clinical",),
        types=_TREATMENT_PROBLEM | _TEST_PROBLEM | _PROBLEM_PROBLEM | {NONE: _NO_CLINICAL},
        masks={"problem": "@PROBLEM$", "treatment": "@TREATMENT$", "test": "@TEST$"},
        marks="Medical problems are marked @PROBLEM$, treatments @TREATMENT$ and tests @TEST$.",
        pairs={
            ("treatment", "problem"): tuple(_TREATMENT_PROBLEM),
            ("test", "problem"): tuple(_TEST_PROBLEM),
            ("problem", "problem"): tuple(_PROBLEM_PROBLEM),
        },
    ),
)
