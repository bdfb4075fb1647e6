"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const add = (parent, tag, text, cls) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (cls) node.className = cls;
  return parent.appendChild(node);
};
const n2 = (v, d = 2) => v === null || v === undefined ? "–" : v.toFixed(d).replace("-", "−");

$("subtitle").textContent = D.subtitle;
$("headline").textContent = D.headline;
$("summary").textContent = D.summary;
if (D.status !== "explained") $("verdict").classList.add(D.status === "not explained" ? "bad" : "open");
D.warnings.forEach((w) => add($("warnings"), "li", w));
D.reasons.forEach((w) => add($("reasons"), "li", w));
const list = (id, rows) => rows.forEach(([k, v]) => { add($(id), "dt", k); add($(id), "dd", v); });
list("log", D.log);
list("settings", D.settings);
list("words", D.words);
if (D.answers) { const i = add($("answers"), "img", undefined, "wide"); i.src = D.answers; i.alt = "structures that the scan may show"; }
else add($("answers"), "p", "None was asked for. torch-afm predict with --answers 8 looks for them.", "soft");
if (!D.log.length) $("prepared").remove();
else if (D.picture) { const i = add($("picture"), "img", undefined, "wide"); i.src = D.picture; i.alt = "the scan before and after"; }

// What is doubtful, and how it is drawn.
const label = (a, i) => a.element + (i + 1) + (a.element_doubtful ? "?" : "");
const named = (a) => a.doubtful || a.element_doubtful || !["C", "H"].includes(a.element);
const key = [
  ['<circle cx="17" cy="9" r="7" fill="#4d4d4d" stroke="#000"/>', "an atom; H white, C gray, N blue, O orange red, S yellow, others with their letters"],
  ['<circle cx="17" cy="9" r="7" fill="#fff" fill-opacity="0.5" stroke="#b3261e" stroke-width="2" stroke-dasharray="3 2"/>', "an atom that may not be there (probability below " + D.sure + ")"],
  ['<text x="17" y="14" font-size="14" text-anchor="middle">N3?</text>', "atom 3, whose element is doubtful (probability below " + D.sure + "; others are in the table of atoms)"],
  ['<circle cx="17" cy="9" r="5" fill="none" stroke="#000" stroke-dasharray="1.5 2"/>', "an atom below the surface cut"],
  ['<path d="M2 9H32" stroke="#000" stroke-width="2"/>', "single bond"],
  ['<path d="M2 7H32" stroke="#000" stroke-width="2"/><path d="M2 12H32" stroke="#000" stroke-width="2" stroke-dasharray="4 3"/>', "aromatic bond"],
  ['<path d="M2 6H32M2 12H32" stroke="#000" stroke-width="2"/>', "double bond; three lines: triple"],
];
for (const [shape, text] of key) { add($("key"), "dt").innerHTML = '<svg width="34" height="18">' + shape + "</svg>"; add($("key"), "dd", text); }

