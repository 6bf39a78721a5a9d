"""Who may do what, and the workbench: what routes ask for in their signatures."""

from typing import Annotated

from fastapi import Depends, Request

from serving.accounts.access import current_account, require
from serving.store.records import Account
from serving.workbench import Workbench


def _workbench(request: Request) -> Workbench:
    workbench: Workbench = request.app.state.workbench
    return workbench


def _ready(request: Request) -> Workbench:
    workbench = _workbench(request)
    workbench.require_engine()
    return workbench


Bench = Annotated[Workbench, Depends(_workbench)]
ReadyBench = Annotated[Workbench, Depends(_ready)]  # 503 with the reason while there is no engine
Anyone = Annotated[Account, Depends(current_account)]
Clinician = Annotated[Account, require("clinician")]
Tagger = Annotated[Account, require("clinician", "annotator")]
Exporter = Annotated[Account, require("annotator", "admin")]
Admin = Annotated[Account, require("admin")]
