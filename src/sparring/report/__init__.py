"""What a person looks at: pictures of samples, training curves, the evolution GIF, the report."""

from sparring.report.curves import curves_figure, figure_png, figure_svg
from sparring.report.evolution import write_gif
from sparring.report.judge import Judge, judge_of
from sparring.report.page import write_report
from sparring.report.pictures import (
    image_grid,
    pairs_picture,
    rows_picture,
    samples_picture,
    save_png,
)
from sparring.report.vectors import vector_figure, vector_limits, vector_picture

__all__ = [
    "Judge",
    "curves_figure",
    "figure_png",
    "figure_svg",
    "image_grid",
    "judge_of",
    "pairs_picture",
    "rows_picture",
    "samples_picture",
    "save_png",
    "vector_figure",
    "vector_limits",
    "vector_picture",
    "write_gif",
    "write_report",
]