// Slices
const panels = ["over", "scan", "simulated", "residual"];
const images = ["scan", "scan", "simulated", "residual"].map((name) => D[name].map((src) => { const i = new Image(); i.src = src; return i; }));
$("residual").nextElementSibling.children[1].style.background = "linear-gradient(to right," + D.colors.join(",") + ")";
let chosen = -1;
// The window around the atoms, 4 Å wider and as wide as it is high.
let around = D.window;
if (D.atoms.length) {
  const sides = ["x", "y"].map((c) => D.atoms.map((a) => a[c])).map((v) => [Math.min(...v), Math.max(...v)]);
  const half = Math.max(...sides.map(([a, b]) => (b - a) / 2)) + 4;
  if (D.window.every(([a, b]) => 2 * half < b - a)) {
    around = sides.map(([a, b], k) => {
      const middle = Math.min(Math.max((a + b) / 2, D.window[k][0] + half), D.window[k][1] - half);
      return [middle - half, middle + half];
    });
  }
}
$("near").checked = around !== D.window;
$("near").parentNode.hidden = around === D.window;
// A bar of about a fifth of the width.
function bar(g, w, h, width) {
  const size = w / 37, length = [0.5, 1, 2, 5, 10, 20, 50, 100].reduce((best, v) => Math.abs(v - width / 5) < Math.abs(best - width / 5) ? v : best);
  g.fillStyle = "rgba(255,255,255,0.8)"; g.fillRect(0.6 * size, h - 2.6 * size, length / width * w + size, 2.1 * size);
  g.fillStyle = "#1d2430"; g.fillRect(1.1 * size, h - size, length / width * w, 0.25 * size);
  g.font = size + "px system-ui, sans-serif"; g.textAlign = "left"; g.textBaseline = "alphabetic";
  g.fillText(length + " Å", 1.1 * size, h - 1.3 * size);
}
// The structure as the tip sees it; lengths in pixels of the canvas.
function drawStructure(g, at, scale) {
  const line = (a, b, off, from, to, width, color, dash) => {
    const d = Math.hypot(b.x - a.x, b.y - a.y) || 1, [ox, oy] = [-(b.y - a.y) / d * off, (b.x - a.x) / d * off];
    g.beginPath();
    g.moveTo(a.x + (b.x - a.x) * from + ox, a.y + (b.y - a.y) * from + oy);
    g.lineTo(a.x + (b.x - a.x) * to + ox, a.y + (b.y - a.y) * to + oy);
    g.setLineDash(dash || []); g.lineWidth = width; g.strokeStyle = color; g.stroke(); g.setLineDash([]);
  };
  const gap = 0.13 * scale, wide = Math.max(1.5, 0.07 * scale);
  const strokes = (order) => order >= 2.5 ? [[-gap], [0], [gap]] : order > 1.7 ? [[-gap / 2], [gap / 2]] : order > 1.2 ? [[0], [gap, [0.18 * scale, 0.12 * scale]]] : [[0]];
  for (const [width, color] of [[2.2 * wide, "#fff"], [wide, "#111"]]) {
    D.bonds.forEach(([i, j, order]) => {
      if (D.atoms[i].deep || D.atoms[j].deep) return;
      strokes(order).forEach(([off, dash]) => line(at[i], at[j], off, dash ? 0.2 : 0, dash ? 0.8 : 1, width, color, color === "#fff" ? undefined : dash));
    });
  }
  const order = D.atoms.map((_, i) => i).sort((i, j) => D.atoms[i].z - D.atoms[j].z);
  for (const i of order) {
    const a = D.atoms[i], { x, y } = at[i], r = (a.deep ? 0.3 : 0.38) * a.r * scale;
    g.beginPath(); g.arc(x, y, r, 0, 7);
    if (!a.deep) { g.fillStyle = a.doubtful ? "rgba(255,255,255,0.5)" : a.color; g.fill(); }
    g.setLineDash(a.deep ? [0.06 * scale, 0.1 * scale] : a.doubtful ? [0.12 * scale, 0.08 * scale] : []);
    g.lineWidth = i === chosen ? 2.5 * wide : a.doubtful && !a.deep ? 1.3 * wide : 0.6 * wide;
    g.strokeStyle = i === chosen ? "#ffb000" : a.doubtful && !a.deep ? "#b3261e" : "#000";
    g.stroke(); g.setLineDash([]);
    if (a.deep || !(named(a) || i === chosen)) continue;
    // Beside the atom, away from the middle of the structure.
    const size = Math.max(11, 0.42 * scale), away = Math.hypot(x - at.middle.x, y - at.middle.y) || 1;
    const [lx, ly] = [x + (x - at.middle.x) / away * (r + 0.75 * size), y + (y - at.middle.y) / away * (r + 0.75 * size)];
    g.font = "600 " + size + "px system-ui, sans-serif"; g.textAlign = "center"; g.textBaseline = "middle";
    g.lineWidth = 0.3 * size; g.lineJoin = "round"; g.strokeStyle = "rgba(255,255,255,0.9)"; g.fillStyle = a.element_doubtful || a.doubtful ? "#b3261e" : "#111";
    g.strokeText(label(a, i), lx, ly); g.fillText(label(a, i), lx, ly);
  }
}
function drawSlices() {
  const s = +$("slice").value, [[left, right], [bottom, top]] = D.window;
  const [[x0, x1], [y0, y1]] = $("near").checked ? around : D.window;
  panels.forEach((name, k) => {
    const canvas = $(name), image = images[k][s];
    if (!image.complete) { image.onload = drawSlices; return; }
    const w = canvas.width = k ? 480 : 960, h = canvas.height = Math.round(w * (y1 - y0) / (x1 - x0)), g = canvas.getContext("2d");
    g.imageSmoothingEnabled = true; g.imageSmoothingQuality = "high";
    const [px, py] = [image.width / (right - left), image.height / (top - bottom)];
    g.drawImage(image, (x0 - left) * px, (top - y1) * py, (x1 - x0) * px, (y1 - y0) * py, 0, 0, w, h);
    bar(g, w, h, x1 - x0);
    const scale = w / (x1 - x0), at = D.atoms.map((a) => ({ x: (a.x - x0) * scale, y: (y1 - a.y) * scale }));
    if (k === 0 && $("overlay").checked) {
      at.middle = { x: 0, y: 0 };
      at.forEach((p) => { at.middle.x += p.x / at.length; at.middle.y += p.y / at.length; });
      drawStructure(g, at, scale);
    } else if (k && chosen >= 0) {
      g.beginPath(); g.arc(at[chosen].x, at[chosen].y, 0.5 * scale, 0, 7); g.lineWidth = 3; g.strokeStyle = "#ffb000"; g.stroke();
    }
  });
  [["over", 0], ["scan", 0], ["simulated", 1]].forEach(([name, k]) => {
    const scale = $(name).nextElementSibling;
    [scale.children[0].textContent, scale.children[2].textContent] = D.ranges[s][k];
  });
  const where = "slice " + (s + 1) + " of " + D.scan.length + ", z = " + n2(D.z[s]) + " Å";
  $("over-caption").textContent = "the structure over the scan, " + where;
  $("about").textContent = where + "; Pearson r " + n2(D.pearson[s]) + ", structural similarity " + n2(D.ssim[s])
    + " (both 1 at best). Each gray scale is its own. In the difference blue is where the simulated image is too dark, red where it is too bright.";
}
$("slice").max = D.scan.length - 1;
$("slice").value = D.scan.length - 1;
["slice", "overlay", "near"].forEach((id) => $(id).addEventListener("input", drawSlices));

