"""Names of all metrics for tables, charts, files and the terminal. Needs only the standard library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricName:
    """The name of a metric.

    Attributes
    ----------
    name
        Name within a sentence.
    unit
        Empty for a number without unit.
    remark
        Remark that distinguishes it from similar metrics in a table; empty if the name is clear.
    """

    name: str
    unit: str = ""
    remark: str = ""

    @property
    def heading(self) -> str:
        """Name and unit for the head of a column: "edge distance (mm)"."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def title(self) -> str:
        """The heading with a capital letter: "Edge distance (mm)"."""
        return self.heading[0].upper() + self.heading[1:]

    @property
    def label(self) -> str:
        """The title with its remark: "Edge F1, within 2 pixels"."""
        return f"{self.title}, {self.remark}" if self.remark else self.title


# the value that results from subtracting 8-bit images without conversion
ARTEFACT = "paper_psnr_db_artefact"

METRIC_NAMES = {
    "edge_mm": MetricName("edge distance", "mm"),
    "f1": MetricName("edge F1", remark="within 2 pixels"),
    "psnr_db": MetricName("PSNR", "dB"),
    "ssim": MetricName("SSIM"),
    "psnr_joint_db": MetricName("PSNR at the joint", "dB"),
    "ssim_joint": MetricName("SSIM at the joint"),
    "rssim": MetricName("RSSIM", remark="from the paper"),
    ARTEFACT: MetricName("8-bit “PSNR”", "dB", "an artefact"),
    "correlation": MetricName("correlation with next slice"),
    "correlation_in_leg": MetricName("correlation with next slice, in the leg"),
    "correlation_reference": MetricName("the same in the real MRI"),
}
