"""Before and after: an adapter asked held-out questions with the guards off and on, and what that shows.

`asking` puts questions to the engine as the product does, `replay` and `measures` judge what came, `recommendation` turns
figures into settings, `table` and `report` show them. Nothing here knows HTTP or vLLM.
"""

from .asking import Asker
from .figures import AdapterFigures
from .question import Question, questions
from .recommendation import Recommendation, as_record, recommended_profile
from .report import ReportHead, report_html
from .table import print_figures
from .verification import Options, Stage, Verification, verify

__all__ = [
    "AdapterFigures",
    "Asker",
    "Options",
    "Question",
    "Recommendation",
    "ReportHead",
    "Stage",
    "Verification",
    "as_record",
    "print_figures",
    "questions",
    "recommended_profile",
    "report_html",
    "verify",
]