// Structure
const view = $("view");
let turn = [1, 0, 0, 0, 1, 0, 0, 0, 1], zoom = 1, middle = [0, 0, 0], extent = 1;
if (D.atoms.length) {
  const ends = ["x", "y", "z"].map((c) => D.atoms.map((a) => a[c])).map((v) => [Math.min(...v), Math.max(...v)]);
  middle = ends.map(([a, b]) => (a + b) / 2);
  extent = Math.hypot(...ends.map(([a, b]) => b - a)) / 2 + 1.5;
}
const times = (a, b) => a.map((_, i) => [0, 1, 2].reduce((sum, k) => sum + a[i - i % 3 + k] * b[3 * k + i % 3], 0));
function rotate(dx, dy) {
  const [c, s, d, t] = [Math.cos(dx), Math.sin(dx), Math.cos(dy), Math.sin(dy)];
  turn = times(times([1, 0, 0, 0, d, -t, 0, t, d], [c, 0, s, 0, 1, 0, -s, 0, c]), turn);
}
const start = () => { turn = [1, 0, 0, 0, 1, 0, 0, 0, 1]; zoom = 1; rotate(0, -0.5); };
function mix(color, share) {
  const c = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
  return "rgb(" + c.map((v) => Math.round(v * share + 244 * (1 - share))).join(",") + ")";
}
function draw() {
  const ratio = window.devicePixelRatio || 1, w = view.clientWidth, h = view.clientHeight;
  view.width = w * ratio; view.height = h * ratio;
  const g = view.getContext("2d");
  g.scale(ratio, ratio);
  const unit = zoom * Math.min(w, h) / 2 / extent, deep = $("context").checked, sure = $("sure").checked;
  const at = D.atoms.map((a) => {
    const p = [a.x - middle[0], a.y - middle[1], a.z - middle[2]];
    const q = [0, 1, 2].map((i) => turn[3 * i] * p[0] + turn[3 * i + 1] * p[1] + turn[3 * i + 2] * p[2]);
    return { x: w / 2 + q[0] * unit, y: h / 2 - q[1] * unit, z: q[2] };
  });
  const fade = (z) => Math.min(1, Math.max(0.35, 0.75 + 0.5 * z / extent));
  const parts = D.atoms.map((a, i) => ({ z: at[i].z, i, a })).filter((p) => deep || !p.a.deep);
  D.bonds.forEach(([i, j, order]) => {
    if (!deep && (D.atoms[i].deep || D.atoms[j].deep)) return;
    parts.push({ z: Math.min(at[i].z, at[j].z) - 0.01, bond: [at[i], at[j]], order });
  });
  parts.sort((p, q) => p.z - q.z);
  for (const p of parts) {
    if (p.bond) {
      const [a, b] = p.bond, length = Math.hypot(b.x - a.x, b.y - a.y) || 1, lines = Math.max(1, Math.round(p.order + 0.01));
      for (let k = 0; k < lines; k++) {
        const off = (k - (lines - 1) / 2) * 0.22 * unit, ox = -(b.y - a.y) / length * off, oy = (b.x - a.x) / length * off;
        // Of an aromatic bond the second line is broken.
        const broken = k === 1 && p.order < 1.7;
        g.setLineDash(broken ? [0.2 * unit, 0.2 * unit] : []);
        for (const [width, color] of [[lines > 1 ? 0.15 : 0.24, "#6b7480"], [lines > 1 ? 0.09 : 0.16, "#c3cad3"]]) {
          g.beginPath(); g.moveTo(a.x + ox, a.y + oy); g.lineTo(b.x + ox, b.y + oy);
          g.lineWidth = width * unit; g.lineCap = broken ? "butt" : "round"; g.strokeStyle = mix(color, fade(p.z)); g.stroke();
        }
      }
      g.setLineDash([]);
      continue;
    }
    const { x, y, z } = at[p.i], r = 0.55 * p.a.r * unit * (p.a.deep ? 0.8 : 1);
    const share = fade(z) * (p.a.deep ? 0.45 : 1) * (sure ? 0.15 + 0.85 * p.a.confidence : 1);
    const ball = g.createRadialGradient(x - r * 0.35, y - r * 0.4, r * 0.1, x, y, r);
    ball.addColorStop(0, mix("#ffffff", 1)); ball.addColorStop(0.35, mix(p.a.color, share)); ball.addColorStop(1, mix(p.a.color, share * 0.9));
    g.beginPath(); g.arc(x, y, r, 0, 7); g.fillStyle = ball; g.fill();
    g.setLineDash(p.a.doubtful ? [4, 3] : []);
    g.lineWidth = p.i === chosen ? 3 : p.a.doubtful ? 2 : 1; g.strokeStyle = p.i === chosen ? "#ffb000" : p.a.doubtful ? "#b3261e" : mix("#3a4250", share); g.stroke();
    g.setLineDash([]);
    if ($("elements").checked && !p.a.deep) {
      const text = p.a.element + (p.a.element_doubtful ? "?" : "");
      g.font = Math.max(9, Math.round(r)) + "px system-ui, sans-serif"; g.textAlign = "center"; g.textBaseline = "middle";
      g.lineWidth = 2.5; g.strokeStyle = "#fff"; g.fillStyle = "#1d2430";
      g.strokeText(text, x, y); g.fillText(text, x, y);
    }
  }
}
const pointers = new Map();
view.addEventListener("pointerdown", (e) => { view.setPointerCapture(e.pointerId); pointers.set(e.pointerId, [e.clientX, e.clientY]); });
for (const end of ["pointerup", "pointercancel"]) view.addEventListener(end, (e) => pointers.delete(e.pointerId));
view.addEventListener("pointermove", (e) => {
  const old = pointers.get(e.pointerId);
  if (!old) return;
  const other = [...pointers].find(([id]) => id !== e.pointerId);
  if (other) zoom *= Math.hypot(e.clientX - other[1][0], e.clientY - other[1][1]) / (Math.hypot(old[0] - other[1][0], old[1] - other[1][1]) || 1);
  else rotate((e.clientX - old[0]) * 0.01, (e.clientY - old[1]) * 0.01);
  pointers.set(e.pointerId, [e.clientX, e.clientY]);
  draw();
});
view.addEventListener("wheel", (e) => { e.preventDefault(); zoom *= Math.exp(-e.deltaY / 600); draw(); }, { passive: false });
$("reset").addEventListener("click", () => { turn = [1, 0, 0, 0, 1, 0, 0, 0, 1]; zoom = 1; draw(); });
["context", "sure", "elements"].forEach((id) => $(id).addEventListener("input", draw));
window.addEventListener("resize", draw);

