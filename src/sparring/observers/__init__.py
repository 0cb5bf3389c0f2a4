"""What watches a run: called once a tick, unknown to the loop."""

from sparring.observers.evaluation import Evaluation
from sparring.observers.progress import Progress
from sparring.observers.record import Checkpoints, History, Snapshots
from sparring.observers.referee import Referee

__all__ = ["Checkpoints", "Evaluation", "History", "Progress", "Referee", "Snapshots"]
