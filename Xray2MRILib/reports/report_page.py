"""The fixed parts of a report: its style, and what its pictures do and do not mean."""

from __future__ import annotations

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#1c1e21;background:#fff;max-width:1240px;margin:0 auto;
padding:0 20px 40px}
.notice{background:#ffb020;color:#1c1e21;font-weight:700;padding:10px 16px;margin:0 -20px 18px;position:sticky;top:0}
h1{font-size:26px;margin:14px 0 4px}
h2{font-size:19px;margin:28px 0 8px;border-bottom:1px solid #ccc;padding-bottom:3px}
figure{margin:0 0 12px;display:inline-block;vertical-align:top;margin-right:16px}figcaption{color:#555;font-size:13px}
img{max-width:100%;height:auto;display:block}table{border-collapse:collapse;margin:6px 0;font-size:14px}
th,td{border:1px solid #d0d3d8;padding:3px 9px;text-align:left}th{background:#f1f3f5}
.numbers td:not(:first-child){text-align:right;font-variant-numeric:tabular-nums}
svg{width:520px;max-width:100%}svg text{font:11px system-ui,sans-serif;fill:#444}
svg .title{font-weight:700;font-size:13px}
.warning{background:#fdecea;border-left:5px solid #d93025;padding:6px 12px;margin:6px 0}
.verdict{background:#eef4fb;border-left:5px solid #1f6fb4;padding:6px 12px;margin:6px 0;font-weight:600}
.bar{display:inline-block;height:11px;background:#5ca4e8;vertical-align:middle}
@media print{.notice{position:static}h2{break-after:avoid}figure,table,svg{break-inside:avoid}}
"""

MEANING = """
<h2>What this does and does not mean</h2>
<ul>
<li>Soft tissue (cartilage, menisci, ligaments, muscle, fat) is not visible on a radiograph. What the volume shows of it
is invented by the model and may look convincing where it is wrong.</li>
<li>Pose, scale and grey values are nominal: distances are those of an average field of view, not of this knee.</li>
<li>The grade probabilities come from a program or from the person who entered them, as stated; they are no
finding.</li>
<li>A spread over seeds is small where the model repeats itself. That is no evidence that it is right.</li>
</ul>
<p>Method: Z. Wang, Y. H. Chen, M. Jarraya et al., “A Diffusion-based Xray2MRI Model”, arXiv 2410.06997.</p>
"""
