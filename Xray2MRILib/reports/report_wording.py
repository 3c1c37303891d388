"""Words and style of the comparison report."""

from __future__ import annotations

MEASURE_NAMES = {
    "edge_mm": "Edge distance, mm",
    "f1": "Edge F1 within 2 pixels",
    "psnr_db": "PSNR, dB",
    "ssim": "SSIM",
    "psnr_joint_db": "PSNR of the joint, dB",
    "ssim_joint": "SSIM of the joint",
    "rssim": "RSSIM (the paper's)",
    "paper_psnr_db_artefact": "8-bit “PSNR”, dB: an artefact",
}

HEADINGS = ("reference", "pseudo-MRI", "difference of outlines, two-sided", "the paper's one-sided form")

HOW_TO_READ = """
<h2>How to read this</h2>
<dl>
<dt>Edge distance, edge F1</dt><dd>Outlines (Canny, sigma 3) within the joint box of the reference: how far apart on
average, both ways, cut at 10 mm; and the share that has a partner within 2 pixels. No outlines count 10 mm and 0: an
empty volume comes last. The distance puts pictures shifted by 2, 4, 8 and 16 pixels in the right order; F1 does not
tell 4 from 8 pixels, both being beyond its 2. Neighbouring slices of one simulated knee lie about 0.7 mm apart.</dd>
<dt>PSNR, SSIM</dt><dd>In floating point, data range 1, one mapping of grey values for the whole volume. A blurred
average does well by both.</dd>
<dt>RSSIM</dt><dd>SSIM of outlines between the lower third of the femur and the upper third of the tibia, as in the
paper. Sparse outlines are alike where both are empty, so that an empty volume scores best: not to be read alone.</dd>
<dt>8-bit “PSNR”</dt><dd>An artefact: what comes out when 8-bit pictures are subtracted and squared without conversion,
so that differences wrap. Two pictures of pure noise reach 27.9 dB. It is shown because published figures of 28 to 29 dB
agree with it.</dd>
<dt>Difference of outlines</dt><dd>Sobel magnitude of the pseudo-MRI less that of the reference: orange is drawn by the
pseudo-MRI alone, blue by the reference alone. The one-sided form never shows what the pseudo-MRI lacks.</dd>
</dl>
"""

STYLE = """
:root{color-scheme:light}
body{margin:0;background:#f4f5f7;color:#1c2026;
  font:16px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 28px 60px;background:#fff}
h1{font-size:28px;margin:0 0 4px}
h2{font-size:20px;margin:34px 0 8px}
.notice{color:#9a2d12;font-weight:600;margin:0 0 18px}
.verdict{background:#eef5f1;border-left:6px solid #0b6e4f;padding:12px 20px}
.verdict h2{margin:0;font-size:15px;text-transform:uppercase;letter-spacing:.05em;color:#0b6e4f}
.verdict p{font-size:20px;line-height:1.4;font-weight:600;margin:6px 0}
.verdict ul{margin:8px 0 2px;padding-left:20px}
.verdict.not-closer{background:#fdf0ea;border-color:#c4591a}
.verdict.not-closer h2{color:#a34510}
.warnings{background:#fdf6e3;border-left:6px solid #c99700;padding:10px 20px;margin-top:14px}
.warnings h2{margin:0;font-size:15px;text-transform:uppercase;letter-spacing:.05em;color:#8a6800}
.warnings ul{margin:6px 0;padding-left:20px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{padding:6px 10px;border-bottom:1px solid #dde1e6;text-align:right;vertical-align:top;
  font-variant-numeric:tabular-nums}
thead th{font-size:14px;color:#454c56;border-bottom:2px solid #9aa2ad}
tbody th{text-align:left;font-weight:600;white-space:nowrap}
th small,td small{display:block;font-size:12px;font-weight:400;color:#69717d}
td.own{background:#eef5f1;font-weight:700}
td.beaten,.swatch{background:#fbe3d6}
.swatch{display:inline-block;width:18px;height:14px;margin-right:6px;vertical-align:-2px}
tr.artefact th,tr.artefact td{color:#626a75;font-style:italic}
tr.artefact td.own,tr.artefact td.beaten{background:none;font-weight:400}
.small{font-size:14px;color:#454c56}
.pictures{display:grid;grid-template-columns:96px 1fr;gap:8px}
.pictures img{width:100%;display:block}
.labels{display:grid;grid-template-rows:repeat(4,1fr);font-size:13px;color:#454c56;padding-bottom:22px}
.labels span{align-self:center}
.captions{display:flex;font-size:12px;color:#454c56;height:22px}
.captions span{flex:1;text-align:center}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(440px,1fr));gap:18px}
.chart{width:100%;max-width:560px;height:auto}
.chart text{font-size:12px;fill:#454c56}
.chart .title{font-size:14px;font-weight:600;fill:#1c2026}
.chart .grid{stroke:#e4e7eb}
.chart .mark{stroke:#9aa2ad}
.chart .axis{stroke:#9aa2ad;stroke-dasharray:3 3}
.legend{margin:2px 0 0 48px;font-size:13px;color:#454c56}
.wide+.legend{margin-left:0}
.legend span{margin-right:18px}
.legend i:not(.swatch){display:inline-block;width:24px;margin-right:6px;vertical-align:4px}
.legend b{display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:6px;vertical-align:-1px}
.details th{width:110px}
.details td{text-align:left;overflow-wrap:anywhere;font-size:14px}
dt{font-weight:600;margin-top:8px}
dd{margin:0 0 0 20px}
@media (max-width:760px){main{padding:16px 14px 40px}h1{font-size:24px}.verdict p{font-size:17px}
  .wide table{font-size:13px}.wide th,.wide td{padding:4px 5px}.wide tbody th{white-space:normal}
  .wide th small,.wide td small{font-size:10.5px}.charts{grid-template-columns:1fr}
  .pictures{grid-template-columns:64px 1fr}.labels,.captions{font-size:11px}.captions{height:34px}
  .labels{padding-bottom:34px}.legend{margin-left:12px}}
@media print{body{background:#fff}main{padding:0}}
"""