// Tables
const words = (order) => order > 2.5 ? "triple" : order > 1.7 ? "double" : order > 1.2 ? "aromatic" : "single";
const header = (id, titles) => { const row = add(add($(id), "thead"), "tr"); titles.forEach((t) => add(row, "th", t)); return add($(id), "tbody"); };
const name = (i) => D.atoms[i].element + " " + (i + 1);
const mark = (row, atoms) => {
  row.addEventListener("mouseenter", () => { chosen = atoms[0]; row.classList.add("on"); draw(); drawSlices(); });
  row.addEventListener("mouseleave", () => { chosen = -1; row.classList.remove("on"); draw(); drawSlices(); });
};
const support = D.atoms.some((a) => a.support !== null);
const body = header("atoms", ["atom", "probability", "of the elements", "x (Å)", "y (Å)", "z (Å)", "± x, y, z (Å)"].concat(support ? ["support"] : []));
D.atoms.forEach((a, i) => {
  const row = add(body, "tr", undefined, a.deep ? "deep" : "");
  add(row, "td", name(i) + (a.deep ? " (below the cut)" : a.doubtful ? " (may not be there)" : a.element_doubtful ? " (element doubtful)" : ""));
  const cell = add(row, "td"), bar = add(cell, "span", undefined, "bar");
  add(bar, "i").style.width = 100 * a.confidence + "%";
  add(cell, "span", n2(a.confidence));
  add(row, "td", a.elements || "–");
  ["x", "y", "z"].forEach((c) => add(row, "td", n2(a[c])));
  add(row, "td", a.sigma ? a.sigma.map((v) => n2(v)).join(", ") : "–");
  if (support) add(row, "td", n2(a.support));
  mark(row, [i]);
});
const bondRows = header("bonds", ["bond", "order", "length (Å)", "probability"]);
D.bonds.forEach(([i, j, order, probability]) => {
  const row = add(bondRows, "tr", undefined, D.atoms[i].deep ? "deep" : ""), [a, b] = [D.atoms[i], D.atoms[j]];
  add(row, "td", name(i) + " – " + name(j));
  add(row, "td", words(order));
  add(row, "td", n2(Math.hypot(a.x - b.x, a.y - b.y, a.z - b.z)));
  add(row, "td", n2(probability));
  mark(row, [i, j]);
});
start();
draw();
drawSlices();
