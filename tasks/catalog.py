"""Every task, by id."""

from functools import cache
from typing import Any

from tasks.base import Task
from tasks.discharge import DischargeTask
from tasks.ner import NER_TASKS
from tasks.qa import AskTask
from tasks.relations import RELATION_TASKS


class UnknownTask(KeyError):
    """There is no task of that id."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id)
        self.task_id = task_id

    def __str__(self) -> str:
        return f"there is no task {self.task_id!r}; known are {', '.join(all_tasks())}"


@cache
def _tasks() -> dict[str, Task[Any, Any]]:
    tasks: tuple[Task[Any, Any], ...] = (DischargeTask(), *NER_TASKS, *RELATION_TASKS, AskTask())
    return {task.id: task for task in tasks}


def all_tasks() -> dict[str, Task[Any, Any]]:
    """Return every task by id, in the order a page shows them."""
    return dict(_tasks())


def task(task_id: str) -> Task[Any, Any]:
    """Return the task; raises UnknownTask (a KeyError), whose message lists the ids."""
    try:
        return _tasks()[task_id]
    except KeyError:
        raise UnknownTask(task_id) from None
